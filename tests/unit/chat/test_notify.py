"""Who is told of what, how often, and what happens when telling fails."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from services.chat import notify, outbox_store
from services.chat.changes import EVERYBODY
from services.chat.model import EDIT, REMOVED, RICH
from services.chat.notify import (
    BACKOFF_SECONDS,
    HOOK,
    LEASE_SECONDS,
    PUSH,
    Job,
    Notification,
    Notifier,
    Outcome,
    news_row,
)
from services.chat.outbox_store import OutboxStore
from services.chat.registrations import TOLD_AT_ONCE, WEBHOOK, Registration
from services.chat.tables import hidden, mention, outbox, push_registration
from services.chat.wire import to_json
from services.common.database import Database, Duplicate
from tests.unit.chat.outbox import Clock, Tables

DELAY = 2


async def find_bots(user_ids: Collection[str]) -> set[str]:
    return {user_id for user_id in user_ids if user_id.startswith("bot")}


class Devices:
    """Where notifications arrive; `answers` come first, then all are taken."""

    def __init__(self) -> None:
        self.told: list[Notification] = []
        self.answers: deque[Outcome] = deque()
        self.fail: dict[str, Outcome] = {}
        self.ended: set[str] = set()

    async def send(self, registration: Registration, notification: Notification) -> Outcome:
        self.told.append(notification)
        await asyncio.sleep(0)
        if registration.id in self.fail:
            return self.fail[registration.id]
        return self.answers.popleft() if self.answers else Outcome.SENT

    async def end(self, ids: set[str]) -> None:
        self.ended |= ids

    @property
    def ids(self) -> list[str]:
        return [notification.id for notification in self.told]


def make_notifier(database: Database, devices: Devices, now: Clock, kind: str = PUSH) -> Notifier:
    @asynccontextmanager
    async def begin() -> AsyncIterator[OutboxStore]:
        async with database.begin() as connection:
            yield OutboxStore(connection, to_json)

    @asynccontextmanager
    async def read() -> AsyncIterator[OutboxStore]:
        async with database.read() as connection:
            yield OutboxStore(connection, to_json)

    return Notifier(
        begin,
        read,
        devices,
        devices.end,
        now,
        kind=kind,
        delay_seconds=DELAY if kind == PUSH else 0,
        find_bots=find_bots,
    )


async def work(notifier: Notifier) -> int:
    """Claims what is due and tells it; returns how many rows."""
    rows = await notifier.claim()
    await asyncio.gather(*(notifier.handle(row) for row in rows))
    return len(rows)


@pytest.fixture
async def database(database_file: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{database_file}", pool=8)
    yield database
    await database.close()


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def devices() -> Devices:
    return Devices()


@pytest.fixture
def notifier(database: Database, devices: Devices, now: Clock) -> Notifier:
    return make_notifier(database, devices, now)


@pytest.fixture
def bots(database: Database, devices: Devices, now: Clock) -> Notifier:
    """What tells bots' servers."""
    return make_notifier(database, devices, now, HOOK)


@pytest.fixture
async def tables(database: Database, now: Clock) -> Tables:
    """A conversation "c" of ann and bob; bob has one registration, which shows content."""
    tables = Tables(database, now)
    await tables.add("c", "ann", "bob", notify=["bob"])
    await register(tables, "r1", "bob", show_content=True)
    return tables


async def register(
    tables: Tables, id: str, user_id: str, *, show_content: bool, provider: str = "apns"
) -> None:
    await tables.insert(
        push_registration,
        id=id,
        user_id=user_id,
        session_id=f"session-of-{id}",
        provider=provider,
        target=b"target",
        show_content=int(show_content),
        created_at=tables.now(),
    )


async def test_the_other_one_is_told_after_the_delay_and_once(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    await tables.write("c", "hello", "again")
    assert await work(notifier) == 0
    now.forward(DELAY)
    assert await work(notifier) == 1
    assert [told.content() for told in devices.told] == [
        {
            "id": f"c:{seq}:r1",
            "conversation_id": "c",
            "seq": seq,
            "unread": 2,
            "sender_id": "ann",
            "text": text,
        }
        for seq, text in ((1, "hello"), (2, "again"))
    ]
    assert await tables.outbox() == []
    assert await work(notifier) == 0


async def test_without_show_content_nothing_of_the_message_is_told(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    await register(tables, "r2", "bob", show_content=False)
    await tables.write("c", "a secret")
    now.forward(DELAY)
    await work(notifier)
    discreet = next(told for told in devices.told if told.id == "c:1:r2")
    assert discreet.content() == {"id": "c:1:r2", "conversation_id": "c", "seq": 1, "unread": 1}


async def test_a_long_text_is_cut(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    await tables.write("c", "雁" * 500)
    now.forward(DELAY)
    await work(notifier)
    assert devices.told[0].text == "雁" * 200


@pytest.mark.parametrize("cursor", ["read_seq", "received_seq", "cleared_seq"])
async def test_what_was_seen_or_cleared_meanwhile_is_not_told(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock, cursor: str
) -> None:
    await tables.write("c", "1", "2", "3")
    await tables.set_member("bob", "c", **{cursor: 2})
    now.forward(DELAY)
    await work(notifier)
    assert devices.ids == ["c:3:r1"]
    assert devices.told[0].unread == (3 if cursor == "received_seq" else 1)


async def test_who_has_muted_is_told_of_mentions_only(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    await tables.set_member("bob", "c", muted_until=now() + 3_600 * 1_000_000)
    await tables.write("c", "nothing", "@bob", "@all", "@ann")
    for user_id, seq in (("bob", 2), (EVERYBODY, 3), ("ann", 4)):
        await tables.insert(mention, conversation_id="c", user_id=user_id, seq=seq)
    now.forward(DELAY)
    await work(notifier)
    assert devices.ids == ["c:2:r1", "c:3:r1"]
    now.forward(3_600)
    await tables.write("c", "heard again")
    now.forward(DELAY)
    await work(notifier)
    assert devices.ids[2:] == ["c:5:r1"]


async def test_only_what_is_said_and_still_there_is_told(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    await tables.write("c", "taken back", "hidden", "expired", "stays", "an edit")
    await tables.update_message("c", 1, kind=REMOVED, body=b"")
    await tables.insert(hidden, user_id="bob", conversation_id="c", seq=2)
    await tables.update_message("c", 3, expires_at=now() + 1)
    await tables.update_message("c", 5, kind=EDIT)
    now.forward(DELAY)
    await work(notifier)
    assert devices.ids == ["c:4:r1"]


async def test_the_text_of_a_rich_message_is_told(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    from hongyan.chat.v1 import message_pb2  # noqa: PLC0415

    body = message_pb2.Message(text="rich", quote=message_pb2.Quote(seq=1)).SerializeToString()
    await tables.write("c", "", kind=RICH, body=body)
    now.forward(DELAY)
    await work(notifier)
    assert [told.text for told in devices.told] == ["rich"]


async def test_a_retry_repeats_only_what_failed_with_the_same_id(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    await register(tables, "r2", "bob", show_content=False)
    devices.fail["r2"] = Outcome.AGAIN
    await tables.write("c", "1", "2")
    now.forward(DELAY)
    await work(notifier)
    assert sorted(devices.ids) == ["c:1:r1", "c:1:r2", "c:2:r1"]
    devices.told.clear()
    now.forward(BACKOFF_SECONDS[0] - 1)
    assert await work(notifier) == 0
    now.forward(1)
    devices.fail.clear()
    assert await work(notifier) == 1
    assert devices.ids == ["c:1:r2", "c:2:r2"]
    assert await tables.outbox() == []


async def test_what_was_told_of_a_range_in_part_goes_on_where_it_failed(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    devices.answers.extend([Outcome.SENT, Outcome.AGAIN])
    await tables.write("c", "1", "2", "3")
    now.forward(DELAY)
    await work(notifier)
    now.forward(BACKOFF_SECONDS[0])
    await work(notifier)
    assert devices.ids == ["c:1:r1", "c:2:r1", "c:2:r1", "c:3:r1"]


async def test_after_the_last_attempt_it_is_dropped_and_counted(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    def dropped() -> float:
        labels = {"provider": "webhook", "outcome": "dropped"}
        return REGISTRY.get_sample_value("hongyan_chat_push_sent_total", labels) or 0

    before = dropped()
    devices.fail["r1"] = Outcome.AGAIN
    await tables.write("c", "1")
    now.forward(DELAY)
    for seconds in BACKOFF_SECONDS:
        assert await work(notifier) == 1
        assert await work(notifier) == 0
        now.forward(seconds)
    assert len(await tables.outbox()) == 1
    assert await work(notifier) == 1
    assert await tables.outbox() == []
    assert devices.ids == ["c:1:r1"] * 5
    assert dropped() == before + 1


async def test_what_is_refused_is_not_tried_again(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    devices.answers.append(Outcome.REFUSED)
    await tables.write("c", "1", "2")
    now.forward(DELAY)
    await work(notifier)
    assert devices.ids == ["c:1:r1", "c:2:r1"]
    assert await tables.outbox() == []
    assert devices.ended == set()


async def test_a_registration_that_the_push_service_does_not_know_ends(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    devices.answers.append(Outcome.GONE)
    await tables.write("c", "1", "2")
    now.forward(DELAY)
    await work(notifier)
    assert devices.ids == ["c:1:r1"]
    assert devices.ended == {"r1"}
    assert await tables.outbox() == []


async def test_a_worker_that_dies_after_the_claim_leaves_the_row_to_the_next(
    tables: Tables, database: Database, devices: Devices, now: Clock
) -> None:
    await tables.write("c", "1")
    now.forward(DELAY)
    dead, alive = (make_notifier(database, devices, now) for _ in range(2))
    [row] = await dead.claim()
    assert await work(alive) == 0
    now.forward(LEASE_SECONDS)
    assert await work(alive) == 1
    assert devices.ids == ["c:1:r1"]
    # Should it not have died, only slept, it tells again under the same id and harms nothing.
    await tables.write("c", "2")
    await dead.handle(row)
    assert set(devices.ids) == {"c:1:r1"}
    assert len(await tables.outbox()) == 1


async def test_two_workers_at_once_tell_once(
    tables: Tables, database_file: Path, database: Database, devices: Devices, now: Clock
) -> None:
    other = Database(f"sqlite:///{database_file}", pool=8)
    for number in range(40):
        await tables.write("c", f"{number}")
    now.forward(DELAY)
    workers = [make_notifier(database, devices, now), make_notifier(other, devices, now)]
    counts = await asyncio.gather(*(work(worker) for worker in workers))
    assert sum(counts) == 40
    assert sorted(devices.ids) == sorted(f"c:{seq}:r1" for seq in range(1, 41))
    await other.close()


async def test_a_row_that_nobody_understands_stops_no_other_and_goes_in_the_end(
    tables: Tables, database: Database, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    await tables.insert(
        outbox, id="odd", kind="push", dedupe_key="odd", payload=b"{}", due_at=now(), attempts=0
    )
    await tables.write("c", "1")
    now.forward(DELAY)
    assert await work(notifier) == 2
    assert devices.ids == ["c:1:r1"]
    for _ in BACKOFF_SECONDS:
        now.forward(LEASE_SECONDS)
        assert await work(notifier) == 1
    assert await tables.outbox() == []


async def test_rows_of_other_kinds_are_left_alone(
    tables: Tables, notifier: Notifier, now: Clock
) -> None:
    await tables.insert(
        outbox, id="x", kind="other", dedupe_key="x", payload=b"", due_at=now(), attempts=0
    )
    now.forward(DELAY)
    assert await work(notifier) == 0
    assert len(await tables.outbox()) == 1


async def test_rows_are_added_with_their_commit_and_once(database: Database, now: Clock) -> None:
    row = news_row("id1", PUSH, Job("c", 4, 6), now())
    assert row.dedupe_key == "push:c:4"
    assert json.loads(row.payload) == {"conversation_id": "c", "from_seq": 4, "to_seq": 6}
    with contextlib.suppress(ZeroDivisionError):
        async with database.begin() as connection:
            await outbox_store.add(connection, [row])
            raise ZeroDivisionError
    async with database.begin() as connection:
        await outbox_store.add(connection, [row, news_row("id2", PUSH, Job("d", 1, 1), now())])
        await outbox_store.add(connection, [])
    with pytest.raises(Duplicate):
        async with database.begin() as connection:
            await outbox_store.add(connection, [news_row("id3", PUSH, Job("c", 4, 9), now())])
    async with database.read() as connection:
        ids = set(await connection.scalars(sa.select(outbox.c.id)))
    assert ids == {"id1", "id2"}


async def test_the_outbox_is_measured_and_worked_off_while_it_runs(
    tables: Tables, notifier: Notifier, devices: Devices, now: Clock
) -> None:
    await tables.write("c", "1")
    now.forward(DELAY + 7)
    watching = asyncio.create_task(notifier.watch())
    async with asyncio.timeout(10):
        while REGISTRY.get_sample_value("hongyan_chat_outbox_oldest_seconds") != DELAY + 7:
            await asyncio.sleep(0.002)
    assert REGISTRY.get_sample_value("hongyan_chat_outbox_rows") == 1
    running = asyncio.create_task(notifier.run())
    async with asyncio.timeout(10):
        while await tables.outbox():
            await asyncio.sleep(0.002)
    assert devices.ids == ["c:1:r1"]
    for task in (watching, running):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_bots_server_is_told_at_once_of_all_that_persons_wrote(
    tables: Tables, bots: Notifier, devices: Devices, now: Clock
) -> None:
    await tables.add("d", "ann", "bot", "botany")
    await tables.set_member("bot", "d", notify=TOLD_AT_ONCE, read_seq=9, muted_until=2**60)
    await register(tables, "hook", "bot", show_content=False, provider=WEBHOOK)
    long = "长" * 300
    for sender, text in (("ann", long), ("bot", "mine"), ("botany", "another bot's")):
        await tables.write("d", text, sender=sender, rows=HOOK)
    rows = await bots.claim()
    assert len(rows) == 3
    await asyncio.gather(*(bots.handle(row) for row in rows))
    [told] = devices.told
    content = told.content()
    assert (content["id"], content["seq"]) == ("d:1:hook", 1)
    said: Any = content["message"]
    assert (said["sender_id"], said["text"]) == ("ann", long)
    assert await tables.outbox() == []


async def test_persons_and_bots_have_rows_and_workers_of_their_own(
    tables: Tables, notifier: Notifier, bots: Notifier, devices: Devices, now: Clock
) -> None:
    await tables.add("d", "ann", "bob", "bot", notify=["bob"])
    await tables.set_member("bot", "d", notify=TOLD_AT_ONCE)
    await register(tables, "hook", "bot", show_content=False, provider=WEBHOOK)
    await tables.write("d", "hello", rows=PUSH)
    await tables.write("d", "again", rows=HOOK)
    assert await work(notifier) == 0
    assert await work(bots) == 1
    assert devices.ids == ["d:2:hook"]
    now.forward(DELAY)
    assert (await work(bots), await work(notifier)) == (0, 1)
    assert devices.ids == ["d:2:hook", "d:1:r1"]


async def test_what_is_cleared_is_not_told_to_a_bot(
    tables: Tables, bots: Notifier, devices: Devices
) -> None:
    await tables.add("d", "ann", "bot")
    await tables.set_member("bot", "d", notify=TOLD_AT_ONCE, cleared_seq=1)
    await register(tables, "hook", "bot", show_content=False, provider=WEBHOOK)
    await tables.write("d", "before", "after", rows=HOOK)
    assert await work(bots) == 1
    assert devices.ids == ["d:2:hook"]


async def test_who_waits_for_rows_is_woken(
    tables: Tables, bots: Notifier, devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "POLL_SECONDS", 3600)
    await tables.add("d", "ann", "bot")
    await tables.set_member("bot", "d", notify=TOLD_AT_ONCE)
    await register(tables, "hook", "bot", show_content=False, provider=WEBHOOK)
    running = asyncio.create_task(bots.run())
    try:
        for number in (1, 2):
            await tables.write("d", "hello", rows=HOOK)
            bots.wake()
            async with asyncio.timeout(10):
                while len(devices.told) < number:
                    await asyncio.sleep(0.01)
    finally:
        running.cancel()
