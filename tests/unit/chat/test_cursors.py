"""Cursors: forward only, clamped to the log, many in one transaction."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from services.chat import wire
from services.chat.cursors import Begin, Cursor, Cursors, Moved, Wanted
from services.chat.model import Change
from services.chat.personal import Personal
from services.chat.rules import Chat
from services.chat.store import Store
from services.chat.user_changes import UserChanges
from services.common.errors import Denied, Unavailable
from tests.unit.chat.world import World, tick, until


async def nobody(user_id: str, conversation_id: str) -> None:
    raise AssertionError("nothing was marked as unread")


@asynccontextmanager
async def moving(begin: Begin) -> AsyncIterator[tuple[Cursors, list[Moved]]]:
    """Runs cursors; what moved is collected."""
    moved: list[Moved] = []
    cursors = Cursors(begin, tick, moved.extend, nobody)
    running = asyncio.create_task(cursors.run())
    try:
        yield cursors, moved
        if running.done():
            running.result()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
async def three(world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.write("c", "1", "2", "3")


@pytest.mark.usefixtures("three")
async def test_a_cursor_moves_forward_only_and_to_the_end_at_most(world: World) -> None:
    moved: list[Moved] = []
    cursors = Cursors(world.begin, tick, moved.extend, nobody)
    assert await cursors.move_one("bob", "c", 2) == 2
    assert await cursors.move_one("bob", "c", 1) == 2
    assert await cursors.move_one("bob", "c", 2**63 - 1) == 3
    assert [(move.user_id, move.now.read_seq) for move in moved] == [("bob", 2), ("bob", 3)]
    assert sorted(moved[0].members) == ["ann", "bob"]


@pytest.mark.usefixtures("three")
async def test_strangers_and_unknown_conversations_get_one_answer(world: World) -> None:
    cursors = Cursors(world.begin, tick, lambda _: None, nobody)
    answers = []
    for conversation_id in ("c", "nowhere"):
        with pytest.raises(Denied) as refused:
            await cursors.move_one("eve", conversation_id, 1)
        answers.append((refused.value.reason, refused.value.message))
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("three")
async def test_cursors_submitted_together_are_one_transaction(world: World) -> None:
    transactions = 0

    @asynccontextmanager
    async def begin() -> AsyncIterator[Store]:
        nonlocal transactions
        transactions += 1
        async with world.begin() as store:
            yield store

    async with moving(begin) as (cursors, moved):
        for seq in (1, 3, 2):
            cursors.submit("ann", "c", Wanted(read_seq=seq))
            cursors.submit("bob", "c", Wanted(read_seq=seq))
            cursors.submit("eve", "c", Wanted(read_seq=seq))
        await until(lambda: len(moved) == 2)
    assert {(move.user_id, move.now.read_seq) for move in moved} == {("ann", 3), ("bob", 3)}
    assert transactions == 1


@pytest.mark.usefixtures("three")
async def test_more_cursors_than_one_transaction_holds_all_move(world: World) -> None:
    async with world.begin() as store:
        for number in range(600):
            await store.add_direct(f"d{number}", f"pair{number}", ["ann"], ())
    async with world.database.begin() as connection:
        await connection.execute(sa.text("UPDATE conversation SET last_seq = 5"))
    async with moving(world.begin) as (cursors, moved):
        for number in range(600):
            cursors.submit("ann", f"d{number}", Wanted(read_seq=5))
        await until(lambda: len(moved) == 600)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    "error",
    [Unavailable("DATABASE_AWAY", "away"), sa.exc.ProgrammingError("q", {}, Exception(1146))],
    ids=["away", "unexpected"],
)
async def test_an_error_loses_one_hint_and_not_the_service(world: World, error: Exception) -> None:
    errors = [error]

    @asynccontextmanager
    async def begin() -> AsyncIterator[Store]:
        if errors:
            raise errors.pop()
        async with world.begin() as store:
            yield store

    async with moving(begin) as (cursors, moved):
        cursors.submit("bob", "c", Wanted(read_seq=1))
        await until(lambda: not errors)
        cursors.submit("bob", "c", Wanted(read_seq=2))
        await until(lambda: moved)
    assert moved[0].now.read_seq == 2


@pytest.mark.usefixtures("three")
async def test_who_read_has_received_and_receiving_reads_nothing(world: World) -> None:
    moved: list[Moved] = []
    cursors = Cursors(world.begin, tick, moved.extend, nobody)
    stand = await cursors.move({("bob", "c"): Wanted(received_seq=9)})
    assert stand["bob", "c"][:2] == (0, 3)
    stand = await cursors.move({("ann", "c"): Wanted(read_seq=2)})
    assert stand["ann", "c"][:2] == (2, 2)
    stand = await cursors.move({("ann", "c"): Wanted(received_seq=1)})
    assert stand["ann", "c"][:2] == (2, 2)
    assert [(it.user_id, it.before[:2], it.now[:2]) for it in moved] == [
        ("bob", (0, 0), (0, 3)),
        ("ann", (0, 0), (2, 2)),
    ]


@given(
    cursor=st.builds(
        lambda last, read, received: Cursor(min(read, last), min(max(read, received), last), last),
        *[st.integers(0, 9)] * 3,
    ),
    wanted=st.lists(st.builds(Wanted, st.integers(0, 12), st.integers(0, 12)), max_size=5),
)
def test_the_order_of_moves_does_not_count(cursor: Cursor, wanted: list[Wanted]) -> None:
    def after(moves: list[Wanted]) -> Cursor:
        stand = cursor
        for move in moves:
            before, stand = stand, stand.moved(move)
            assert stand.read_seq >= before.read_seq
            assert stand.received_seq >= before.received_seq
            assert stand.read_seq <= stand.received_seq <= stand.last_seq
        return stand

    assert after(wanted) == after(wanted[::-1])


@pytest.mark.usefixtures("three")
async def test_who_reads_takes_the_mark_away_also_without_a_move(world: World) -> None:
    told: list[tuple[str, Change]] = []
    personal = Personal(UserChanges(world.begin, lambda *it: told.append(it)), wire)
    cursors = Cursors(world.begin, tick, lambda _: None, personal.unmark)
    await cursors.move_one("ann", "c", 1)
    await personal.update("ann", "c", {"marked_unread": True})
    await cursors.move({("ann", "c"): Wanted(received_seq=1)})
    assert len(told) == 1
    await cursors.move_one("ann", "c", 1)
    assert len(told) == 2
    async with world.read() as store:
        settings, _ = (await store.settings("ann", ["c"]))["c"]
    assert not settings.marked_unread


@pytest.mark.usefixtures("three")
async def test_who_hides_what_they_have_read_shows_it_to_themself_only(world: World) -> None:
    hidden = {"ann"}

    async def hiding(user_ids: Collection[str]) -> set[str]:
        return hidden & set(user_ids)

    moved: list[Moved] = []
    cursors = Cursors(world.begin, tick, moved.extend, nobody, hiding)
    await cursors.move_one("ann", "c", 2)
    await cursors.move_one("bob", "c", 3)
    # Ann's reading is hers, and who hides does not see what others read.
    assert [(it.user_id, sorted(it.members), it.readers) for it in moved] == [
        ("ann", ["ann", "bob"], ("ann",)),
        ("bob", ["ann", "bob"], ("bob",)),
    ]
    chat = Chat(world.begin, world.read, nobody, lambda: "x", tick, hiding=hiding)  # type: ignore[arg-type]
    for viewer, other in (("ann", "bob"), ("bob", "ann")):
        members = {it.user_id: it for it in (await chat.conversation(viewer, "c")).members}
        assert members[viewer].read_seq > 0
        assert members[other].read_seq == 0
        assert members[other].received_seq > 0
    # The sender of the message is ann: bob has read it, and she is not told so.
    assert await chat.readers("ann", "c", 1) == ([], ["bob"], [])
