"""Appending: one seq for one id, no holes, groups, and what happens when the database fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.chat.changes import Changes
from services.chat.committer import Committer, Entry, Send
from services.chat.group_changes import GroupChanges
from services.chat.model import Message
from services.chat.store import Store
from services.common.database import Database, translate
from services.common.errors import AlreadyExists, AppError, Denied, Exhausted, Unavailable
from tests.unit.chat.world import World, committing


def seqs(outcomes: list[Message | AppError]) -> list[int]:
    return [outcome.seq for outcome in outcomes if isinstance(outcome, Message)]


async def test_messages_get_the_numbers_one_two_three(world: World) -> None:
    await world.add("c", "ann", "bob")
    messages = await world.write("c", "一", "二", "三 🐦")
    assert [message.seq for message in messages] == [1, 2, 3]
    assert await world.log("c") == [(1, "ann", "一"), (2, "ann", "二"), (3, "ann", "三 🐦")]


async def test_sending_twice_with_one_client_id_stores_one_message(world: World) -> None:
    await world.add("c", "ann", "bob")
    async with committing(world.begin) as pod:
        first = await pod.send("c", "hello", id="x")
        again = await pod.send("c", "hello", id="x")
    assert again == first
    assert await world.log("c") == [(1, "ann", "hello")]


async def test_a_retry_in_the_same_batch_gets_the_same_seq(world: World) -> None:
    await world.add("c", "ann", "bob")
    async with committing(world.begin) as pod:
        for text, id in (("a", "x"), ("a", "x"), ("b", "y"), ("a", "x")):
            pod.submit("c", text, id=id)
        outcomes = await pod.outcomes(4)
    assert seqs(outcomes) == [1, 1, 2, 1]
    assert len(pod.batches) == 1
    assert await world.last_seq("c") == 2


@pytest.mark.parametrize("together", [True, False])
async def test_other_content_under_the_same_id_is_already_exists(
    world: World, together: bool
) -> None:
    await world.add("c", "ann", "bob")
    async with committing(world.begin) as pod:
        if together:
            pod.submit("c", "hello", id="x")
            pod.submit("c", "other", id="x")
            first, other = await pod.outcomes(2)
        else:
            first = await pod.send("c", "hello", id="x")
            other = await pod.send("c", "other", id="x")
    assert isinstance(first, Message)
    assert isinstance(other, AlreadyExists)
    assert other.reason == "CLIENT_MESSAGE_ID_REUSED"
    assert await world.log("c") == [(1, "ann", "hello")]


async def test_one_id_of_two_senders_or_two_conversations_is_two_messages(world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.add("d", "ann", "bob")
    async with committing(world.begin) as pod:
        pod.submit("c", "a", id="x", sender="ann")
        pod.submit("c", "b", id="x", sender="bob")
        pod.submit("d", "c", id="x", sender="ann")
        assert seqs(await pod.outcomes(3)) == [1, 2, 1]


async def test_ids_are_compared_by_case(world: World) -> None:
    await world.add("c", "ann", "bob")
    async with committing(world.begin) as pod:
        pod.submit("c", "a", id="x")
        pod.submit("c", "b", id="X")
        assert seqs(await pod.outcomes(2)) == [1, 2]


async def test_a_retry_does_not_refuse_or_renumber_its_batch(world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.add("d", "ann", "bob")
    async with committing(world.begin) as pod:
        await pod.send("c", "old", id="old")
        numbers = [
            pod.submit("c", "new 1"),
            pod.submit("c", "old", id="old"),
            pod.submit("d", "elsewhere"),
            pod.submit("c", "new 2"),
        ]
        await pod.outcomes(5)
        outcomes = [pod.entries()[number].outcome for number in numbers]
    assert seqs(outcomes) == [2, 1, 1, 3]
    assert [seq for seq, _, _ in await world.log("c")] == [1, 2, 3]


async def test_what_is_stored_is_told_to_members_and_a_retry_once_more(world: World) -> None:
    await world.add("c", "ann", "bob")
    async with committing(world.begin) as pod:
        first, again = pod.submit("c", "a", id="x"), pod.submit("c", "a", id="x")
        stranger = pod.submit("c", "a", sender="eve")
        await pod.outcomes(3)
    assert sorted(pod.entries()[first].members) == ["ann", "bob"]
    assert sorted(pod.entries()[again].members) == ["ann", "bob"]
    assert pod.entries()[stranger].members == ()


async def test_a_stranger_and_an_unknown_conversation_get_the_same_answer(world: World) -> None:
    await world.add("c", "ann", "bob")
    async with committing(world.begin) as pod:
        stranger = await pod.send("c", "let me in", sender="eve")
        unknown = await pod.send("nowhere", "anyone?", sender="eve")
    assert isinstance(stranger, Denied)
    assert isinstance(unknown, Denied)
    assert (stranger.reason, stranger.message, stranger.fields) == (
        unknown.reason,
        unknown.message,
        unknown.fields,
    )
    assert await world.last_seq("c") == 0


async def test_what_is_submitted_while_a_commit_runs_is_one_transaction(world: World) -> None:
    await world.add("c", "ann", "bob")
    transactions = 0

    @asynccontextmanager
    async def begin() -> AsyncIterator[Store]:
        nonlocal transactions
        transactions += 1
        async with world.begin() as store:
            yield store

    async with committing(begin) as pod:
        for number in range(500):
            pod.submit("c", str(number))
        assert seqs(await pod.outcomes(500)) == list(range(1, 501))
    assert [len(batch) for batch in pod.batches] == [256, 244]
    assert transactions == 2


async def test_a_full_queue_refuses_with_a_delay_and_keeps_what_it_took(world: World) -> None:
    await world.add("c", "ann", "bob")
    async with committing(world.begin, capacity=10, size=4) as pod:
        for number in range(10):
            pod.submit("c", str(number))
        with pytest.raises(Exhausted) as refused:
            pod.submit("c", "too much")
        assert seqs(await pod.outcomes(10)) == list(range(1, 11))
        await pod.send("c", "room again")
    assert refused.value.retry_seconds
    assert await world.last_seq("c") == 11


async def test_two_pods_on_one_database_number_without_holes(
    world: World, other_pod: World
) -> None:
    await world.add("c", "ann", "bob")
    await world.add("d", "ann", "bob")
    async with (
        committing(world.begin, size=7) as one,
        committing(other_pod.begin, size=5) as two,
    ):
        for number in range(100):
            one.submit("cd"[number % 2], f"one {number}")
            two.submit("cd"[number % 3 == 0], f"two {number}", sender="bob")
            if number % 10 == 0:
                await asyncio.sleep(0)
        outcomes = await one.outcomes(100) + await two.outcomes(100)
    assert len(seqs(outcomes)) == 200
    for conversation_id in "cd":
        log = await world.log(conversation_id)
        assert [seq for seq, _, _ in log] == list(range(1, len(log) + 1))
        assert await world.last_seq(conversation_id) == len(log)
        for pod in ("one", "two"):
            mine = [int(text.split()[1]) for _, _, text in log if text.startswith(pod)]
            assert mine == sorted(mine)


async def test_one_message_sent_to_two_pods_at_once_is_stored_once(
    world: World, other_pod: World
) -> None:
    await world.add("c", "ann", "bob")
    async with committing(world.begin, size=3) as one, committing(other_pod.begin, size=4) as two:
        for number in range(40):
            one.submit("c", f"text {number}", id=f"x{number}")
            two.submit("c", f"text {number}", id=f"x{number}")
        first, second = await one.outcomes(40), await two.outcomes(40)
    assert first == second
    assert len(seqs(first)) == 40
    assert [seq for seq, _, _ in await world.log("c")] == list(range(1, 41))


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
async def test_a_crash_around_the_commit_leaves_all_or_nothing(world: World, point: str) -> None:
    await world.add("c", "ann", "bob")
    crashed = False

    def crash(reached: str) -> None:
        nonlocal crashed
        if reached == point and not crashed:
            crashed = True
            raise KeyboardInterrupt

    outcomes: list[Entry] = []
    committer = Committer(
        world.begin,
        lambda: 1,
        outcomes.extend,
        changes=Changes(120, 120, GroupChanges(500, 5_000).perform),
        size=10,
        capacity=10,
        hot=10,
        crash=crash,
    )
    for number in range(3):
        committer.submit(Send("c", "ann", f"x{number}", b"text"), number)
    with pytest.raises(KeyboardInterrupt):
        await committer.run()
    assert outcomes == []
    assert len(await world.log("c")) == (0 if point == "before_commit" else 3)
    async with committing(world.begin) as pod:
        for number in range(3):
            pod.submit("c", "text", id=f"x{number}")
        assert seqs(await pod.outcomes(3)) == [1, 2, 3]


class Failing:
    """Transactions that fail as often as they are told, with what a driver raises."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.errors: list[Exception] = []
        self.on_append: dict[str, Exception] = {}

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Store]:
        if self.errors:
            raise translate(self.errors.pop(0))
        async with self._world.database.begin() as connection:
            yield Checked(connection, self.on_append)


class Checked(Store):
    """The real store on a database that refuses some texts."""

    def __init__(self, connection: Any, refused: dict[str, Exception]) -> None:
        super().__init__(connection)
        self._refused = refused

    async def append(self, rows: Any, heads: Any, now: int) -> None:
        await super().append(rows, heads, now)
        for row in rows:
            if error := self._refused.get(row.message.body.decode()):
                raise error


def driver_error(number: int) -> sa.exc.OperationalError:
    return sa.exc.OperationalError("INSERT", {}, Exception(number, "said the driver"))


async def test_a_lost_race_is_run_again(world: World) -> None:
    await world.add("c", "ann", "bob")
    failing = Failing(world)
    failing.errors = [driver_error(1213), driver_error(1205)]
    async with committing(failing.begin) as pod:
        assert seqs([await pod.send("c", "a")]) == [1]


async def test_races_lost_for_ever_are_unavailable_with_a_delay(world: World) -> None:
    await world.add("c", "ann", "bob")
    failing = Failing(world)
    failing.errors = [driver_error(1213)] * 4
    async with committing(failing.begin) as pod:
        busy = await pod.send("c", "a")
        assert isinstance(busy, Unavailable)
        assert busy.retry_seconds
        assert seqs([await pod.send("c", "a")]) == [1]


async def test_a_database_that_is_away_refuses_the_whole_batch_and_heals(world: World) -> None:
    await world.add("c", "ann", "bob")
    failing = Failing(world)
    failing.errors = [driver_error(2013)]
    async with committing(failing.begin) as pod:
        for number in range(5):
            pod.submit("c", str(number), id=f"x{number}")
        refused = await pod.outcomes(5)
        assert {type(outcome) for outcome in refused} == {Unavailable}
        assert all(isinstance(error, AppError) and error.retry_seconds for error in refused)
        for number in range(5):
            pod.submit("c", str(number), id=f"x{number}")
        assert seqs((await pod.outcomes(10))[5:]) == [1, 2, 3, 4, 5]
    assert [text for _, _, text in await world.log("c")] == list("01234")


async def test_a_message_that_the_database_cannot_take_refuses_only_itself(world: World) -> None:
    await world.add("c", "ann", "bob")
    failing = Failing(world)
    failing.on_append["poison"] = sa.exc.DataError("INSERT", {}, Exception(1406, "too long"))
    async with committing(failing.begin) as pod:
        for text in ("a", "poison", "b", "c"):
            pod.submit("c", text)
        outcomes = await pod.outcomes(4)
    assert seqs(outcomes) == [1, 2, 3]
    assert isinstance(outcomes[1], AppError)
    assert outcomes[1].reason == "INTERNAL"
    assert "too long" not in outcomes[1].message
    assert await world.log("c") == [(1, "ann", "a"), (2, "ann", "b"), (3, "ann", "c")]


async def test_a_full_disk_is_said_so(world: World) -> None:
    await world.add("c", "ann", "bob")
    failing = Failing(world)
    failing.errors = [driver_error(1021)]
    async with committing(failing.begin) as pod:
        full = await pod.send("c", "a")
    assert isinstance(full, Exhausted)
    assert full.reason == "DISK_FULL"


async def test_a_locked_sqlite_file_makes_commits_wait(world: World, other_pod: World) -> None:
    await world.add("c", "ann", "bob")
    async with committing(other_pod.begin) as pod:
        async with world.begin() as store:
            await store.lock(["c"])
            number = pod.submit("c", "a")
            await asyncio.sleep(0.05)  # the commit is waiting for the lock meanwhile
            assert number not in pod.entries()
        assert seqs(await pod.outcomes(1)) == [1]


async def test_new_members_are_seen_at_once(world: World) -> None:
    """Whoever changes members counts member_version up: then no cache is believed."""
    await world.add("c", "ann", "bob")
    async with committing(world.begin) as pod:
        await pod.send("c", "a")
        async with world.database.begin() as connection:
            await connection.execute(
                sa.text(
                    "INSERT INTO member (user_id, conversation_id, read_seq) VALUES ('eve', 'c', 0)"
                )
            )
            await connection.execute(sa.text("UPDATE conversation SET member_version = 2"))
        assert seqs([await pod.send("c", "b", sender="eve")]) == [2]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    batches=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from("cd?"),
                st.sampled_from(["ann", "bob", "eve"]),
                st.sampled_from("xyz"),
                st.sampled_from(["1", "2"]),
            ),
            min_size=1,
            max_size=8,
        ),
        max_size=5,
    )
)
def test_any_history_of_sends_obeys_the_model(
    migrated: Any, tmp_path_factory: pytest.TempPathFactory, batches: list[list[Any]]
) -> None:
    """The model: a dictionary of what each id stood for first, and a counter for each log."""
    file = tmp_path_factory.mktemp("model") / "chat.db"
    file.write_bytes(migrated.read_bytes())
    asyncio.run(compare_with_model(Database(f"sqlite:///{file}", pool=2), batches))


async def compare_with_model(database: Database, batches: list[list[Any]]) -> None:
    world = World(database)
    await world.add("c", "ann", "bob")
    await world.add("d", "ann", "eve")
    members = {"c": {"ann", "bob"}, "d": {"ann", "eve"}}
    stored: dict[tuple[str, str, str], tuple[int, str]] = {}
    counters = {"c": 0, "d": 0}
    async with committing(world.begin) as pod:
        done = 0
        for batch in batches:
            expected: list[int | type] = []
            for conversation_id, sender, id, text in batch:
                pod.submit(conversation_id, text, id=id, sender=sender)
                key = (conversation_id, sender, id)
                if sender not in members.get(conversation_id, ()):
                    expected.append(Denied)
                elif key not in stored:
                    counters[conversation_id] += 1
                    stored[key] = (counters[conversation_id], text)
                    expected.append(counters[conversation_id])
                else:
                    seq, before = stored[key]
                    expected.append(seq if before == text else AlreadyExists)
            done += len(batch)
            outcomes = (await pod.outcomes(done))[-len(batch) :]
            assert [
                outcome.seq if isinstance(outcome, Message) else type(outcome)
                for outcome in outcomes
            ] == expected
        for conversation_id, last_seq in counters.items():
            assert await world.last_seq(conversation_id) == last_seq
            assert len(await world.log(conversation_id)) == last_seq
    await database.close()


async def test_a_cancelled_reader_leaves_the_pool_whole(world: World) -> None:
    """A caller that hangs up in the middle of a query must not cost a connection."""
    await world.add("c", "ann", "bob")
    await world.write("c", *map(str, range(50)))

    async def look() -> None:
        async with world.read() as store:
            await store.after("c", 0, 50)

    for round in range(40):
        tasks = [asyncio.create_task(look()) for _ in range(8)]
        for _ in range(round % 10):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5):
        await asyncio.gather(*(look() for _ in range(16)))
        async with committing(world.begin) as pod:
            assert seqs([await pod.send("c", "still here")]) == [51]
