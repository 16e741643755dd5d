"""The list of chats: what a row says, what can be done with it, filters, boxes, the connection."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.widgets import press
from tests.app.friends import friends
from tests.faults.people import Device, Town
from tests.system.test_story_groups import say

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def until_true(found: Any, what: str) -> Any:
    from tests.app.robot import until  # noqa: PLC0415

    return await until(found, what)


async def key_press(robot: Any, code: int, held: Sequence[str] = (), text: str = "") -> None:
    """Presses a key of the keyboard."""
    from kivy.core.window import Window  # noqa: PLC0415

    if not Window.dispatch("on_key_down", code, 0, text, list(held)):
        Window.dispatch("on_keyboard", code, 0, text, list(held))
    await robot.frames(3)


def row(robot: Any, title: str) -> Any:
    """Returns the row of a chat, if it is in sight."""
    rows = (it for it in robot.shown() if type(it).__name__ == "ChatRow")
    return next((it for it in rows if it.title == title), None)


async def says(robot: Any, title: str, **values: Any) -> Any:
    """Waits until a row has such values."""

    def right() -> Any:
        it = row(robot, title)
        return (
            it if it and all(getattr(it, key) == value for key, value in values.items()) else None
        )

    try:
        return await until_true(right, f"{title}: {values}")
    except TimeoutError:
        it = row(robot, title)
        seen = {key: getattr(it, key) for key in values} if it else None
        raise AssertionError(f"{title} is {seen}, not {values}") from None


async def menu(robot: Any, title: str, choice: str) -> None:
    """Presses a row with the right button and chooses from its menu."""
    async with asyncio.timeout(60):
        while not robot.app.menu.is_open:
            await robot.frames(3)
            await robot.click(row(robot, title), button="right")
            await robot.frames(12)
    await robot.press(choice, robot.app.menu)


async def direct(me: Device, other: Device) -> str:
    return (await me.client.open_direct(other.client.user_id)).conversation_id


async def test_a_row_says_what_there_is_to_know(robot: Any, me: Device, town: Town) -> None:
    from tests.app.robot import PHONE  # noqa: PLC0415

    app = robot.app
    bo, mei = await friends(town, me, ["波波", "梅子"])
    with_bo, with_mei = await direct(me, bo), await direct(me, mei)
    await say(bo, with_bo, "吃饭了吗？🍲")
    await says(robot, "波波", preview="吃饭了吗？🍲", unread=1, mark="", tick="", online=True)
    await until_true(lambda: app.session.unread_label == "1", "the badge")
    await say(me, with_mei, "周六去爬山吗？")
    it = await says(robot, "梅子", preview="周六去爬山吗？", unread=0, mark="")
    assert it.tick in ("stored", "received")
    await mei.client.mark_read_now(with_mei, 2)
    await says(robot, "梅子", tick="read")
    mei.client.typing(with_mei)
    await says(robot, "梅子", typing=True, preview="对方正在输入…", tick="")
    await say(mei, with_mei, "去！")
    await says(robot, "梅子", typing=False, preview="去！", unread=1)
    group = await me.client.create_group("爬山去", [it.client.user_id for it in (bo, mei)])
    await say(bo, group.conversation_id, "几点？")
    await says(robot, "爬山去", preview="波波：几点？", unread=1)
    await bo.client.settled(
        (
            await bo.client.send(
                group.conversation_id, "@灵灵 几点？", mentions=[me.client.user_id]
            )
        ).client_message_id
    )
    await says(robot, "爬山去", mark="[有人@我]", unread=2)
    await me.client.update_settings(with_mei, draft="写了一半")
    await me.client.mark_read_now(with_mei, 3)
    await says(robot, "梅子", mark="[草稿]", preview="写了一半")
    assert robot.outside() == []
    for language in ("zh", "en"):
        app.preferences.language = language
        await robot.resize(*PHONE)
        assert robot.outside() == []
    await says(robot, "爬山去", mark="[@you]")


async def test_the_menu_of_a_chat_does_what_it_says_on_all_devices(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    bo, mei = await friends(town, me, ["波波", "梅子"])
    id = await direct(me, bo)
    await say(bo, id, "在吗")
    await say(mei, await direct(me, mei), "早")
    await says(robot, "波波", unread=1)

    def settings() -> Any:
        known = me.client.conversation(id)
        assert known
        return known.settings

    await menu(robot, "波波", "置顶")
    await says(robot, "波波", pinned=True)
    assert app.desk.chats.ids.list.data[0]["title"] == "波波"
    await menu(robot, "波波", "消息免打扰")
    await says(robot, "波波", muted=True)
    await until_true(lambda: app.session.unread == 1, "what is muted does not count")
    await until_true(lambda: settings().pinned and settings().muted_until, "the other device")
    await menu(robot, "波波", "标为已读")
    await says(robot, "波波", unread=0)
    await menu(robot, "波波", "标为未读")
    await says(robot, "波波", unread=-1)
    app.open_chat(id)
    await says(robot, "波波", unread=0)
    await menu(robot, "波波", "取消免打扰")
    await says(robot, "波波", muted=False)
    await menu(robot, "波波", "折叠")
    await robot.sees("折叠的聊天")
    await until_true(lambda: row(robot, "波波") is None, "it is put away")
    await robot.press("折叠的聊天")
    page = await until_true(lambda: app.desk.has("box", kind="archived"), "the box")
    page = app.desk.pages[-1]
    await until_true(lambda: [it["title"] for it in page.ids.list.data] == ["波波"], "it is here")
    assert robot.outside() == []
    await menu(robot, "波波", "取消折叠")
    await robot.sees("这里没有聊天了")
    app.back()
    await menu(robot, "波波", "删除聊天")
    await robot.sees("删除这个聊天？")
    await robot.press("删除")
    await until_true(lambda: row(robot, "波波") is None, "it is gone")
    await until_true(lambda: settings().removed, "the other device")
    assert not app.desk.chat.conversation_id


async def test_strangers_wait_in_a_box_until_they_are_answered(
    robot: Any, me: Device, town: Town
) -> None:
    stranger = await town.newcomer("chen")
    await stranger.client.update_me(display_name="陈先生")
    id = (await stranger.client.open_direct(me.client.user_id)).conversation_id
    await say(stranger, id, "你好，我是做摄影的小陈")
    await robot.sees("陌生人消息")
    await robot.sees("1 个聊天有新消息")
    assert robot.app.session.unread == 0
    await robot.press("陌生人消息")
    await robot.sees("回复之后，聊天会移到聊天列表")
    await robot.press("陈先生", robot.app.desk.pages[-1])
    await until_true(lambda: robot.app.desk.chat.conversation_id == id, "the chat")
    await say(me, id, "你好")
    await says(robot, "陈先生", preview="你好")
    await until_true(lambda: row(robot, "陌生人消息") is None, "the box is gone")


async def test_only_unread_chats_are_shown_when_one_wants_that(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    bo, _ = await friends(town, me, ["波波", "梅子"])
    id = await direct(me, bo)
    await say(bo, id, "在吗")
    await me.client.mark_read_now(await direct(me, _), 1)
    await says(robot, "波波", unread=1)
    await says(robot, "梅子", unread=0)
    await robot.press("未读 1")
    await until_true(lambda: row(robot, "梅子") is None, "what is read is hidden")
    await robot.click(row(robot, "波波"))
    await until_true(lambda: app.desk.chat.conversation_id == id, "it is opened")
    await says(robot, "波波", unread=0)  # it stays while it is open
    await robot.press("全部")
    await says(robot, "梅子", unread=0)
    app.desk.chats.filter = "all"


async def test_a_press_is_for_the_row_on_which_it_began(
    robot: Any, me: Device, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said between the two ends of a press puts another chat there."""
    from kivy.base import EventLoop  # noqa: PLC0415
    from kivy.core.window import Window  # noqa: PLC0415

    from tests.app.robot import Touch  # noqa: PLC0415

    # A machine that is busy must not make a long press of it.
    monkeypatch.setattr(press, "LONG_SECONDS", 60)
    bo, mei = await friends(town, me, ["波波", "梅子"])
    with_bo, with_mei = await direct(me, bo), await direct(me, mei)
    await say(bo, with_bo, "早")
    await says(robot, "波波", preview="早")
    await robot.frames(4)
    it = row(robot, "波波")
    x, y = it.to_window(*it.center)
    touch = Touch("mouse", 1, (x / Window.width, y / Window.height, "left"))
    touch.scale_for_screen(Window.width, Window.height)
    EventLoop.post_dispatch_input("begin", touch)
    await until_true(lambda: touch.ud.get("key") == with_bo, "the row has the press")
    await robot.app.session.client.send(with_mei, "早啊")
    await says(robot, "梅子", preview="早啊")
    assert robot.app.desk.chats.ids.list.data[0]["title"] == "梅子"
    EventLoop.post_dispatch_input("end", touch)
    await until_true(lambda: robot.app.desk.chat.conversation_id == with_bo, "the chat")


async def test_it_says_when_the_server_is_away_and_what_waits(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    (bo,) = await friends(town, me, ["波波"])
    id = await direct(me, bo)
    await say(bo, id, "在吗")
    await says(robot, "波波", preview="在吗")
    await town.system.kill("gate")
    try:
        await until_true(lambda: app.session.state != "online", "it is noticed")
        assert app.desk.chats.trouble == ""  # a short cut is not worth a word
        await until_true(lambda: app.desk.chats.trouble, "now it is said")
        await robot.sees("立即重试")
        assert robot.outside() == []
        await app.session.client.send(id, "网络断了也能发")
        await says(robot, "波波", preview="网络断了也能发", tick="sending")
    finally:
        await town.system.start("gate")
    await robot.press("立即重试")
    await until_true(lambda: not app.desk.chats.trouble, "it is well again")
    it = await until_true(
        lambda: (found := row(robot, "波波")) and found.tick != "sending" and found, "it is sent"
    )
    assert it.preview == "网络断了也能发"
    await until_true(lambda: not app.session.pulling, "all is here")


async def test_the_app_begins_where_it_ended(robot: Any, me: Device, town: Town) -> None:
    from tests.app.robot import PHONE  # noqa: PLC0415

    app = robot.app
    (bo,) = await friends(town, me, ["波波"])
    id = await direct(me, bo)
    await say(bo, id, "在吗")
    await says(robot, "波波", preview="在吗")
    app.open_chat(id)
    assert (app.preferences.tab, app.preferences.conversation_id) == ("chats", id)
    app.desk.chat.close()
    app.preferences.conversation_id = id
    app.desk.restore()
    assert app.desk.chat.conversation_id == id
    app.desk.chat.close()
    await robot.resize(*PHONE)
    app.preferences.conversation_id = id
    app.desk.restore()
    assert not app.desk.chat.conversation_id  # on a phone it would hide the list
    app.preferences.tab = "contacts"
    app.desk.restore()
    assert app.desk.tab == "contacts"


async def test_a_chat_that_is_muted_until_yesterday_is_not_muted(
    robot: Any, me: Device, town: Town
) -> None:
    (bo,) = await friends(town, me, ["波波"])
    id = await direct(me, bo)
    await say(bo, id, "在吗")
    await me.client.update_settings(id, muted_until=datetime.now(UTC) - timedelta(days=1))
    await says(robot, "波波", muted=False, unread=1)
    await robot.click(
        next(it for it in robot.named("IconButton") if it.name == "plus_circle_outline")
    )
    await robot.press("发起聊天")
    await robot.sees("最近聊天")
    await robot.press("波波", robot.app.desk.pages[-1])
    await until_true(lambda: robot.app.desk.chat.conversation_id == id, "the chat")
