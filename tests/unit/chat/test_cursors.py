"""Read cursors: forward only, clamped to the log, many in one transaction."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa

from services.chat.cursors import Begin, Cursors, Moved
from services.chat.store import Store
from services.common.errors import Denied, Unavailable
from tests.unit.chat.world import World, until


@asynccontextmanager
async def moving(begin: Begin) -> AsyncIterator[tuple[Cursors, list[Moved]]]:
    """Runs cursors; what moved is collected."""
    moved: list[Moved] = []
    cursors = Cursors(begin, moved.extend)
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
    cursors = Cursors(world.begin, moved.extend)
    assert await cursors.move_one("bob", "c", 2) == 2
    assert await cursors.move_one("bob", "c", 1) == 2
    assert await cursors.move_one("bob", "c", 2**63 - 1) == 3
    assert [(move.user_id, move.read_seq) for move in moved] == [("bob", 2), ("bob", 3)]
    assert sorted(moved[0].members) == ["ann", "bob"]


@pytest.mark.usefixtures("three")
async def test_strangers_and_unknown_conversations_get_one_answer(world: World) -> None:
    cursors = Cursors(world.begin, lambda _: None)
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
            cursors.submit("ann", "c", seq)
            cursors.submit("bob", "c", seq)
            cursors.submit("eve", "c", seq)
        await until(lambda: len(moved) == 2)
    assert {(move.user_id, move.read_seq) for move in moved} == {("ann", 3), ("bob", 3)}
    assert transactions == 1


@pytest.mark.usefixtures("three")
async def test_more_cursors_than_one_transaction_holds_all_move(world: World) -> None:
    async with world.begin() as store:
        for number in range(600):
            await store.add_direct(f"d{number}", f"pair{number}", ["ann"])
    async with world.database.begin() as connection:
        await connection.execute(sa.text("UPDATE conversation SET last_seq = 5"))
    async with moving(world.begin) as (cursors, moved):
        for number in range(600):
            cursors.submit("ann", f"d{number}", 5)
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
        cursors.submit("bob", "c", 1)
        await until(lambda: not errors)
        cursors.submit("bob", "c", 2)
        await until(lambda: moved)
    assert moved[0].read_seq == 2
