"""Reading the log back, both ways."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.chat.rules import Chat
from services.common.errors import Denied, Invalid
from tests.unit.chat.world import World


async def page(
    chat: Chat, *, after: int | None = None, before: int | None = None, limit: int = 50
) -> list[int]:
    messages, seat = await chat.history("ann", "c", after, before, limit)
    assert seat.last_seq == 10
    return [message.seq for message in messages]


@pytest.fixture
async def ten(world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.write("c", *map(str, range(1, 11)))


@pytest.mark.usefixtures("ten")
async def test_the_log_is_read_both_ways_oldest_first(chat: Chat) -> None:
    assert await page(chat) == list(range(1, 11))
    assert await page(chat, limit=3) == [8, 9, 10]
    assert await page(chat, after=0, limit=3) == [1, 2, 3]
    assert await page(chat, after=8) == [9, 10]
    assert await page(chat, after=10) == []
    assert await page(chat, after=2**62) == []
    assert await page(chat, before=4, limit=2) == [2, 3]
    assert await page(chat, before=2**62, limit=1) == [10]
    assert await page(chat, before=1) == []


@pytest.mark.usefixtures("ten")
async def test_nothing_comes_before_seq_zero(chat: Chat) -> None:
    assert await page(chat, before=0) == []


@pytest.mark.usefixtures("ten")
async def test_both_directions_at_once_are_refused_by_field(chat: Chat) -> None:
    with pytest.raises(Invalid) as refused:
        await chat.history("ann", "c", 1, 5, 10)
    assert "before_seq" in refused.value.fields


@pytest.mark.usefixtures("ten")
async def test_strangers_and_unknown_conversations_get_one_answer(chat: Chat) -> None:
    answers = []
    for conversation_id in ("c", "nowhere"):
        with pytest.raises(Denied) as refused:
            await chat.history("eve", conversation_id, None, None, 10)
        answers.append((refused.value.reason, refused.value.message, refused.value.fields))
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("ten")
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(limit=st.integers(1, 12))
async def test_paging_with_any_limit_reads_each_message_once(chat: Chat, limit: int) -> None:
    upwards: list[int] = []
    while found := await page(chat, after=upwards[-1] if upwards else 0, limit=limit):
        upwards += found
    downwards: list[int] = []
    while found := await page(chat, before=downwards[0] if downwards else None, limit=limit):
        downwards = found + downwards
    assert upwards == downwards == list(range(1, 11))
