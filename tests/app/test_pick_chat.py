"""Choosing chats for what is sent to others: recent ones, friends without a chat, and a limit."""

import asyncio
from typing import Any

import pytest

from tests.app.friends import friends
from tests.faults.people import Device, Town
from tests.system.test_story_groups import say

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_chats_and_friends_are_chosen_and_their_ids_come_back(
    robot: Any, me: Device, town: Town
) -> None:
    from tests.app.robot import PHONE, until  # noqa: PLC0415

    app = robot.app
    bo, mei = await friends(town, me, ["波波", "梅子"])
    group = await me.client.create_group("爬山去", [bo.client.user_id, mei.client.user_id])
    await say(me, group.conversation_id, "周六见")
    await robot.sees("爬山去")
    without = await me.client.open_direct(mei.client.user_id)
    await me.client.clear(without.conversation_id, remove=True)
    picking = asyncio.create_task(app.pick("pick_chat", limit=2))
    for text in ("选择聊天", "最近聊天", "爬山去", "好友", "波波", "梅子"):
        await robot.sees(text)
    page = app.desk.pages[-1]
    await robot.press("爬山去", page)
    await robot.press("梅子", page)
    await robot.sees("发送（2）")
    await robot.press("波波", page)
    await robot.sees("最多选择 2 个聊天")
    assert len(page.chosen) == 2
    assert robot.outside() == []
    await robot.resize(*PHONE)
    assert robot.outside() == []
    app.preferences.language = "en"
    await robot.sees("Send (2)")
    assert robot.outside() == []
    await robot.click(page.ids.chosen.children[-1])  # the first that was chosen
    await robot.sees("Send (1)")
    await robot.press("Send (1)")
    async with asyncio.timeout(60):
        ids = await picking
    assert ids == [without.conversation_id]
    assert not app.desk.pages
    await until(lambda: not robot.named("PickChat"), "the page is gone")


async def test_a_name_is_found_by_pinyin_and_leaving_chooses_nothing(
    robot: Any, me: Device, town: Town
) -> None:
    app = robot.app
    await friends(town, me, ["波波", "梅子"])
    picking = asyncio.create_task(app.pick("pick_chat", title="转发给"))
    await robot.sees("转发给")
    await robot.sees("梅子")
    page = app.desk.pages[-1]
    await robot.write(page.ids.query, "mz")
    await robot.frames(6)
    assert [it["title"] for it in page.ids.list.data if it["key"]] == ["梅子"]
    page.ids.query.text = "nobody of that name"
    await robot.sees("没有找到相关结果")
    app.back()
    async with asyncio.timeout(60):
        assert await picking is None


async def test_where_one_chat_is_wanted_a_press_is_the_answer(
    robot: Any, me: Device, town: Town
) -> None:
    (bo,) = await friends(town, me, ["波波"])
    picking = asyncio.create_task(robot.app.pick("pick_chat", limit=1))
    await robot.sees("选择聊天")
    await robot.press("波波", robot.app.desk.pages[-1])
    direct = await bo.client.open_direct(me.client.user_id)
    async with asyncio.timeout(60):
        assert await picking == [direct.conversation_id]
