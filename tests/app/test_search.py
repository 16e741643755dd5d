"""The search: people, groups and messages at once, more from the server, and inside one chat."""

from typing import Any

import pytest

from app.searching import snippet
from tests.app.friends import friends
from tests.app.test_chats import direct, key_press, until_true
from tests.faults.people import Device, Town
from tests.system.test_story_groups import say

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOWN, ENTER, ESCAPE = 274, 13, 27


def rows(found: Any) -> list[tuple[str, str]]:
    """Returns the title and the note of each row that is no heading."""
    return [(it["title"], it["note"]) for it in found.data if it["kind"] == "row"]


async def found_all(found: Any) -> None:
    await until_true(lambda: not found.searching.busy and found.data, "it is found")


async def test_people_groups_and_messages_are_found_as_one_writes(
    robot: Any, me: Device, town: Town
) -> None:
    from tests.app.robot import PHONE  # noqa: PLC0415

    app = robot.app
    bo, mei = await friends(town, me, ["波波", "梅子"])
    with_bo = await direct(me, bo)
    group = await me.client.create_group("梅花山", [it.client.user_id for it in (bo, mei)])
    await say(
        bo, with_bo, "昨天下午我们在后山的那条小路上看见了一树很大的梅花，开得正好，周末一起去？"
    )
    await say(mei, group.conversation_id, "梅花开了")
    known = app.session.client.known_messages
    await until_true(
        lambda: "梅花开了" in [it.text for it in known(group.conversation_id, 3)], "it came"
    )
    field, found = app.desk.chats.ids.field, app.desk.chats.ids.found
    await robot.write(field.ids.input, "梅")
    await found_all(found)
    await until_true(lambda: len(rows(found)) == 4, "people, groups and messages")
    titles = [title for title, _ in rows(found)]
    assert titles == ["梅子", "梅花山", "梅花山", "波波"]
    assert rows(found)[2][1] == "梅子：梅花开了"
    assert rows(found)[3][1].startswith("…")
    for text in ("联系人", "群聊", "聊天记录"):
        await robot.sees(text)
    assert robot.outside() == []
    await robot.resize(*PHONE)
    assert robot.outside() == []
    field.text = "mz"
    await until_true(lambda: [it for it, _ in rows(found)] == ["梅子"], "by pinyin")
    field.text = "没有人说过的话"
    await robot.sees("没有找到相关结果")
    assert app.back()
    assert field.text == ""
    await robot.sees("全部")


async def test_keys_go_through_the_results_and_open_one(robot: Any, me: Device, town: Town) -> None:
    app = robot.app
    bo, mei = await friends(town, me, ["波波", "梅子"])
    with_bo, with_mei = await direct(me, bo), await direct(me, mei)
    for who, id in ((bo, with_bo), (mei, with_mei)):
        await say(who, id, "云海")
    await until_true(lambda: app.session.unread >= 2, "they have come")
    await key_press(robot, ord("k"), ["ctrl"])
    field, found = app.desk.chats.ids.field, app.desk.chats.ids.found
    assert field.ids.input.focus
    await robot.write(field.ids.input, "云海")
    await found_all(found)
    await until_true(lambda: len(rows(found)) == 2, "both")
    await key_press(robot, DOWN)
    await key_press(robot, DOWN)
    assert found.data[int(found.index)]["title"] == "波波"
    await key_press(robot, ENTER)
    await until_true(lambda: app.desk.chat.conversation_id == with_bo, "it is opened")
    assert app.preferences.recent_searches[0] == "云海"
    await key_press(robot, ESCAPE)
    assert field.text == ""


async def test_the_server_finds_what_this_device_does_not_have(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    (bo,) = await friends(town, me, ["波波"])
    id = await direct(me, bo)
    for number in range(40):
        await say(bo, id, f"第 {number} 朵云")
    page = app.go("search", query="朵云")
    await until_true(lambda: len(page.searching.messages) >= 30, "the first page")
    page.tab = "messages"
    await until_true(lambda: not page.searching.busy, "the server has answered")
    while page.searching.more:
        page.searching.fetch_more()
        await until_true(lambda: not page.searching.busy, "a further page")
    assert len(page.searching.messages) == 40
    assert [it.text for it in page.searching.messages][:2] == ["第 39 朵云", "第 38 朵云"]
    page.tab = "groups"
    await robot.sees("没有找到相关结果")
    assert robot.outside() == []


async def test_one_chat_is_searched_and_what_is_found_gone_through(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    bo, mei = await friends(town, me, ["波波", "梅子"])
    id = await direct(me, bo)
    await say(mei, await direct(me, mei), "月亮在别处")
    for text in ("月亮出来了", "好大", "月亮真圆", "晚安", "月亮下山了"):
        await say(bo, id, text)
    app.open_chat(id)
    await key_press(robot, ord("f"), ["ctrl"])
    await until_true(lambda: app.desk.has("search", conversation_id=id), "the page")
    page = app.desk.pages[-1]
    await until_true(lambda: page.ids.field.ids.input.focus, "the cursor is there")
    await robot.write(page.ids.field.ids.input, "月亮")
    await found_all(page.ids.found)
    await until_true(lambda: len(rows(page.ids.found)) == 3, "three times")
    assert {title for title, _ in rows(page.ids.found)} == {"波波"}
    assert robot.outside() == []
    await key_press(robot, DOWN)
    await key_press(robot, ENTER)
    await robot.sees("1/3")
    hits = app.desk.hits
    assert hits.parent
    assert app.desk.chat.conversation_id == id
    older = next(it for it in robot.named("IconButton") if it.name == "chevron_up")
    await robot.click(older)
    await robot.sees("2/3")
    assert robot.outside() == []
    assert app.back()
    await until_true(lambda: not robot.named("Hits"), "the bar is gone")
    assert app.desk.chat.conversation_id == id


async def test_what_was_looked_for_lately_is_kept(robot: Any, me: Device) -> None:
    app = robot.app
    app.preferences.recent_searches = ["云海", "月亮"]
    page = app.go("search")
    await robot.sees("最近搜索")
    await robot.press("月亮", page)
    await until_true(lambda: page.query == "月亮", "it is looked for again")
    page.ids.field.text = ""
    await robot.press("清除", page)
    await until_true(lambda: app.preferences.recent_searches == [], "all forgotten")
    await robot.sees("输入要找的内容")


async def test_a_long_message_is_cut_to_where_the_word_stands() -> None:
    assert snippet("短的月亮", "月亮") == "短的月亮"
    text = "很长的话" * 10 + "月亮在这里"
    assert snippet(text, "月亮").startswith("…")
    assert "月亮在这里" in snippet(text, "月亮")[:16]
