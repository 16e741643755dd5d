"""The app on a Linux desktop: notifications come, are joined, pressed, withdrawn; and the tray."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from kivy.app import App

from app.desktop import Desktop
from tests.app.desk_services import MENU, MENU_PATH, PROPERTIES, DeskServices, Note
from tests.app.robot import until
from tests.app.session_bus import SessionBus
from tests.app.village import befriend
from tests.faults.people import Device, Town
from tests.system.test_story_groups import say

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def services(tmp_path: Path) -> AsyncIterator[DeskServices]:
    with SessionBus(tmp_path / "bus") as bus:
        async with DeskServices(bus.address) as started:
            yield started


@pytest_asyncio.fixture(loop_scope="session")
async def desktop(
    robot: Any, me: Device, services: DeskServices, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desktop]:
    """The running app's desktop, joined to the bus of this test."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", services.address)
    joined: Desktop = robot.app.desktop
    before = set(joined._tasks)
    await joined._join_desktop()
    yield joined
    mine = joined._tasks - before
    for task in mine:
        task.cancel()
    await asyncio.gather(*mine, return_exceptions=True)
    joined._bus = joined._tray = joined._notifications = None
    joined.notifies = joined.tray_there = False
    joined.present()
    chosen = robot.app.preferences
    chosen.notify = chosen.notify_preview = chosen.notify_sound = chosen.close_to_tray = True


async def chat(me: Device, town: Town, name: str, called: str) -> tuple[Device, str]:
    """Returns a friend, and their chat."""
    other = await town.newcomer(name)
    await other.client.update_me(display_name=called)
    await befriend(me, other)
    id = (await other.client.open_direct(me.client.user_id)).conversation_id
    mine = App.get_running_app().session.client
    await until(lambda: mine.conversation(id), "the chat is here")
    return other, id


async def test_a_message_is_told_joined_to_the_next_and_leads_to_its_chat(
    robot: Any, me: Device, town: Town, services: DeskServices, desktop: Desktop
) -> None:
    assert desktop.notifies
    bo, id = await chat(me, town, "bo", "波波")
    await say(bo, id, "吃饭了吗？ <b>&")
    await until(lambda: services.notes, "the first is told")
    first = services.notes[0]
    assert (first.title, first.replaces) == ("波波", 0)
    assert first.text.endswith("吃饭了吗？ &lt;b&gt;&amp;")
    assert first.actions[0] == "default"
    assert "suppress-sound" not in first.hints
    for number in range(20):
        await bo.send(id, f"第 {number} 条")
    last = await until(
        lambda: next((it for it in services.notes if "第 19 条" in it.text), None), "the last"
    )
    assert "[21 条]" in last.text
    assert {it.number for it in services.notes} == {first.number}
    assert len(services.notes) < 12, "they are joined"
    await until(lambda: robot.app.title == "(21) 鸿雁", "the title counts")
    await services.click(last)
    await until(lambda: robot.app.desk.chat.conversation_id == id, "its chat is open")


async def test_a_chat_that_is_read_elsewhere_is_told_of_no_longer(
    robot: Any, me: Device, town: Town, services: DeskServices, desktop: Desktop
) -> None:
    bo, id = await chat(me, town, "bo", "波波")
    await say(bo, id, "在吗？")
    note = await until(lambda: services.notes and services.notes[-1], "it is told")
    await me.client.mark_read_now(id, me.client.conversation(id).last_seq)
    await until(lambda: note.number in services.closed, "it is withdrawn")


async def test_muted_chats_are_silent_but_for_mentions(
    robot: Any, me: Device, town: Town, services: DeskServices, desktop: Desktop
) -> None:
    bo, id = await chat(me, town, "bo", "波波")
    await me.client.update_settings(id, muted_until=datetime.now(UTC) + timedelta(days=1))
    mine = robot.app.session.client
    await until(lambda: mine.conversation(id).settings.muted_until, "it is muted here")
    mei, other = await chat(me, town, "mei", "梅子")
    await bo.send(id, "不急")
    await mei.send(other, "急！")
    await until(lambda: any("急！" in it.text for it in services.notes), "the other is told")
    assert not any("不急" in it.text for it in services.notes)


async def test_in_a_group_who_spoke_is_named_and_a_mention_breaks_the_silence(
    robot: Any, me: Device, town: Town, services: DeskServices, desktop: Desktop
) -> None:
    bo, _ = await chat(me, town, "bo", "波波")
    mei, _ = await chat(me, town, "mei", "梅子")
    people = [bo.client.user_id, mei.client.user_id]
    id = (await me.client.create_group("爬山", people)).conversation_id
    mine = robot.app.session.client
    await until(lambda: mine.conversation(id) and bo.client.conversation(id), "the group is here")
    await bo.send(id, "周六去吗")
    note = await until(
        lambda: next((it for it in services.notes if "周六去吗" in it.text), None), "it is told"
    )
    assert (note.title, note.text) == ("爬山", "波波：周六去吗")
    await me.client.update_settings(id, muted_until=datetime.now(UTC) + timedelta(days=1))
    await until(lambda: mine.conversation(id).settings.muted_until, "it is muted here")
    await bo.send(id, "不急")
    await bo.client.send(id, "@灵灵 你来定", mentions=[me.client.user_id])
    note = await until(
        lambda: next((it for it in services.notes if "你来定" in it.text), None), "a mention"
    )
    assert "[有人@我]" in note.text


async def test_without_a_preview_nobody_is_named_and_the_sound_can_be_off(
    robot: Any, me: Device, town: Town, services: DeskServices, desktop: Desktop
) -> None:
    chosen = robot.app.preferences
    chosen.notify_preview = chosen.notify_sound = False
    bo, id = await chat(me, town, "bo", "波波")
    await bo.send(id, "秘密")
    note: Note = await until(lambda: services.notes and services.notes[-1], "it is told")
    assert (note.title, note.text) == ("鸿雁", "你有一条新消息")
    assert note.hints["suppress-sound"] == ("b", True)
    chosen.notify = False
    await bo.send(id, "还有一个")
    await until(lambda: mentioned(robot, id, "还有一个"), "it has come")
    await robot.frames(3)
    assert len(services.notes) == 1


def mentioned(robot: Any, id: str, text: str) -> bool:
    return any(it.text == text for it in robot.app.session.client.known_messages(id))


async def test_a_test_notification_is_sent_from_the_settings(
    robot: Any, services: DeskServices, desktop: Desktop
) -> None:
    robot.app.go("notifications")
    await robot.press("发送测试通知")
    await until(lambda: services.notes, "it is shown")
    assert "🎉" in services.notes[0].text
    await robot.sees("已发送测试通知")


async def test_the_tray_has_an_icon_a_menu_and_takes_the_window(
    robot: Any, me: Device, town: Town, services: DeskServices, desktop: Desktop
) -> None:
    from kivy.core.window import Window  # noqa: PLC0415

    await until(lambda: desktop.tray_there, "the tray is there")
    bo, id = await chat(me, town, "bo", "波波")
    await bo.send(id, "在吗")
    item = services.item(PROPERTIES)

    async def asked() -> dict[str, Any]:
        return dict((await services.call(item, "GetAll", "s", "org.kde.StatusNotifierItem"))[0])

    async with asyncio.timeout(60):
        while (await asked())["Title"] != ("s", "(1) 鸿雁"):
            await asyncio.sleep(0.05)
    width, height, points = (await asked())["IconPixmap"][1][0]
    assert len(points) == width * height * 4
    menu = services.item(MENU, MENU_PATH)
    _, (_, _, lines) = await services.call(menu, "GetLayout", "iias", 0, -1, [])
    assert [it[1][1]["label"] for it in lines] == [("s", "打开鸿雁"), ("s", "退出")]
    update = next(body for signal, body in reversed(services.signals) if signal == "Update")
    assert update[1]["count"] == ("x", 1)
    # The cross puts the window away; a press on the icon, or the menu, brings it back.
    assert Window.dispatch("on_request_close") is True
    assert desktop._hidden
    assert desktop.in_sight() == ""
    await services.call(services.item(), "Activate", "ii", 0, 0)
    assert not desktop._hidden
    Window.dispatch("on_request_close")
    await services.call(menu, "Event", "isvu", lines[0][1][0], "clicked", ("i", 0), 0)
    assert not desktop._hidden
    robot.app.preferences.close_to_tray = False
    assert not Window.dispatch("on_request_close")
