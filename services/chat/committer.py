"""Group commit: the messages that are ready together become one transaction."""

import asyncio
import hashlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from opentelemetry import propagate, trace
from prometheus_client import Counter, Gauge, Histogram

from services.chat.rules import Message, not_a_member
from services.common.database import Duplicate, LostRace
from services.common.errors import AlreadyExists, AppError, Exhausted, Unavailable

ATTEMPTS = 4
CACHED_MEMBERS = 100_000

STORED = Counter("hongyan_chat_messages_stored", "Messages committed.")
RETRIES = Counter("hongyan_chat_messages_repeated", "Sends answered with a message stored before.")
REFUSED = Counter("hongyan_chat_messages_refused", "Sends refused.", ["reason"])
BATCH = Histogram(
    "hongyan_chat_commit_messages",
    "Messages in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
SECONDS = Histogram(
    "hongyan_chat_commit_seconds",
    "How long one transaction took.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
WAITING = Gauge("hongyan_chat_commit_queue_messages", "Messages that wait for a transaction.")

log = structlog.get_logger()

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Send:
    """What a user wants to append. `traceparent` is empty when nobody traces it."""

    conversation_id: str
    sender_id: str
    client_message_id: str
    kind: int
    body: bytes
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was stored before under the same ids."""

    message: Message
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class Locked:
    """A conversation's row while this transaction holds it."""

    last_seq: int
    member_version: int


@dataclass(frozen=True, slots=True)
class Row:
    """A message with the hash of what its sender sent."""

    message: Message
    content_hash: bytes


class Log(Protocol):
    """The storage that appending needs, inside one transaction."""

    async def lock(self, ids: Sequence[str]) -> dict[str, Locked]: ...
    async def member_ids(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]: ...
    async def find_sent(self, keys: Collection[Key]) -> dict[Key, Sent]: ...
    async def append(self, rows: Sequence[Row], heads: Mapping[str, int], now: int) -> None: ...


Begin = Callable[[], AbstractAsyncContextManager[Log]]


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one send: the message, new or stored before, or why not.

    `members` are the conversation's users when the message is new, else empty.
    """

    send: Send
    origin: Any
    outcome: Message | AppError
    members: tuple[str, ...] = ()


class Committer:
    """Takes sends from everywhere and commits them in groups, in the order in which they came.

    While one transaction runs the next group gathers; there is no timer. `on_commit` gets
    every send's outcome, after the commit.
    """

    def __init__(
        self,
        begin: Begin,
        now: Callable[[], int],
        on_commit: Callable[[list[Entry]], None],
        *,
        size: int,
        capacity: int,
        crash: Callable[[str], None] = lambda point: None,
    ) -> None:
        self._begin = begin
        self._now = now
        self._on_commit = on_commit
        self._size = size
        self._capacity = capacity
        self._crash = crash
        self._waiting: deque[tuple[Send, Any]] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        # Members change with the version in the row that every commit locks and reads.
        self._members: OrderedDict[str, tuple[int, tuple[str, ...]]] = OrderedDict()
        self._tracer = trace.get_tracer("hongyan.chat")

    def submit(self, send: Send, origin: Any) -> None:
        """Queues a send; its outcome comes to `on_commit` with `origin`.

        Raises Exhausted when too many wait already.
        """
        if len(self._waiting) >= self._capacity:
            raise Exhausted("CHAT_BUSY", "too many messages wait to be stored", retry_seconds=1)
        self._waiting.append((send, origin))
        self._idle.clear()
        self._wake.set()

    async def idle(self) -> None:
        """Waits until every send that was submitted has its outcome."""
        await self._idle.wait()

    async def run(self) -> None:
        """Commits for ever."""
        while True:
            await self._wake.wait()
            while self._waiting:
                take = min(self._size, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(take)]
                WAITING.set(len(self._waiting))
                await self._process(batch)
            self._wake.clear()
            self._idle.set()

    async def _process(self, batch: list[tuple[Send, Any]]) -> None:
        try:
            entries = await self._commit(batch)
        except AppError as error:
            REFUSED.labels(error.reason).inc(len(batch))
            entries = [Entry(send, origin, error) for send, origin in batch]
        except Exception as error:
            if len(batch) > 1:
                # One send that the database cannot take must not refuse its neighbours.
                log.warning("commit.split", messages=len(batch), exc_info=error)
                for one in batch:
                    await self._process([one])
                return
            log.error("commit.failed", exc_info=error)
            failure = AppError("INTERNAL", "internal error")
            entries = [Entry(send, origin, failure) for send, origin in batch]
        self._on_commit(entries)

    async def _commit(self, batch: list[tuple[Send, Any]]) -> list[Entry]:
        """Runs the transaction, again when it lost a race."""
        look_first = False
        for _ in range(ATTEMPTS):
            started = time.perf_counter()
            try:
                with self._span(batch):
                    entries, stored = await self._transaction(batch, look_first)
            except Duplicate:
                # Rare, so it is found by the unique key instead of a query in each commit.
                look_first = True
                continue
            except LostRace:
                continue
            STORED.inc(stored)
            BATCH.observe(len(batch))
            SECONDS.observe(time.perf_counter() - started)
            return entries
        raise Unavailable("DATABASE_BUSY", "the conversation is too busy", retry_seconds=0.5)

    async def _transaction(
        self, batch: list[tuple[Send, Any]], look_first: bool
    ) -> tuple[list[Entry], int]:
        ids = sorted({send.conversation_id for send, _ in batch})
        async with self._begin() as store:
            locked = await store.lock(ids)
            members = await self._member_ids(store, locked)
            sent: dict[Key, Sent] = {}
            if look_first:
                sent = await store.find_sent({_key(send) for send, _ in batch})
            heads = {id: row.last_seq for id, row in locked.items()}
            now = self._now()
            rows: list[Row] = []
            entries: list[Entry] = []
            for send, origin in batch:
                users = members.get(send.conversation_id, ())
                if send.sender_id not in users:
                    REFUSED.labels("NOT_A_MEMBER").inc()
                    entries.append(Entry(send, origin, not_a_member()))
                    continue
                key, content_hash = _key(send), _content_hash(send)
                if before := sent.get(key):
                    entries.append(Entry(send, origin, _again(before, content_hash)))
                    continue
                heads[send.conversation_id] += 1
                message = Message(
                    send.conversation_id,
                    heads[send.conversation_id],
                    send.sender_id,
                    send.client_message_id,
                    send.kind,
                    send.body,
                    now,
                )
                sent[key] = Sent(message, content_hash)
                rows.append(Row(message, content_hash))
                entries.append(Entry(send, origin, message, users))
            if rows:
                changed = {row.message.conversation_id for row in rows}
                await store.append(rows, {id: heads[id] for id in changed}, now)
            self._crash("before_commit")
        self._crash("after_commit")
        return entries, len(rows)

    async def _member_ids(
        self, store: Log, locked: Mapping[str, Locked]
    ) -> dict[str, tuple[str, ...]]:
        known: dict[str, tuple[str, ...]] = {}
        for id, row in locked.items():
            cached = self._members.get(id)
            if cached and cached[0] == row.member_version:
                known[id] = cached[1]
        if unknown := [id for id in locked if id not in known]:
            found = await store.member_ids(unknown)
            for id in unknown:
                known[id] = found.get(id, ())
                self._members[id] = (locked[id].member_version, known[id])
            while len(self._members) > CACHED_MEMBERS:
                self._members.popitem(last=False)
        return known

    def _span(self, batch: list[tuple[Send, Any]]) -> Any:
        """A span for the commit, linked to each traced send; nothing when none is traced."""
        links = [
            trace.Link(trace.get_current_span(context).get_span_context())
            for context in (
                propagate.extract({"traceparent": send.traceparent})
                for send, _ in batch
                if send.traceparent
            )
        ]
        if not links:
            return trace.use_span(trace.INVALID_SPAN)
        parent = propagate.extract(
            {"traceparent": next(send.traceparent for send, _ in batch if send.traceparent)}
        )
        return self._tracer.start_as_current_span(
            "chat.commit",
            context=parent,
            links=links,
            attributes={"hongyan.messages": len(batch)},
        )


def _key(send: Send) -> Key:
    return send.conversation_id, send.sender_id, send.client_message_id


def _content_hash(send: Send) -> bytes:
    return hashlib.blake2b(bytes([send.kind]) + send.body, digest_size=16).digest()


def _again(sent: Sent, content_hash: bytes) -> Message | AppError:
    if sent.content_hash == content_hash:
        RETRIES.inc()
        return sent.message
    REFUSED.labels("CLIENT_MESSAGE_ID_REUSED").inc()
    return AlreadyExists(
        "CLIENT_MESSAGE_ID_REUSED",
        "this client_message_id stands for another message",
        fields={"client_message_id": "must be new for new content"},
    )
