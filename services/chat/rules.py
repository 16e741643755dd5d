"""What chat may and must do with conversations: open, list, read back, and say what is missing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from services.common.database import Duplicate
from services.common.errors import AppError, Denied, Invalid, NotFound

DIRECT = 1
# The kinds of messages.
TEXT = 1
RICH = 2
RECALL = 3
EDIT = 4
REACTION = 5
PIN = 6
TIMER = 7
REMOVED = 8
PAGE = 50
# A device that lacks more than this of a conversation starts again from its newest page.
JOIN_AT_MOST = 1_000
DIFFERENCE_MESSAGES = 100
DIFFERENCE_CONVERSATIONS = 20
DIFFERENCE_BYTES = 128 * 1024
# Beyond, a difference has conversations without messages, which the device lists when it needs
# them: gate holds for a slow device what it has not read yet.
DIFFERENCE_TOTAL_BYTES = 2 * 1024 * 1024
# What a message costs besides its body, about.
MESSAGE_BYTES = 128


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a log. `created_at` is in microseconds since 1970 UTC."""

    conversation_id: str
    seq: int
    sender_id: str
    client_message_id: str
    kind: int
    body: bytes
    created_at: int


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a conversation, and up to where the user has read."""

    user_id: str
    read_seq: int


@dataclass(frozen=True, slots=True)
class Head:
    """A conversation as a list shows it. `active_at` orders lists, newest first."""

    conversation_id: str
    kind: int
    last_seq: int
    active_at: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as one of its members sees it."""

    head: Head
    members: tuple[Member, ...]
    unread: int
    last_message: Message | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """What a device lacks of one conversation; see ConversationDifference of the contract."""

    conversation: Conversation
    messages: tuple[Message, ...]
    joined: bool

    @property
    def size(self) -> int:
        """About how many bytes the messages have on the wire."""
        return sum(len(message.body) + MESSAGE_BYTES for message in self.messages)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of conversations ended."""

    active_at: int
    conversation_id: str


class Conversations(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def last_seq(self, conversation_id: str, user_id: str) -> int | None: ...
    async def find_direct(self, pair: str) -> str | None: ...
    async def add_direct(self, conversation_id: str, pair: str, users: Collection[str]) -> None: ...
    async def head(self, conversation_id: str) -> Head | None: ...
    async def heads(self, user_id: str, after: Place | None, limit: int) -> list[Head]: ...
    async def members(self, ids: Sequence[str]) -> dict[str, tuple[Member, ...]]: ...
    async def unread(self, user_id: str, ids: Sequence[str]) -> dict[str, int]: ...
    async def newest(self, ids: Sequence[str]) -> dict[str, Message]: ...
    async def after(self, conversation_id: str, seq: int, limit: int) -> list[Message]: ...
    async def before(self, conversation_id: str, seq: int, limit: int) -> list[Message]: ...


Begin = Callable[[], AbstractAsyncContextManager[Conversations]]
FindUsers = Callable[[Collection[str]], Awaitable[Collection[str]]]


def not_a_member() -> AppError:
    """The one answer for a conversation that is not there and one that is others'."""
    return Denied("NOT_A_MEMBER", "no such conversation, or the caller is not in it")


class Chat:
    """The rules of conversations. `read` opens a transaction that only reads."""

    def __init__(
        self, begin: Begin, read: Begin, find_users: FindUsers, new_id: Callable[[], str]
    ) -> None:
        self._begin = begin
        self._read = read
        self._find_users = find_users
        self._new_id = new_id

    async def open_direct(self, user_id: str, other_id: str) -> Conversation:
        """Returns the one direct conversation of two users, made if need be."""
        if user_id == other_id:
            raise Invalid(
                "SELF_CONVERSATION",
                "a direct conversation needs another user",
                fields={"user_id": "must be another user's id"},
            )
        pair = ":".join(sorted((user_id, other_id)))
        async with self._read() as store:
            conversation_id = await store.find_direct(pair)
        if conversation_id is None:
            if other_id not in await self._find_users([other_id]):
                raise NotFound("USER_NOT_FOUND", "no such user")
            conversation_id = await self._add_direct(pair, (user_id, other_id))
        async with self._read() as store:
            head = await store.head(conversation_id)
            assert head is not None
            return (await self._as_seen_by(store, user_id, [head], with_last=True))[0]

    async def _add_direct(self, pair: str, users: Collection[str]) -> str:
        conversation_id = self._new_id()
        try:
            async with self._begin() as store:
                await store.add_direct(conversation_id, pair, users)
        except Duplicate:  # the other one was quicker: both get the same conversation
            async with self._read() as store:
                found = await store.find_direct(pair)
            assert found is not None
            return found
        return conversation_id

    async def conversations(
        self, user_id: str, after: Place | None, limit: int
    ) -> tuple[list[Conversation], Place | None]:
        """Returns a page of a user's conversations, and where to go on."""
        async with self._read() as store:
            heads = await store.heads(user_id, after, limit + 1)
            page = heads[:limit]
            conversations = await self._as_seen_by(store, user_id, page, with_last=True)
        more = len(heads) > limit
        return conversations, Place(page[-1].active_at, page[-1].conversation_id) if more else None

    async def history(
        self,
        user_id: str,
        conversation_id: str,
        after_seq: int | None,
        before_seq: int | None,
        limit: int,
    ) -> tuple[list[Message], int]:
        """Returns a page of the log, oldest first, and the log's newest seq."""
        if after_seq is not None and before_seq is not None:
            raise Invalid(
                "INVALID_FIELD",
                "after_seq and before_seq exclude each other",
                fields={"before_seq": "must be absent when after_seq is set"},
            )
        async with self._read() as store:
            last_seq = await store.last_seq(conversation_id, user_id)
            if last_seq is None:
                raise not_a_member()
            if after_seq is not None:
                page = await store.after(conversation_id, after_seq, limit)
            else:
                end = 2**62 if before_seq is None else before_seq
                page = await store.before(conversation_id, end, limit)
        # A message that was stored between the two looks counts too.
        return page, max(last_seq, page[-1].seq if page else 0)

    async def difference(
        self, user_id: str, known: Mapping[str, int]
    ) -> AsyncIterator[list[Missing]]:
        """Says what a device lacks, in parts, the newest conversations first.

        `known` maps a conversation to the seq up to which the device has all. The newest
        conversations always come, so that their cursors are right; others if they have news.
        """
        async with self._read() as store:
            heads = await store.heads(user_id, None, 1_000_000)
        news = [
            head
            for place, head in enumerate(heads)
            if place < DIFFERENCE_CONVERSATIONS
            or head.last_seq > known.get(head.conversation_id, -1)
        ]
        room = DIFFERENCE_TOTAL_BYTES
        for start in range(0, len(news), DIFFERENCE_CONVERSATIONS):
            part = news[start : start + DIFFERENCE_CONVERSATIONS]
            # A transaction for each part: a slow device holds no connection.
            async with self._read() as store:
                conversations = await self._as_seen_by(store, user_id, part, with_last=False)
                missing = []
                for conversation in conversations:
                    at = known.get(conversation.head.conversation_id)
                    missing.append(await self._missing(store, conversation, at, room))
                    room -= missing[-1].size
            for group in _by_size(missing):
                yield group

    async def _missing(
        self, store: Conversations, conversation: Conversation, known: int | None, room: int
    ) -> Missing:
        head = conversation.head
        if known is not None and head.last_seq <= known:
            return Missing(conversation, (), joined=True)
        joins = known is not None and head.last_seq - known <= JOIN_AT_MOST
        if room <= 0:
            return Missing(conversation, (), joined=joins or head.last_seq == 0)
        if known is not None and joins:
            page = await store.after(head.conversation_id, known, DIFFERENCE_MESSAGES)
            return Missing(conversation, _within(page, DIFFERENCE_BYTES), joined=True)
        page = await store.before(head.conversation_id, head.last_seq + 1, PAGE)
        # The newest count here: when they are too large together, the oldest are left out.
        newest = tuple(reversed(_within(page[::-1], DIFFERENCE_BYTES)))
        return Missing(conversation, newest, joined=not newest or newest[0].seq == 1)

    async def _as_seen_by(
        self, store: Conversations, user_id: str, heads: Sequence[Head], *, with_last: bool
    ) -> list[Conversation]:
        if not heads:
            return []
        ids = [head.conversation_id for head in heads]
        members = await store.members(ids)
        unread = await store.unread(user_id, ids)
        newest = await store.newest(ids) if with_last else {}
        return [
            Conversation(
                head,
                members[head.conversation_id],
                unread.get(head.conversation_id, 0),
                newest.get(head.conversation_id),
            )
            for head in heads
        ]


def _within(messages: Sequence[Message], size: int) -> tuple[Message, ...]:
    """Returns as many messages from the front as `size` bytes hold, at least one."""
    total = 0
    for count, message in enumerate(messages):
        total += len(message.body) + MESSAGE_BYTES
        if total > size and count:
            return tuple(messages[:count])
    return tuple(messages)


def _by_size(parts: Sequence[Missing]) -> list[list[Missing]]:
    """Splits a part into groups whose messages have some DIFFERENCE_BYTES together."""
    groups: list[list[Missing]] = [[]]
    total = 0
    for part in parts:
        if total + part.size > DIFFERENCE_BYTES and groups[-1]:
            groups.append([])
            total = 0
        groups[-1].append(part)
        total += part.size
    return groups if groups[0] else []
