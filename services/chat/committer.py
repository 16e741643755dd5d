"""Group commit: the messages that are ready together become one transaction."""

import asyncio
import hashlib
import secrets
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import prometheus_client as metrics
import structlog
from opentelemetry import propagate, trace

from services.chat.changes import (
    Author,
    Changes,
    ChangeStore,
    Detail,
    GroupAct,
    Made,
    Moderate,
    SetTimer,
)
from services.chat.group_changes import Admit, Befriend
from services.chat.guard import refuse
from services.chat.model import SHOWN, TEXT, TEXTS, Guard, Message
from services.chat.rules import not_a_member
from services.common.database import Duplicate, LostRace
from services.common.errors import AlreadyExists, AppError, Exhausted, Unavailable

ATTEMPTS = 4
CACHED_MEMBERS = 100_000
# So long somebody waits who sends over a unary call.
APPEND_SECONDS = 10.0

STORED = metrics.Counter("hongyan_chat_messages_stored", "Messages committed.")
RETRIES = metrics.Counter(
    "hongyan_chat_messages_repeated", "Sends answered with a message stored before."
)
REFUSED = metrics.Counter("hongyan_chat_messages_refused", "Sends refused.", ["reason"])
BATCH = metrics.Histogram(
    "hongyan_chat_commit_messages",
    "Messages in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
SECONDS = metrics.Histogram(
    "hongyan_chat_commit_seconds",
    "How long one transaction took.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
WAITING = metrics.Gauge(
    "hongyan_chat_commit_queue_messages", "Messages that wait for a transaction."
)

log = structlog.get_logger()

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Send:
    """What a user wants to append.

    `body` is what the sender sent, by which a retry is known. For plain text it is what is
    stored; for everything else `detail` says what to do. `traceparent` is empty when nobody
    traces it.
    """

    conversation_id: str
    sender_id: str
    client_message_id: str
    body: bytes
    detail: Detail | None = None
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
    shown_seq: int
    disappear_seconds: int


@dataclass(frozen=True, slots=True)
class Audience:
    """The users of a conversation, and how those of them are told that have a registration."""

    users: tuple[str, ...]
    told_later: frozenset[str] = frozenset()
    told_at_once: frozenset[str] = frozenset()
    guard: Guard | None = None
    """What they may not do; None when everybody may do everything."""


NOBODY = Audience(())


@dataclass(frozen=True, slots=True)
class Heads:
    """Where a conversation's log and what a list shows of it end after a commit."""

    last_seq: int
    shown_seq: int
    moved: bool
    """Whether something was shown, so that it moves to the top of lists."""


@dataclass(frozen=True, slots=True)
class News:
    """Texts of one conversation that one commit stored, and whether who is told later, and who
    is told at once, has to do with them."""

    conversation_id: str
    from_seq: int
    to_seq: int
    later: bool = False
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A message with the hash of what its sender sent."""

    message: Message
    content_hash: bytes


class Log(ChangeStore, Protocol):
    """The storage that appending needs, inside one transaction."""

    async def lock(self, ids: Sequence[str]) -> dict[str, Locked]: ...
    async def audiences(self, ids: Sequence[str]) -> dict[str, Audience]: ...
    async def find_sent(self, keys: Collection[Key]) -> dict[Key, Sent]: ...
    async def append(self, rows: Sequence[Row], heads: Mapping[str, Heads], now: int) -> None: ...
    async def take_up(self, conversation_id: str, user_id: str) -> None: ...
    async def notify(self, news: Sequence[News], now: int) -> None: ...


Begin = Callable[[], AbstractAsyncContextManager[Log]]


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one send: the message, new or stored before, or why not.

    `members` are the users to tell of the message. They are told again when it was stored
    before: a retry means that nobody knows whether they were told the first time, such as when
    the database died between the commit and its answer.
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
        on_news: Callable[[], None] = lambda: None,
        *,
        changes: Changes,
        size: int,
        capacity: int,
        hot: int,
        crash: Callable[[str], None] = lambda point: None,
    ) -> None:
        self._begin = begin
        self._now = now
        self._on_commit = on_commit
        self._on_news = on_news
        self._changes = changes
        self._size = size
        self._capacity = capacity
        self._hot = hot
        self._crowd: Counter[str] = Counter()
        self._crash = crash
        self._waiting: deque[tuple[Send, Any]] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        # Members change with the version in the row that every commit locks and reads.
        self._audiences: OrderedDict[str, tuple[int, Audience]] = OrderedDict()
        self._tracer = trace.get_tracer("hongyan.chat")

    def submit(self, send: Send, origin: Any) -> None:
        """Queues a send; its outcome comes to `on_commit` with `origin`.

        Raises Exhausted when too many wait already, or too many of the same conversation: one
        that is hot does not slow the others.
        """
        if len(self._waiting) >= self._capacity:
            raise Exhausted("CHAT_BUSY", "too many messages wait to be stored", retry_seconds=1)
        if self._crowd[send.conversation_id] >= self._hot:
            raise Exhausted(
                "CONVERSATION_BUSY", "too many messages of it wait to be stored", retry_seconds=0.5
            )
        self._crowd[send.conversation_id] += 1
        self._waiting.append((send, origin))
        self._idle.clear()
        self._wake.set()

    async def append(self, send: Send) -> Message:
        """Commits one send and returns its message; raises what refused it."""
        outcome: asyncio.Future[Message | AppError] = asyncio.get_running_loop().create_future()
        self.submit(send, outcome)
        try:
            async with asyncio.timeout(APPEND_SECONDS):
                message = await outcome
        except TimeoutError:
            raise Unavailable("CHAT_BUSY", "not stored in time", retry_seconds=1) from None
        if isinstance(message, AppError):
            raise message
        return message

    async def idle(self) -> None:
        """Waits until every send that was submitted has its outcome."""
        await self._idle.wait()

    async def run(self) -> None:
        """Commits for ever."""
        while True:
            await self._wake.wait()
            while self._waiting:
                batch = self._take()
                for send, _ in batch:
                    self._crowd[send.conversation_id] -= 1
                if not self._waiting:
                    self._crowd.clear()
                WAITING.set(len(self._waiting))
                await self._process(batch)
            self._wake.clear()
            self._idle.set()

    def _take(self) -> list[tuple[Send, Any]]:
        """Takes the next batch. What changes a group is one of its own, since what comes behind
        it is for other members, or by them."""
        batch = [self._waiting.popleft()]
        if isinstance(batch[0][0].detail, GroupAct):
            return batch
        while self._waiting and len(batch) < self._size:
            if isinstance(self._waiting[0][0].detail, GroupAct):
                break
            batch.append(self._waiting.popleft())
        return batch

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
            group = _Group(locked, await self._find_audiences(store, locked), self._now())
            # An entry that changes others is looked for in any case: what it did once is not
            # to be judged again.
            keys = {_key(send) for send, _ in batch if look_first or send.detail}
            sent = await store.find_sent(keys) if keys else {}
            entries = [await self._enter(store, group, sent, send, at) for send, at in batch]
            if group.rows:
                await store.append(group.rows, group.heads(), group.now)
            if news := group.news():
                await store.notify(news, group.now)
            self._crash("before_commit")
        self._crash("after_commit")
        if any(it.at_once for it in news):
            self._on_news()
        return entries, len(group.rows)

    async def _enter(
        self, store: Log, group: "_Group", sent: dict[Key, Sent], send: Send, origin: Any
    ) -> Entry:
        """Finds one send its place in the group, or says why it has none."""
        audience = group.audiences.get(send.conversation_id, NOBODY)
        users, guard = audience.users, audience.guard
        if send.conversation_id not in group.last_seq or (
            send.sender_id not in users and not _enters(send)
        ):
            REFUSED.labels("NOT_A_MEMBER").inc()
            return Entry(send, origin, not_a_member())
        key, content_hash = _key(send), _content_hash(send)
        if before := sent.get(key):
            outcome = _again(before, content_hash)
            return Entry(send, origin, outcome, users if isinstance(outcome, Message) else ())
        if guard and (refusal := refuse(guard, send.sender_id, send.detail, group.now)):
            REFUSED.labels(refusal.reason).inc()
            return Entry(send, origin, refusal)
        seq = group.last_seq[send.conversation_id] + 1
        if send.detail is None:
            made = Made(TEXT, send.body)
        else:
            author = Author(
                send.conversation_id,
                send.sender_id,
                seq,
                users,
                group.now,
                guard,
                group.member_versions[send.conversation_id],
            )
            try:
                made = await self._changes.make(store, author, send.detail)
                users = made.told or users
            except AppError as error:  # of the rules: the database's own come at the end
                REFUSED.labels(error.reason).inc()
                return Entry(send, origin, error)
            if isinstance(send.detail, SetTimer):
                group.timers[send.conversation_id] = send.detail.seconds
        message = Message(
            send.conversation_id,
            seq,
            send.sender_id,
            send.client_message_id,
            made.kind,
            made.body,
            group.now,
            expires_at=made.expires_at or group.expires_at(send.conversation_id, made.kind),
        )
        if guard and send.sender_id in guard.asked:
            # Who writes has taken it out of the box of requests.
            await store.take_up(send.conversation_id, send.sender_id)
        sent[key] = Sent(message, content_hash)
        group.add(Row(message, content_hash))
        return Entry(send, origin, message, users)

    async def _find_audiences(
        self, store: Log, locked: Mapping[str, Locked]
    ) -> dict[str, Audience]:
        known: dict[str, Audience] = {}
        for id, row in locked.items():
            cached = self._audiences.get(id)
            if cached and cached[0] == row.member_version:
                known[id] = cached[1]
        if unknown := [id for id in locked if id not in known]:
            found = await store.audiences(unknown)
            for id in unknown:
                known[id] = found.get(id, NOBODY)
                self._audiences[id] = (locked[id].member_version, known[id])
            while len(self._audiences) > CACHED_MEMBERS:
                self._audiences.popitem(last=False)
        return known

    def last_known(self, conversation_id: str) -> Audience | None:
        """Returns who was in a conversation at its last commit here, if it is remembered."""
        cached = self._audiences.get(conversation_id)
        return cached[1] if cached else None

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


def greet_by(committer: Committer) -> Callable[[str, str], Awaitable[None]]:
    """Returns what puts a line into the conversation of two who have become friends."""

    async def greet(conversation_id: str, user_id: str) -> None:
        id = f"friends-{secrets.token_hex(12)}"
        try:
            await committer.append(Send(conversation_id, user_id, id, b"friends", Befriend()))
        except AppError as error:  # they are friends, with or without the line
            log.warning("friends.no_line", reason=error.reason)

    return greet


class _Group:
    """What one transaction is about to store."""

    def __init__(
        self, locked: Mapping[str, Locked], audiences: dict[str, Audience], now: int
    ) -> None:
        self.audiences = audiences
        self.now = now
        self.rows: list[Row] = []
        self._news: dict[str, News] = {}
        self.last_seq = {id: row.last_seq for id, row in locked.items()}
        self.member_versions = {id: row.member_version for id, row in locked.items()}
        self.timers = {id: row.disappear_seconds for id, row in locked.items()}
        self._shown_seq = {id: row.shown_seq for id, row in locked.items()}
        self._moved: dict[str, bool] = {}

    def expires_at(self, conversation_id: str, kind: int) -> int:
        """Returns when a new message disappears; 0: it stays."""
        seconds = self.timers[conversation_id]
        return self.now + seconds * 1_000_000 if seconds and kind in TEXTS else 0

    def add(self, row: Row) -> None:
        """Takes an entry at the end of its conversation's log."""
        message = row.message
        id = message.conversation_id
        self.rows.append(row)
        self.last_seq[id] = message.seq
        if message.kind in SHOWN:
            self._shown_seq[id] = message.seq
            self._moved[id] = True
        else:
            self._moved.setdefault(id, False)
        audience = self.audiences[id]
        if message.kind in TEXTS and (audience.told_later or audience.told_at_once):
            self._tell(message, audience)

    def _tell(self, message: Message, audience: Audience) -> None:
        """Takes a text of which others than its sender may be told."""
        sender = {message.sender_id}
        later = bool(audience.told_later) and audience.told_later != sender
        at_once = bool(audience.told_at_once) and audience.told_at_once != sender
        if later or at_once:
            id, seq = message.conversation_id, message.seq
            former = self._news.get(id) or News(id, seq, seq)
            self._news[id] = News(
                id, former.from_seq, seq, former.later or later, former.at_once or at_once
            )

    def heads(self) -> dict[str, Heads]:
        """Returns where the logs that got an entry end."""
        return {
            id: Heads(self.last_seq[id], self._shown_seq[id], moved)
            for id, moved in self._moved.items()
        }

    def news(self) -> list[News]:
        """Returns what those are to be told who have a registration."""
        return list(self._news.values())


def _enters(send: Send) -> bool:
    """Whether a send is of somebody who comes into the group with it, or of no member at all."""
    if isinstance(send.detail, Moderate):
        return True
    return isinstance(send.detail, Admit) and send.detail.by_invite


def _key(send: Send) -> Key:
    return send.conversation_id, send.sender_id, send.client_message_id


def _content_hash(send: Send) -> bytes:
    # What was hashed under version 1.0 must be found again: plain text has the kind before it.
    kind = TEXT if send.detail is None else 0
    return hashlib.blake2b(bytes([kind]) + send.body, digest_size=16).digest()


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
