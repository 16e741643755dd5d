"""The settings by hand: every page and choice, wide and on a phone, in both languages."""

import asyncio
from typing import Any

import pytest

from app.pages import PAGES
from app.preferences import SCALES, Preferences
from app.screens import licences, storage
from tests.app.robot import PHONE, WIDE, until
from tests.faults.people import Device, Town
from tests.system.test_story_groups import say

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINE = (
    "about",
    "account",
    "accounts",
    "appearance",
    "delete_account",
    "devices",
    "language",
    "licences",
    "notifications",
    "password",
    "privacy",
    "shortcuts",
    "storage",
)


async def switch(robot: Any, label: str) -> Any:
    """Returns the switch with a label."""
    return await until(
        lambda: next((it for it in robot.named("SwitchRow") if it.label == label), None), label
    )


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_nothing_is_cut_off_on_any_page(
    robot: Any, me: Device, size: Any, language: str
) -> None:
    app = robot.app
    app.desk.tab = "settings"
    await robot.resize(*size)
    app.preferences.language = language
    await robot.sees(app.words("settings.logout"))
    assert robot.outside() == []
    for name in MINE:
        app.go(name)
        await robot.frames(3)
        assert robot.outside() == [], name
        app.desk.leave_all()


async def test_the_pane_leads_to_every_page_and_shows_whose_it_is(robot: Any, me: Device) -> None:
    app = robot.app
    app.desk.tab = "settings"
    await robot.sees("灵灵")
    email = (await me.client.me()).email
    await until(lambda: app.desk.settings.note == email, "the address is there")
    for key, page in (
        ("account", "AccountPage"),
        ("devices", "DevicesPage"),
        ("privacy", "PrivacyPage"),
        ("notifications", "NotificationsPage"),
        ("appearance", "AppearancePage"),
        ("language", "LanguagePage"),
        ("storage", "StoragePage"),
        ("about", "AboutPage"),
    ):
        await robot.press(app.words(f"settings.{key}"))
        await until(lambda page=page: robot.named(page), page)
        app.desk.leave_all()
        await robot.frames(2)
    await robot.click(robot.named("OwnCard")[0])
    await until(lambda: robot.named("Me"), "the own profile")
    # What is changed there shows here.
    await me.client.update_me(handle=f"ling_{me.client.user_id[-8:]}")
    app.desk.leave_all()
    await app.session.load_account()
    await until(lambda: "鸿雁号 ling_" in app.desk.settings.note, "the handle is there")


async def test_the_looks_the_size_and_enter_are_chosen(robot: Any, me: Device) -> None:
    app = robot.app
    page = app.go("appearance")
    await robot.press("深色")
    assert app.theme.dark
    await robot.press("浅色")
    assert not app.theme.dark
    slider = page.ids.size
    sample = next(it for it in robot.named("SampleRow") if it.mine)
    before = sample.height
    await robot.frames(2)
    slider.dispatch("on_choose", len(SCALES) - 1)
    await until(lambda: sample.height > before, "the sample is larger")
    assert app.preferences.scale == SCALES[-1]
    await robot.click(slider)
    assert app.preferences.scale == SCALES[len(SCALES) // 2]
    await robot.click(await switch(robot, "按 Enter 发送"))
    assert app.preferences.enter_sends is False
    await robot.sees("Ctrl+Enter 发送，Enter 换行")
    app.preferences.save()
    kept = Preferences(app.session.client.home / "preferences.json")
    assert (kept.enter_sends, kept.scale) == (False, SCALES[len(SCALES) // 2])
    app.preferences.enter_sends = True


async def test_the_language_changes_at_once(robot: Any, me: Device) -> None:
    robot.app.go("language")
    await robot.press("English")
    await robot.sees("Follow the system")
    await robot.press("简体中文")
    await robot.sees("跟随系统")


async def test_privacy_is_set_shows_at_once_and_goes_back_when_it_is_refused(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    page = app.go("privacy")
    await until(lambda: page.known, "it is known")

    async def account() -> Any:
        return await me.client.me()

    for label, field in (
        ("可通过鸿雁号找到我", "found_by_handle"),
        ("可通过邮箱找到我", "found_by_email"),
        ("已读回执", "read_receipts"),
    ):
        row = await switch(robot, label)
        assert row.active
        await robot.click(row)
        assert not row.active
        async with asyncio.timeout(60):
            while getattr((await account()).privacy, field):
                await asyncio.sleep(0.05)
    await robot.click(await switch(robot, "隐藏在线状态"))
    async with asyncio.timeout(60):
        while not (await account()).presence_hidden:
            await asyncio.sleep(0.05)
    await robot.press("谁可以加我为好友")
    await robot.press("任何人都不可以")
    async with asyncio.timeout(60):
        while (await account()).privacy.who_may_add != "nobody":
            await asyncio.sleep(0.05)
    await robot.press("陌生人的消息")
    await robot.press("不接收")
    async with asyncio.timeout(60):
        while (await account()).privacy.strangers != "refuse":
            await asyncio.sleep(0.05)
    await until(lambda: not page._wanted, "all is answered")
    # Without the server it shows at once, and goes back.
    await town.system.kill("verify")
    row = await switch(robot, "隐藏在线状态")
    await robot.click(row)
    await until(lambda: row.active, "it is back")
    await town.system.start("verify")
    await robot.press("黑名单")
    await until(lambda: robot.named("Blocked"), "whom one blocks")


async def test_notifications_are_chosen(robot: Any, me: Device) -> None:
    chosen = robot.app.preferences
    robot.app.go("notifications")
    await robot.click(await switch(robot, "显示消息内容"))
    await robot.click(await switch(robot, "提示音"))
    assert (chosen.notify_preview, chosen.notify_sound) == (False, False)
    await robot.click(await switch(robot, "新消息通知"))
    assert chosen.notify is False
    await robot.frames(3)
    assert not any(it.label == "提示音" and it.opacity for it in robot.named("SwitchRow"))
    chosen.notify = chosen.notify_preview = chosen.notify_sound = True


async def test_the_cache_is_cleared_and_what_is_not_sent_stays(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    bo = await town.newcomer("bo")
    id = (await bo.client.open_direct(me.client.user_id)).conversation_id
    await say(bo, id, "在吗")
    session = app.session
    await until(lambda: session.client.known_messages(id), "it is here")
    await session.client.clear_pictures()  # those of other tests
    pictures = session.client.home / "pictures"
    pictures.mkdir(exist_ok=True)
    (pictures / "old.96").write_bytes(b"x" * 2_048)
    page = app.go("storage")
    await until(lambda: page.pictures == "2 KB", "it is measured")
    await robot.press("清除图片缓存")
    await until(lambda: page.pictures == "0 B", "they are gone")
    await town.system.kill("gate")
    await until(lambda: session.state != "online", "it is offline")
    await session.client.send(id, "还没发出去")
    await robot.press("清空全部缓存")
    await robot.press("清空")
    await until(lambda: not session.client.known_messages(id), "the cache is empty")
    assert [it.text for it in session.client.pending()] == ["还没发出去"]
    await town.system.start("gate")
    await until(
        lambda: (
            {"在吗", "还没发出去"}
            <= {it.text for it in session.client.known_messages(id) if it.seq}
        ),
        "all is here again, and sent",
    )


async def test_the_program_says_what_it_is_made_of(robot: Any, me: Device) -> None:
    robot.app.go("about")
    await robot.sees("版本 1.0.0")
    await robot.sees(robot.app.session.client.address)
    await robot.press("开源许可")
    await robot.sees("SIL Open Font License 1.1")
    await until(
        lambda: any(it.label.startswith("Kivy ") for it in robot.named("Row")), "Kivy's licence"
    )
    robot.app.desk.back()
    await robot.press("键盘快捷键")
    await robot.sees("Ctrl+K")


async def test_every_package_that_the_app_needs_has_a_licence() -> None:
    found = {it.name.lower(): it for it in licences.parts()}
    assert {"kivy", "grpclib", "protobuf", "pillow"} <= found.keys()
    assert not {"sqlalchemy", "pytest", "typer"} & found.keys(), "servers and tests are not in it"
    assert [it.name for it in found.values() if not it.licence] == []


async def test_sizes_are_said_as_people_say_them() -> None:
    words = [storage.in_words(it) for it in (0, 900, 2_048, 3_565_158, 5 * 1024**3)]
    assert words == ["0 B", "900 B", "2 KB", "3.4 MB", "5.0 GB"]


async def test_pages_of_the_settings_are_registered(robot: Any) -> None:
    assert set(MINE) | {"device_code"} <= PAGES.keys()


async def test_who_logs_out_is_told_of_what_is_not_sent(robot: Any, me: Device, town: Town) -> None:
    app = robot.app
    bo = await town.newcomer("bo")
    id = (await bo.client.open_direct(me.client.user_id)).conversation_id
    await say(bo, id, "在吗")
    await until(lambda: app.session.client.known_messages(id), "it is here")
    app.desk.tab = "settings"
    await robot.press("退出登录")
    await robot.sees("聊天记录会留在这台设备上")
    await robot.press("取消")
    assert app.session.signed_in
    await town.system.kill("gate")
    await until(lambda: app.session.state != "online", "it is offline")
    await app.session.client.send(id, "还没发出去")
    await robot.press("退出登录")
    await robot.sees("还有 1 条消息没有发出去")
    await robot.press("取消")
    await town.system.start("gate")
    await until(lambda: app.session.state == "online", "it is online")
    await robot.press("退出登录")
    dialog = await until(lambda: robot.named("Dialog"), "the question")
    dialog[0].answer(True)
    await until(lambda: not app.session.signed_in, "logged out")
