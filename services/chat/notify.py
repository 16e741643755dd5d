"""Who is told of which messages, and when it is tried again: works off the outbox.

Persons are told later, of what they have not received by then; bots' servers at once, of all.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

import structlog
from prometheus_client import Counter, Gauge

from services.chat.registrations import WEB_PUSH, WEBHOOK, Registration
from services.common.errors import AppError

# The kinds of rows: for persons, and for bots.
PUSH = "push"
HOOK = "hook"
# How long a claim holds: longer than a row may take, so that only a dead pod's is taken over.
LEASE_SECONDS = 60
ROW_SECONDS = 40.0
BACKOFF_SECONDS = (5, 30, 120, 600)
ROWS_AT_ONCE = 64
POLL_SECONDS = 1.0
WATCH_SECONDS = 5.0
TEXT_CHARACTERS = 200
MICROS = 1_000_000

SENT = Counter(
    "hongyan_chat_push_sent",
    "Notifications by how they went (web_push, webhook, bot) and what became of them.",
    ["provider", "outcome"],
)
ROWS = Gauge("hongyan_chat_outbox_rows", "Rows of the outbox that are not worked off.")
OLDEST = Gauge("hongyan_chat_outbox_oldest_seconds", "How long the oldest due row has waited.")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the outbox. `due_at` is in microseconds since 1970 UTC."""

    id: str
    kind: str
    dedupe_key: str
    payload: bytes
    due_at: int
    attempts: int = 0


def news_row(id: str, kind: str, job: "Job", now: int) -> Row:
    """Returns the row that says which messages of a conversation a commit has stored."""
    key = f"{kind}:{job.conversation_id}:{job.from_seq}"
    return Row(id, kind, key, job.to_payload(), now)


@dataclass(frozen=True, slots=True)
class Job:
    """What a row asks for; `done` has the seq up to which each registration was told."""

    conversation_id: str
    from_seq: int
    to_seq: int
    done: Mapping[str, int] = field(default_factory=dict)

    def to_payload(self) -> bytes:
        """Returns the row's payload."""
        content: dict[str, object] = {
            "conversation_id": self.conversation_id,
            "from_seq": self.from_seq,
            "to_seq": self.to_seq,
        }
        if self.done:
            content["done"] = dict(self.done)
        return json.dumps(content).encode()


def read_job(payload: bytes) -> Job:
    """Reads a row's payload."""
    content = json.loads(payload)
    return Job(
        content["conversation_id"],
        content["from_seq"],
        content["to_seq"],
        content.get("done", {}),
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A message that somebody may be told of; `content` is all of it, as REST shows it."""

    seq: int
    sender_id: str
    text: str
    content: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reader:
    """A member, as far as it decides what the member is told. Times are in microseconds."""

    user_id: str
    read_seq: int
    received_seq: int
    cleared_seq: int
    muted_until: int
    unread: int


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told of one range of a conversation.

    `mentioned` and `hidden` have (user_id, seq); a user_id that is None stands for everybody.
    """

    entries: Sequence[Entry]
    readers: Sequence[Reader]
    mentioned: Collection[tuple[str | None, int]] = ()
    hidden: Collection[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """What one registration is told of one message.

    The same message has the same id for the same registration, however often it is told.
    `sender_id` and `text` are None unless the registration asks for content. A bot's server
    gets the whole `message`.
    """

    id: str
    conversation_id: str
    seq: int
    unread: int
    sender_id: str | None = None
    text: str | None = None
    message: Mapping[str, object] | None = None

    def content(self) -> dict[str, object]:
        """Returns what the receiver gets."""
        told: dict[str, object] = {
            "id": self.id,
            "conversation_id": self.conversation_id,
            "seq": self.seq,
        }
        if self.message is not None:
            return told | {"message": self.message}
        told["unread"] = self.unread
        if self.text is not None:
            told |= {"sender_id": self.sender_id, "text": self.text}
        return told


FindBots = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""Returns which of some users are bots."""


class Outcome(StrEnum):
    """What became of one notification."""

    SENT = "sent"
    AGAIN = "again"
    REFUSED = "refused"
    GONE = "gone"


class Push(Protocol):
    """What takes a notification to a device."""

    async def send(self, registration: Registration, notification: Notification) -> Outcome: ...


class NotifyStore(Protocol):
    """The storage that telling needs, inside one transaction."""

    async def due(self, kind: str, now: int, first: int, limit: int) -> list[Row]: ...
    async def claim(self, rows: Sequence[Row], until: int) -> list[Row]: ...
    async def finish(self, row: Row) -> None: ...
    async def postpone(self, row: Row, payload: bytes, due_at: int) -> None: ...
    async def news(self, job: Job, now: int, kind: str) -> News: ...
    async def of_users(self, user_ids: Collection[str]) -> list[Registration]: ...
    async def waiting(self) -> tuple[int, int | None]: ...


Begin = Callable[[], AbstractAsyncContextManager[NotifyStore]]


def is_told(reader: Reader, entry: Entry, news: News, now: int) -> bool:
    """Says whether a member is told of a message now."""
    if entry.sender_id == reader.user_id:
        return False
    if entry.seq <= max(reader.read_seq, reader.received_seq, reader.cleared_seq):
        return False
    if (reader.user_id, entry.seq) in news.hidden:
        return False
    mentioned = {(reader.user_id, entry.seq), (None, entry.seq)}.intersection(news.mentioned)
    return bool(mentioned) or reader.muted_until <= now


def is_heard(reader: Reader, entry: Entry, news: News, bots: Collection[str]) -> bool:
    """Says whether a bot hears a message: not what it or another bot wrote, lest they go on."""
    if entry.sender_id in bots or entry.sender_id == reader.user_id:
        return False
    return entry.seq > reader.cleared_seq and (reader.user_id, entry.seq) not in news.hidden


def make_posts(
    job: Job, news: News, registrations: Sequence[Registration], bots: Collection[str]
) -> dict[str, list[Notification]]:
    """Returns what the server of each bot is still to be told, by registration, oldest first."""
    readers = {reader.user_id: reader for reader in news.readers}
    posts: dict[str, list[Notification]] = {}
    for registration in registrations:
        if registration.provider != WEBHOOK:
            continue
        reader = readers[registration.user_id]
        told = [
            Notification(
                f"{job.conversation_id}:{entry.seq}:{registration.id}",
                job.conversation_id,
                entry.seq,
                reader.unread,
                message=entry.content,
            )
            for entry in news.entries
            if entry.seq > job.done.get(registration.id, 0) and is_heard(reader, entry, news, bots)
        ]
        if told:
            posts[registration.id] = told
    return posts


def make_notifications(
    job: Job, news: News, registrations: Sequence[Registration], now: int
) -> dict[str, list[Notification]]:
    """Returns what each registration is still to be told, by its id, oldest first."""
    readers = {reader.user_id: reader for reader in news.readers}
    notifications: dict[str, list[Notification]] = {}
    for registration in registrations:
        reader = readers[registration.user_id]
        told = [
            Notification(
                f"{job.conversation_id}:{entry.seq}:{registration.id}",
                job.conversation_id,
                entry.seq,
                reader.unread,
                entry.sender_id if registration.show_content else None,
                entry.text[:TEXT_CHARACTERS] if registration.show_content else None,
            )
            for entry in news.entries
            if entry.seq > job.done.get(registration.id, 0) and is_told(reader, entry, news, now)
        ]
        if told:
            notifications[registration.id] = told
    return notifications


class Notifier:
    """Claims due rows of one kind and tells who is to be told; many pods may run one each.

    A row is claimed by moving its due_at to the end of a lease, so that a pod that dies leaves
    it to the others: everybody is told at least once. `end_registrations` is called with those
    that a push service knows no longer. Each kind has its own, so that a bot's server that does
    not answer keeps no person waiting.
    """

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        push: Push,
        end_registrations: "EndRegistrations",
        now: Callable[[], int],
        *,
        kind: str,
        delay_seconds: float,
        find_bots: FindBots,
    ) -> None:
        self._kind = kind
        self._find_bots = find_bots
        self._wake = asyncio.Event()
        self._begin = begin
        self._read = read
        self._push = push
        self._end_registrations = end_registrations
        self._now = now
        self._delay = round(delay_seconds * MICROS)

    async def run(self) -> None:
        """Works off the outbox for ever."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                rows = await self._claim_or_wait(ROWS_AT_ONCE - len(running))
                for row in rows:
                    task = asyncio.create_task(self.handle(row))
                    running.add(task)
                    task.add_done_callback(running.discard)
                if len(running) >= ROWS_AT_ONCE:
                    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                elif not rows:
                    await self._rest()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def wake(self) -> None:
        """Looks at once: there is something that does not wait."""
        self._wake.set()

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
        self._wake.clear()

    async def _claim_or_wait(self, limit: int) -> list[Row]:
        try:
            return await self.claim(limit)
        except AppError as error:
            log.warning("outbox.not_read", reason=error.reason)
        except Exception as error:  # messages matter more than telling of them
            log.error("outbox.not_read", exc_info=error)
        return []

    async def claim(self, limit: int = ROWS_AT_ONCE) -> list[Row]:
        """Claims up to so many rows that are due: nobody else has them until the lease ends."""
        now = self._now()
        async with self._read() as store:
            due = await store.due(self._kind, now, now - self._delay, limit)
        if not due:
            return []
        async with self._begin() as store:
            return await store.claim(due, now + LEASE_SECONDS * MICROS)

    async def handle(self, row: Row) -> None:
        """Tells what a claimed row asks for; what fails is due again later."""
        try:
            await self._handle(row)
        except AppError as error:
            log.warning("outbox.row_failed", row=row.id, reason=error.reason)
        except Exception as error:  # one row that nobody understands stops no other
            log.error("outbox.row_failed", row=row.id, exc_info=error)
            if row.attempts > len(BACKOFF_SECONDS):
                async with self._begin() as store:
                    await store.finish(row)

    async def _handle(self, row: Row) -> None:
        job = read_job(row.payload)
        now = self._now()
        async with self._read() as store:
            news = await store.news(job, now, row.kind)
            registrations = await store.of_users(
                {
                    reader.user_id
                    for reader in news.readers
                    if row.kind == HOOK
                    or any(is_told(reader, entry, news, now) for entry in news.entries)
                }
            )
        if row.kind == HOOK:
            bots = await self._find_bots({entry.sender_id for entry in news.entries})
            notifications = make_posts(job, news, registrations, bots)
        else:
            notifications = make_notifications(job, news, registrations, now)
        done = dict(job.done)
        gone: set[str] = set()
        left = await self._tell(
            [(one, notifications[one.id]) for one in registrations if one.id in notifications],
            done,
            gone,
        )
        if gone:
            await self._end_registrations(gone)
        if left and row.attempts <= len(BACKOFF_SECONDS):
            due_at = self._now() + BACKOFF_SECONDS[row.attempts - 1] * MICROS
            async with self._begin() as store:
                await store.postpone(row, replace(job, done=done).to_payload(), due_at)
            return
        if left:
            for registration in left:
                SENT.labels(_provider(registration), "dropped").inc()
            log.warning("push.dropped", row=row.id, registrations=len(left), tries=row.attempts)
        async with self._begin() as store:
            await store.finish(row)

    async def _tell(
        self,
        work: Sequence[tuple[Registration, Sequence[Notification]]],
        done: dict[str, int],
        gone: set[str],
    ) -> list[Registration]:
        """Tells all registrations side by side; returns those to which it must be tried again."""
        tasks = {
            asyncio.create_task(self._tell_one(registration, told, done, gone)): registration
            for registration, told in work
        }
        if not tasks:
            return []
        try:
            finished, late = await asyncio.wait(tasks, timeout=ROW_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return [tasks[task] for task in (*finished, *late) if task in late or not task.result()]

    async def _tell_one(
        self,
        registration: Registration,
        notifications: Sequence[Notification],
        done: dict[str, int],
        gone: set[str],
    ) -> bool:
        """Tells one registration, in order; returns False when it must be tried again."""
        for notification in notifications:
            try:
                outcome = await self._push.send(registration, notification)
            except Exception as error:  # one that cannot be told keeps nobody else from it
                log.error("push.failed", registration=registration.id, exc_info=error)
                outcome = Outcome.AGAIN
            SENT.labels(_provider(registration), outcome.value).inc()
            if outcome is Outcome.AGAIN:
                return False
            if outcome is Outcome.GONE:
                gone.add(registration.id)
                return True
            done[registration.id] = notification.seq
        return True

    async def watch(self) -> None:
        """Measures the outbox, for ever."""
        while True:
            try:
                async with self._read() as store:
                    count, oldest = await store.waiting()
                ROWS.set(count)
                OLDEST.set(max(0, self._now() - oldest) / MICROS if oldest is not None else 0)
            except AppError as error:
                log.warning("outbox.not_measured", reason=error.reason)
            except Exception as error:  # a number is not worth the service
                log.error("outbox.not_measured", exc_info=error)
            await asyncio.sleep(WATCH_SECONDS)


class EndRegistrations(Protocol):
    """What ends registrations, by their ids."""

    async def __call__(self, ids: Collection[str]) -> None: ...


def _provider(registration: Registration) -> str:
    """How it goes: what devices call their push service is theirs, and no label."""
    return {WEB_PUSH: WEB_PUSH, WEBHOOK: "bot"}.get(registration.provider, "webhook")
