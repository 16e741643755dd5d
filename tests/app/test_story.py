"""A person uses the app by hand: registers, is found, talks, and changes how it looks."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.preferences import Preferences
from loadtest.accounts import PASSWORD, mailed_code
from tests.faults.people import Device, Town
from tests.system.test_story_groups import say, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

EMAIL = "app-ling@example.org"


async def until_true(found: Any, what: str) -> Any:
    from tests.app.robot import until  # noqa: PLC0415

    return await until(found, what)


async def newcomer(town: Town, name: str, called: str) -> Device:
    """Returns a device of somebody else, who uses no app."""
    device = await town.newcomer(name)
    await device.client.update_me(display_name=called)
    return device


async def test_somebody_registers_with_a_mailed_code(robot: Any, town: Town, door: None) -> None:
    entry = robot.app.entry
    await robot.sees("见字如面")
    await robot.press("注册新账号")
    await until_true(lambda: entry.form == "register", "the form")
    fields = entry.shown.ids
    await robot.write(fields.name.ids.field, "灵灵")
    fields.email.text = ""  # the address of who was there before
    await robot.write(fields.email.ids.field, EMAIL)
    await robot.press("获取验证码")
    code = await until_true(lambda: mailed_code(town.system.mail_folder, EMAIL), "the mail")
    await robot.write(fields.code.ids.field, code)
    await robot.write(fields.password.ids.field, "short")
    await robot.press("注册")
    await robot.sees("密码至少 8 个字符")
    fields.password.text = ""
    await robot.write(fields.password.ids.field, PASSWORD)
    assert robot.outside() == []
    await robot.press("注册")
    await until_true(lambda: robot.app.session.signed_in, "logged in")
    await robot.sees("还没有聊天")
    assert robot.outside() == []


async def test_a_friend_is_found_and_they_talk(robot: Any, town: Town, tmp_path: Path) -> None:
    bo = await newcomer(town, "bo", "波波")
    handle = f"Bo_{tmp_path.name[-8:].replace('-', '_')}x"[:20]
    await bo.client.update_me(handle=handle)
    desk = robot.app.desk
    desk.tab = "contacts"
    await robot.frames()
    await robot.write(desk.contacts.ids.query, handle)
    await robot.press(f"查找“{handle}”")
    await robot.press(f"鸿雁号：{handle}")
    await robot.press("添加到通讯录")
    await robot.press("发送")
    await robot.sees("已发送好友申请")
    mine = robot.app.session.user_id
    await until_true(
        lambda: any(it.user_id == mine for it in bo.client._open().cache.contact_requests()),
        "the request is there",
    )
    await bo.client.accept_contact(mine)
    await robot.sees("发消息")
    conversation = await bo.client.open_direct(mine)
    await say(bo, conversation.conversation_id, "吃饭了吗？🍲")
    desk.tab = "chats"
    await robot.sees("吃饭了吗？🍲")
    robot.app.open_chat(conversation.conversation_id)
    await robot.sees("你们已成为好友，现在可以开始聊天了")
    await robot.write(desk.chat.composer.ids.input, "还没呢 😀 hello")
    await robot.press("发送")
    await robot.sees("还没呢 😀 hello")
    await until_true(
        lambda: "还没呢 😀 hello" in words(bo, conversation.conversation_id), "it has arrived"
    )
    bo.client.mark_read(conversation.conversation_id, 3)
    await until_true(
        lambda: any(getattr(it, "tick", "") == "read" for it in robot.shown()), "it is read"
    )
    assert robot.outside() == []
    await no_overlap(robot)


async def test_a_message_is_replied_to_reacted_to_and_taken_back(robot: Any, town: Town) -> None:
    bo = await newcomer(town, "mei", "梅子")
    chat, app = robot.app.desk.chat, robot.app
    id = (await bo.client.open_direct(app.session.user_id)).conversation_id
    await say(bo, id, "周六去爬山吗？")
    app.open_chat(id)
    await robot.sees("周六去爬山吗？")

    def row(text: str) -> Any:
        rows = (it for it in robot.shown() if type(it).__name__ == "MessageRow")
        return next((it for it in rows if it.text == text), None)

    await ask(row, "周六去爬山吗？", robot)
    await robot.press("引用")
    await robot.sees("周六去爬山吗？")
    await robot.write(chat.composer.ids.input, "去！")
    await robot.press("发送")
    await until_true(lambda: "去！" in words(bo, id), "it has arrived")
    seen = bo.client._open().cache.messages(id, 10**6, 10)
    assert [it.quote.seq for it in seen if it.quote] == [1]
    await ask(row, "周六去爬山吗？", robot)
    await robot.press("👍")
    await robot.sees("👍 1")
    await until_true(lambda: row("去！").tick in ("stored", "received", "read"), "it is stored")
    await ask(row, "去！", robot)
    await robot.press("撤回")
    await robot.sees("你撤回了一条消息")
    assert not app.menu.is_open
    await ask(row, "周六去爬山吗？", robot)
    assert app.menu.is_open
    await robot.click(app.desk.rail)
    assert not app.menu.is_open


async def ask(row: Any, text: str, robot: Any) -> None:
    """Presses a message with the right button, and waits for the menu."""

    async with asyncio.timeout(60):
        while not robot.app.menu.is_open:
            await robot.frames(3)  # rows are shared: what a widget shows may have just changed
            await robot.click(row(text).ids.bubble, button="right")


async def no_overlap(robot: Any) -> None:
    """Rows of a chat stand one below the other."""
    await robot.frames()
    rows = [it for it in robot.shown() if type(it).__name__ == "MessageRow"]
    rows.sort(key=lambda it: it.y)
    for below, above in pairwise(rows):
        assert below.top <= above.y + 1
    for row in rows:
        for it in robot.shown(row):
            assert it.height <= row.height + 1 or it is row


async def test_many_messages_are_shown_as_they_come_and_older_ones_when_one_scrolls(
    robot: Any, town: Town
) -> None:
    bo = await newcomer(town, "wang", "老王")
    mine = robot.app.session.user_id
    id = (await bo.client.open_direct(mine)).conversation_id
    for number in range(90):
        await say(bo, id, f"第 {number} 条 " + "长" * (number % 40))
    robot.app.open_chat(id)
    await robot.sees("第 89 条")
    await no_overlap(robot)
    view = robot.app.desk.chat.ids.list
    assert view.at_bottom()
    async with asyncio.timeout(30):
        while not any("第 0 条" in it for it in robot.texts()):
            view.scroll_by(-10_000)
            await robot.frames(4)
    # While one reads what is old, the newest does not pull one away.
    view.scroll_by(1_200)
    await robot.frames(4)
    assert not view.at_bottom()
    await say(bo, id, "新的")
    await robot.sees("1 条新消息")
    assert not view.at_bottom()
    await robot.press("1 条新消息")
    await robot.sees("新的")


async def test_a_draft_stays_with_its_chat(robot: Any) -> None:
    app = robot.app
    chats = [it["key"] for it in app.desk.chats.ids.list.data if not it["key"].startswith("box")]
    others = [
        it.conversation_id
        for it in app.session.client.known_conversations()
        if it.conversation_id not in chats
    ]
    field = app.desk.chat.composer.ids.input
    app.open_chat(chats[0])
    await robot.frames()
    field.text = ""
    await robot.write(field, "写了一半")
    app.open_chat(others[0])
    await robot.sees("[草稿]")
    await robot.sees("写了一半")
    assert field.text == ""
    app.open_chat(chats[0])
    assert field.text == "写了一半"


async def test_backspace_takes_a_whole_emoji(robot: Any) -> None:
    field = robot.app.desk.chat.composer.ids.input
    field.text = "家👨‍👩‍👧"
    field.cursor = field.get_cursor_from_index(len(field.text))
    field.do_backspace()
    assert field.text == "家"


async def test_language_and_looks_change_at_once_and_are_kept(robot: Any) -> None:
    app = robot.app
    app.desk.tab = "settings"
    await robot.sees("退出登录")
    app.preferences.language = "en"
    await robot.sees("Log out")
    assert robot.outside() == []
    app.preferences.looks = "dark"
    assert app.theme.dark
    await robot.frames()
    app.preferences.save()
    kept = Preferences(app._home / "preferences.json")
    assert (kept.language, kept.looks) == ("en", "dark")
    app.preferences.looks = "light"
    app.preferences.language = "zh"
    await robot.sees("退出登录")


async def test_on_a_phone_there_is_one_pane_at_a_time(robot: Any) -> None:
    from kivy.core.window import Window  # noqa: PLC0415

    app = robot.app
    app.desk.tab = "chats"
    id = app.session.client.known_conversations()[0].conversation_id
    app.open_chat(id)
    await robot.frames()
    Window.size = (400, 800)
    try:
        await until_true(lambda: not app.desk.wide, "narrow")
        await robot.frames()
        assert not any(type(it).__name__ == "Chats" for it in robot.shown())
        assert robot.outside() == []
        app.close_chat()
        await robot.sees("通讯录")
        assert any(type(it).__name__ == "Chats" for it in robot.shown())
        assert robot.outside() == []
    finally:
        Window.size = (1100, 720)
        await until_true(lambda: app.desk.wide, "wide again")


async def test_what_is_sent_while_the_server_is_away_is_shown_and_arrives(
    robot: Any, town: Town
) -> None:
    bo = await newcomer(town, "li", "小李")
    id = (await bo.client.open_direct(robot.app.session.user_id)).conversation_id
    await say(bo, id, "在吗")
    robot.app.open_chat(id)
    await robot.sees("在吗")
    await town.system.kill("gate")
    try:
        await robot.write(robot.app.desk.chat.composer.ids.input, "网络断了也能发")
        await robot.press("发送")
        await robot.sees("网络断了也能发")
    finally:
        await town.system.start("gate")
    await until_true(lambda: "网络断了也能发" in words(bo, id), "it arrives when the gate is back")


async def test_who_logs_out_sees_the_door(robot: Any) -> None:
    robot.app.desk.tab = "settings"
    await robot.press("退出登录")
    await robot.sees("退出登录？")
    await robot.press("退出登录", robot.app.dialogs)
    await robot.sees("见字如面")
    assert not robot.app.session.signed_in
