"""What a chat is to the account, set on the page about it: of a group, and of two people."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hongyan_client.model import FOR_EVER, Settings
from tests.app.group_people import (
    fits,
    friends,
    group_of,
    known,
    opened,
    pick,
    press_row,
    rows,
    until,
)
from tests.faults.people import Device, Town
from tests.system.test_story_groups import say

pytestmark = pytest.mark.asyncio(loop_scope="session")


def settings(device: Device, id: str) -> Settings:
    """Returns what a chat is to the account, as another device of it knows."""
    found = device.client.conversation(id)
    assert found is not None
    return found.settings


async def test_a_chat_of_two_is_set_on_all_devices(robot: Any, me: Device, town: Town) -> None:
    [bo] = await friends(me, town, "bo")
    app, id = robot.app, (await bo.client.open_direct(me.client.user_id)).conversation_id
    await say(bo, id, "在吗")
    await until(lambda: app.session.client.conversation(id), "the app has the chat")
    await until(lambda: me.client.conversation(id), "the other device too")
    page = await opened(robot, "chat_info", conversation_id=id)
    await robot.sees("波波")
    await fits(robot)
    assert "发起群聊" in rows(robot)

    await press_row(robot, "消息免打扰")
    await robot.press("8 小时")
    await robot.sees("至 ")
    until_when = await until(lambda: settings(me, id).muted_until, "it is muted")
    assert timedelta(hours=7.9) < until_when - datetime.now(UTC) < timedelta(hours=8.1)
    await press_row(robot, "消息免打扰")
    await robot.press("永久")
    await until(lambda: settings(me, id).muted_until == FOR_EVER, "for ever")
    await press_row(robot, "消息免打扰")
    await robot.press("关闭")
    await until(lambda: settings(me, id).muted_until is None, "it is not")

    for label, field in (("置顶聊天", "pinned"), ("折叠聊天", "archived")):
        for wanted in (True, False):
            await press_row(robot, label)
            await until(
                lambda field=field, wanted=wanted: getattr(settings(me, id), field) is wanted, field
            )
    await press_row(robot, "消息定时消失")
    await robot.press("7 天")
    await until(lambda: bo.client.conversation(id).disappear_seconds == 7 * 86_400, "he knows")
    await until(lambda: page.ids.options.timer == "7 天", "it is shown")

    await press_row(robot, "清空聊天记录")
    await robot.sees("对方和其他成员不受影响")
    await robot.press("清空")
    await until(lambda: settings(me, id).cleared_seq >= 2, "it is cleared")
    await robot.sees("聊天记录已清空")
    assert "在吗" in [it.text for it in bo.client.known_messages(id)]


async def test_a_chat_is_marked_as_unread_and_left(robot: Any, me: Device, town: Town) -> None:
    [bo] = await friends(me, town, "bo")
    app, id = robot.app, (await bo.client.open_direct(me.client.user_id)).conversation_id
    await say(bo, id, "在吗")
    await until(lambda: app.session.client.conversation(id), "the app has the chat")
    app.open_chat(id)
    await robot.sees("在吗")
    await opened(robot, "chat_info", conversation_id=id)
    await press_row(robot, "标为未读")
    await until(lambda: settings(me, id).marked_unread, "it is marked")
    assert not app.desk.pages
    assert app.desk.chat.conversation_id == ""


async def test_a_chat_of_two_grows_to_a_group(robot: Any, me: Device, town: Town) -> None:
    bo, mei = await friends(me, town, "bo", "mei")
    app, id = robot.app, (await bo.client.open_direct(me.client.user_id)).conversation_id
    await until(lambda: app.session.client.conversation(id), "the app has the chat")
    await opened(robot, "chat_info", conversation_id=id)
    await robot.press("波波")
    await until(lambda: type(app.desk.pages[-1]).__name__ == "Person", "his profile is open")
    app.back()
    await press_row(robot, "发起群聊")
    await robot.sees("成员（1）")
    await robot.press("选择")
    await pick(robot, "梅子")
    await robot.press("创建群聊")
    made = await until(
        lambda: app.desk.chat.conversation_id if not app.desk.pages else "", "its chat is open"
    )
    assert made != id
    await until(lambda: mei.client.conversation(made), "she is in it")
    assert {it.user_id for it in await bo.client.group_members(made)} == {
        it.client.user_id for it in (me, bo, mei)
    }


async def test_the_options_of_a_group_are_those_of_the_role(
    robot: Any, me: Device, town: Town
) -> None:
    [bo] = await friends(me, town, "bo")
    id = await group_of(bo, me)
    await known(robot, id)
    await opened(robot, "group", conversation_id=id)
    assert "消息定时消失" not in rows(robot)
    await bo.client.set_role(id, me.client.user_id, "admin")
    await press_row(robot, "消息定时消失")
    await robot.press("1 天")
    await until(lambda: bo.client.conversation(id).disappear_seconds == 86_400, "it is set")
    await press_row(robot, "置顶聊天")
    await until(lambda: settings(me, id).pinned, "it is on top")
