"""Where one is in a chat: what is unread, what comes while one reads, and far away parts."""

from typing import Any

import pytest

from tests.app.chatting import Talkers, row
from tests.faults.people import Device, Town

pytestmark = pytest.mark.asyncio(loop_scope="session")
PHONE = (400, 800)


async def until(found: Any, what: str) -> Any:
    from tests.app.robot import until as wait  # noqa: PLC0415

    return await wait(found, what)


async def many(talk: Talkers, first: int, last: int, what: str = "第 {} 句") -> None:
    """Has the other one say many things, quickly and in order."""
    client = talk.bo.client
    for number in range(first, last):
        sent = await client.send(talk.id, what.format(number))
    await client.settled(sent.client_message_id, 120)


def place(robot: Any, text: str) -> float:
    """Returns where a row stands in the window."""
    shown = row(robot, text)
    assert shown, text
    return float(shown.to_window(*shown.pos)[1])


async def test_many_unread_are_offered_and_read_only_when_they_were_seen(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await many(talk, 0, 5)
    newest = talk.bo.client.conversation(talk.id).last_seq
    # A device reads no further than it knows.
    await until(
        lambda: (it := me.client.conversation(talk.id)) and it.last_seq >= newest, "they came"
    )
    me.client.mark_read(talk.id, newest)
    client = robot.app.session.client
    await until(lambda: (known := client.conversation(talk.id)) and known.unread_count == 0, "read")
    await talk.while_away(many(talk, 5, 95))
    await until(lambda: client.conversation(talk.id).unread_count == 90, "unread")
    await talk.open()
    await robot.sees("第 94 句")
    assert talk.chat.unread_above == 90
    await robot.sees("90 条未读")
    for size in (PHONE, (1100, 720)):
        await robot.resize(*size)
        assert robot.outside() == []
    await robot.press("90 条未读")
    await robot.sees("以下是新消息")
    await robot.sees("第 5 句")
    assert talk.chat.unread_above == 0
    assert row(robot, "第 94 句") is None


async def test_what_comes_while_one_reads_above_moves_nothing(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await many(talk, 0, 60)
    await talk.open()
    await robot.sees("第 59 句")
    talk.view.scroll_by(-600)
    await robot.frames(3)
    shown = sorted(robot.named("MessageRow"), key=lambda it: it.y)
    middle = shown[len(shown) // 2]
    text, key = middle.text, middle.row.key
    before = place(robot, text)
    await many(talk, 60, 70)
    await robot.sees("10 条新消息")
    assert place(robot, text) == before
    # Rows above and below grow: a reaction.
    above = next(it.row.message.seq for it in shown[::-1] if it.row.message)
    await talk.bo.client.react(talk.id, above, "👍")
    await until(lambda: talk.chat.reading.message(above).reactions, "the reaction")
    await robot.frames(3)
    assert talk.view.widget_of(key) is not None
    assert abs(place(robot, text) - before) <= 1
    assert robot.app.session.client.conversation(talk.id).unread_count == 10
    await robot.press("10 条新消息")
    await robot.sees("第 69 句")
    await until(
        lambda: robot.app.session.client.conversation(talk.id).unread_count == 0, "read now"
    )


async def test_older_ones_come_without_a_jump_and_the_window_slides_both_ways(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.while_away(many(talk, 0, 560))
    await talk.open()
    await robot.sees("第 559 句")
    thread = talk.chat.reading.thread
    for _ in range(400):
        before = thread.first_seq
        shown = {it.text: it.to_window(*it.pos)[1] for it in robot.named("MessageRow")}
        talk.view.scroll_by(-300)
        await robot.frames(2)
        moved = [
            it.to_window(*it.pos)[1] - shown[it.text]
            for it in robot.named("MessageRow")
            if it.text in shown
        ]
        assert all(abs(it - moved[0]) <= 1 for it in moved)
        assert len(thread.messages) <= 500
        if thread.at_start and talk.view.shift == 0:
            break
        if talk.view.shift == 0:
            await until(lambda old=before: thread.first_seq < old or thread.at_start, "older ones")
    assert row(robot, "第 0 句")
    assert not thread.at_end
    await many(talk, 560, 563)
    await robot.sees("3 条新消息")
    for _ in range(400):
        talk.view.scroll_by(2_000)
        await robot.frames(2)
        if thread.at_end and talk.view.at_bottom():
            break
    assert row(robot, "第 562 句")
    assert len(thread.messages) <= 500


async def test_a_far_away_message_is_jumped_to_past_the_cache(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.while_away(many(talk, 0, 400))
    client = robot.app.session.client
    # As on a new device, the cache has the newest alone.
    cache = client._open().cache
    cache.restart(talk.id, cache.between(talk.id, 340, 10**6))
    await talk.open()
    await robot.sees("第 399 句")
    # What lies between is not fetched for it.
    before = client._open().cache.window(talk.id)
    assert before.first_seq > 100
    talk.chat.jump(11)
    await robot.sees("第 9 句")
    assert client._open().cache.window(talk.id).first_seq == before.first_seq
    thread = talk.chat.reading.thread
    assert not thread.at_end
    talk.chat.to_bottom()
    await robot.sees("第 399 句")


async def test_a_mention_far_above_has_a_way_to_it(robot: Any, me: Device, town: Town) -> None:
    talk = await Talkers.group(robot, me, town)
    client = robot.app.session.client
    await until(lambda: client.conversation(talk.id), "the group")
    await talk.bo_says("@灵灵 看这里", mentions=[me.client.user_id])
    await many(talk, 0, 40)
    await talk.open()
    await robot.sees("第 39 句")
    await robot.sees("有人@我")
    assert robot.outside() == []
    await robot.press("有人@我")
    await robot.sees("@灵灵 看这里")
    await until(lambda: talk.chat.mention_count == 0, "seen")


async def test_a_chat_is_there_in_the_same_frame_and_at_the_place_where_it_was(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await many(talk, 0, 50)
    other = await me.client.open_direct((await town.newcomer("kai")).client.user_id)
    await talk.open()
    await robot.sees("第 49 句")
    talk.view.scroll_by(-500)
    await robot.frames(3)
    seen = {it.text: place(robot, it.text) for it in robot.named("MessageRow") if it.row.message}
    robot.app.open_chat(other.conversation_id)
    await robot.frames(3)
    robot.app.open_chat(talk.id)
    # No frame and no loop have passed: what the cache has is shown already.
    again = {it.text: place(robot, it.text) for it in robot.named("MessageRow") if it.row.message}
    same = [text for text in again if text in seen and text.startswith("第")]
    assert len(same) > 5
    assert all(abs(again[it] - seen[it]) <= 2 for it in same)


async def test_the_cursor_moves_only_while_somebody_looks(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.bo_says("一")
    await talk.open()
    client = robot.app.session.client
    await until(lambda: client.conversation(talk.id).unread_count == 0, "read")
    robot.app.go("readers", conversation_id=talk.id, seq=1)  # a page lies on the chat
    await robot.frames(3)
    await talk.bo_says("二")
    await until(lambda: client.conversation(talk.id).last_seq == 3, "it came")
    await robot.frames(5)
    assert client.conversation(talk.id).unread_count == 1
    robot.app.back()
    await until(lambda: client.conversation(talk.id).unread_count == 0, "read now")


async def test_rows_are_as_wide_as_the_list_whatever_the_window_was(
    robot: Any, me: Device, town: Town
) -> None:
    talk = await Talkers.friends(robot, me, town)
    await talk.i_say("在吗")
    await talk.open()
    await robot.sees("在吗")
    for size in ((220, 160), (360, 400), (1100, 720)):
        await robot.resize(*size)
    mine = row(robot, "在吗")
    bubble = mine.ids["bubble"]
    assert mine.width == talk.view.width
    assert mine.width - bubble.right < 120, "it stands at the right edge"
