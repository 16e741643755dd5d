"""What chat may and must do with conversations: open, list, read back, and say what is missing."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from services.chat import bodies
from services.chat.model import (
    BLOCKED,
    EDIT,
    GROUP,
    REMOVED,
    TEXTS,
    Change,
    Conversation,
    Group,
    Head,
    Member,
    Message,
    Place,
    Post,
    Seat,
    Settings,
)
from services.common.database import Duplicate, LostRace
from services.common.errors import AppError, Denied, Invalid, NotFound, Unavailable

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
# Clocks of pods differ, and a commit takes its time: what moved so long before counts as moved.
MOVED_SLACK_MICROS = 60_000_000
CHANGES_IN_PART = 200
HIDEABLE = (*TEXTS, REMOVED)
ATTEMPTS = 4
# Where a log ends for who has not left.
END = 2**62


@dataclass(frozen=True, slots=True)
class Known:
    """What a device has.

    `heads` maps a conversation to the seq up to which the device has all.
    """

    heads: Mapping[str, int]
    user_version: int = 0
    synced_at: int = 0


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
class Part:
    """A part of a difference; see Difference of the contract."""

    conversations: tuple[Missing, ...] = ()
    changes: tuple[Change, ...] = ()
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Caught:
    """What a device says in its next sync, when it has taken a difference."""

    user_version: int
    synced_at: int


class Conversations(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def seat(self, conversation_id: str, user_id: str) -> Seat | None: ...
    async def find_direct(self, pair: str) -> str | None: ...
    async def lock_version(self, user_id: str) -> int: ...
    async def blocks(self, user_id: str, other_id: str) -> bool: ...
    async def bar(self, conversation_id: str, user_id: str, barred: int) -> None: ...
    async def add_direct(
        self, conversation_id: str, pair: str, users: Collection[str], asked: Collection[str]
    ) -> None: ...
    async def head(self, user_id: str, conversation_id: str) -> Head | None: ...
    async def heads(self, user_id: str, after: Place | None, limit: int) -> list[Head]: ...
    async def moved_since(self, user_id: str, moment: int) -> set[str]: ...
    async def members(self, user_id: str, ids: Sequence[str]) -> dict[str, tuple[Member, ...]]: ...
    async def witnesses(self, conversation_id: str, seq: int) -> list[Member]: ...
    async def requests(self, user_id: str, ids: Sequence[str]) -> set[str]: ...
    async def groups(self, ids: Sequence[str]) -> dict[str, Group]: ...
    async def own_posts(self, user_id: str, ids: Sequence[str]) -> dict[str, Post]: ...
    async def settings(
        self, user_id: str, ids: Sequence[str]
    ) -> dict[str, tuple[Settings, int]]: ...
    async def unread(self, user_id: str, ids: Sequence[str], now: int) -> dict[str, int]: ...
    async def mentions(self, user_id: str, ids: Sequence[str], now: int) -> dict[str, int]: ...
    async def pins(
        self, ids: Sequence[str], ends: Mapping[str, int]
    ) -> dict[str, tuple[int, ...]]: ...
    async def newest(self, places: Sequence[tuple[str, int]]) -> dict[str, Message]: ...
    async def message(self, conversation_id: str, seq: int) -> Message | None: ...
    async def after(self, conversation_id: str, seq: int, limit: int) -> list[Message]: ...
    async def before(self, conversation_id: str, seq: int, limit: int) -> list[Message]: ...
    async def reactions(
        self, conversation_id: str, seqs: Sequence[int], end: int
    ) -> dict[int, tuple[tuple[str, str], ...]]: ...
    async def hidden(self, user_id: str, conversation_id: str, seqs: Sequence[int]) -> set[int]: ...
    async def version(self, user_id: str) -> int: ...
    async def changes_after(self, user_id: str, version: int) -> list[Change]: ...


Begin = Callable[[], AbstractAsyncContextManager[Conversations]]
Meet = Callable[[str, str], Awaitable[bool]]
"""(user_id, other_id) → whether it lands in the other's box of requests; raises AppError."""


Hiding = Callable[[Collection[str]], Awaitable[set[str]]]
"""Returns which of some users show to nobody what they have read."""


async def nobody_hides(_: Collection[str]) -> set[str]:
    """Says that everybody shows what they have read."""
    return set()


def not_a_member() -> AppError:
    """The one answer for a conversation that is not there and one that is others'."""
    return Denied("NOT_A_MEMBER", "no such conversation, or the caller is not in it")


class Chat:
    """The rules of conversations. `read` opens a transaction that only reads."""

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        meet: Meet,
        new_id: Callable[[], str],
        now: Callable[[], int],
        *,
        hiding: Hiding = nobody_hides,
    ) -> None:
        self._begin = begin
        self._read = read
        self._meet = meet
        self._hiding = hiding
        self._new_id = new_id
        self._now = now

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
            asked = (other_id,) if await self._meet(user_id, other_id) else ()
            conversation_id = await self._add_direct(pair, (user_id, other_id), asked)
        return await self.conversation(user_id, conversation_id)

    async def direct_id(self, user_id: str, other_id: str) -> str:
        """Returns the direct conversation of two users, made if need be past the other's box.

        For what the installation says; who has blocked the sender is not reached by it.
        """
        pair = ":".join(sorted((user_id, other_id)))
        async with self._read() as store:
            found = await store.find_direct(pair)
        return found or await self._add_direct(pair, (user_id, other_id), ())

    async def _add_direct(self, pair: str, users: Collection[str], asked: Collection[str]) -> str:
        for _ in range(ATTEMPTS):
            conversation_id = self._new_id()
            try:
                async with self._begin() as store:
                    # Who blocks locks both too: before this, and is seen, or after it.
                    for user_id in sorted(users):
                        await store.lock_version(user_id)
                    await store.add_direct(conversation_id, pair, users, asked)
                    for one, other in itertools.permutations(users):
                        if await store.blocks(one, other):
                            await store.bar(conversation_id, other, BLOCKED)
            except Duplicate:  # the other one was quicker: both get the same conversation
                async with self._read() as store:
                    found = await store.find_direct(pair)
                if found:
                    return found
                continue  # it was a user's first version, twice at once
            except LostRace:
                continue
            return conversation_id
        raise Unavailable("DATABASE_BUSY", "the conversation is too busy", retry_seconds=0.5)

    async def conversation(self, user_id: str, conversation_id: str) -> Conversation:
        """Returns one conversation as a member sees it."""
        async with self._read() as store:
            head = await store.head(user_id, conversation_id)
            if head is None:
                raise not_a_member()
            return (await self._as_seen_by(store, user_id, [head], with_last=True))[0]

    async def readers(
        self, user_id: str, conversation_id: str, seq: int
    ) -> tuple[list[str], list[str], list[str]]:
        """Returns who has read a message, who has received it, and who neither."""
        async with self._read() as store:
            seat = await store.seat(conversation_id, user_id)
            if seat is None or seat.left:  # what others have read since is not for who has left
                raise not_a_member()
            message = await store.message(conversation_id, seq)
            if message is None or not seat.cleared_seq < seq <= seat.last_seq:
                raise NotFound("MESSAGE_NOT_FOUND", "there is no such message")
            members = await store.witnesses(conversation_id, seq)
        others = [it for it in members if it.user_id != message.sender_id]
        others = await self._shown_to(user_id, others)
        read = [it.user_id for it in others if it.read_seq >= seq]
        received = [it.user_id for it in others if it.read_seq < seq <= it.received_seq]
        waiting = [it.user_id for it in others if it.received_seq < seq and it.read_seq < seq]
        return read, received, waiting

    async def _shown_to(self, user_id: str, members: Sequence[Member]) -> list[Member]:
        """Returns members without what they have read, where they or the user hide that."""
        hidden = await self._hiding([user_id, *(it.user_id for it in members)])
        if not hidden:
            return list(members)
        return [
            replace(it, read_seq=0, received_seq=max(it.received_seq, it.read_seq))
            if it.user_id != user_id and (it.user_id in hidden or user_id in hidden)
            else it
            for it in members
        ]

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
    ) -> tuple[list[Message], Seat]:
        """Returns a page of the log, oldest first, and what the member may read of it."""
        if after_seq is not None and before_seq is not None:
            raise Invalid(
                "INVALID_FIELD",
                "after_seq and before_seq exclude each other",
                fields={"before_seq": "must be absent when after_seq is set"},
            )
        async with self._read() as store:
            seat = await store.seat(conversation_id, user_id)
            if seat is None:
                raise not_a_member()
            if after_seq is not None:
                start = max(after_seq, seat.cleared_seq)
                page = await store.after(conversation_id, start, limit)
            else:
                before = END if before_seq is None else before_seq
                before = min(before, seat.last_seq + 1) if seat.left else before
                page = await store.before(conversation_id, before, limit)
            if seat.left:
                page = [it for it in page if it.seq <= seat.last_seq]
            end = seat.last_seq if seat.left else END
            page = await self._present(store, user_id, page, seat.cleared_seq, seat.hides, end=end)
        # A message that was stored between the two looks counts too.
        return page, replace(seat, last_seq=max(seat.last_seq, page[-1].seq if page else 0))

    async def _present(
        self,
        store: Conversations,
        user_id: str,
        page: Sequence[Message],
        cleared_seq: int,
        hides: int,
        *,
        end: int,
    ) -> list[Message]:
        """Returns the entries of one log as a member sees them now; who has left, up to `end`."""
        if page and page[0].seq <= cleared_seq:
            page = [it for it in page if it.seq > cleared_seq]
        if not page:
            return []
        reacted = [it.seq for it in page if it.reacted]
        expiring = any(it.expires_at for it in page)
        edited: dict[int, int] = {}
        if hides or cleared_seq:
            edited = {it.seq: bodies.edited_seq(it.body) for it in page if it.kind == EDIT}
        if not (reacted or expiring or hides or edited or end < END):
            return list(page)
        conversation_id = page[0].conversation_id
        reactions = await store.reactions(conversation_id, reacted, end) if reacted else {}
        hidden: set[int] = set()
        if hides:
            seqs = [*(it.seq for it in page), *edited.values()]
            hidden = await store.hidden(user_id, conversation_id, seqs)
        now = self._now()

        def as_seen(it: Message) -> Message:
            target = edited.get(it.seq, 0)
            if target and (target <= cleared_seq or target in hidden):
                # What the user has taken away does not come back by its edits.
                return it._replace(body=bodies.edit(target, ""))
            # What did something to another message stays, or that one could not be right.
            if it.seq in hidden and it.kind in HIDEABLE:
                return _gone(it, bodies.HIDDEN)
            # The words of before are gone, and those of now are not for who has left.
            if it.edited_seq > end:
                return _gone(it, bodies.HIDDEN)
            if 0 < it.expires_at <= now:
                return _gone(it, bodies.EXPIRED)
            return it._replace(reactions=reactions.get(it.seq, ()))

        return [as_seen(it) for it in page]

    async def difference(self, user_id: str, known: Known) -> AsyncIterator[Part | Caught]:
        """Says what a device lacks, in parts, the newest conversations first; Caught ends it.

        The newest conversations always come, so that their cursors are right; others if they
        have news, or cursors that moved.
        """
        started = self._now()
        async with self._read() as store:
            version = await store.version(user_id)
            changes = await self._changes(store, user_id, known, version)
            if changes is None:
                yield Part(reset=True)
                return
            heads = await store.heads(user_id, None, 1_000_000)
            moved = await store.moved_since(user_id, max(0, known.synced_at - MOVED_SLACK_MICROS))
        for start in range(0, len(changes), CHANGES_IN_PART):
            yield Part(changes=tuple(changes[start : start + CHANGES_IN_PART]))
        news = [
            head
            for place, head in enumerate(heads)
            if place < DIFFERENCE_CONVERSATIONS
            or head.last_seq > known.heads.get(head.conversation_id, -1)
            or head.conversation_id in moved
        ]
        room = DIFFERENCE_TOTAL_BYTES
        for start in range(0, len(news), DIFFERENCE_CONVERSATIONS):
            part = news[start : start + DIFFERENCE_CONVERSATIONS]
            # A transaction for each part: a slow device holds no connection.
            async with self._read() as store:
                conversations = await self._as_seen_by(store, user_id, part, with_last=False)
                missing = []
                for conversation in conversations:
                    at = known.heads.get(conversation.head.conversation_id)
                    missing.append(await self._missing(store, user_id, conversation, at, room))
                    room -= missing[-1].size
            for group in _by_size(missing):
                yield Part(tuple(group))
        yield Caught(version, started)

    async def _changes(
        self, store: Conversations, user_id: str, known: Known, version: int
    ) -> list[Change] | None:
        """Returns the user's changes that a device lacks; None when they are not all kept.

        A device that has nothing lacks none: all that they did comes with the conversations.
        """
        if known.user_version == version or (not known.heads and not known.user_version):
            return []
        changes = await store.changes_after(user_id, known.user_version)
        # A version that was never given is of a database that has been restored since.
        if not changes or changes[0].version != known.user_version + 1:
            return None
        return changes

    async def _missing(
        self,
        store: Conversations,
        user_id: str,
        conversation: Conversation,
        known: int | None,
        room: int,
    ) -> Missing:
        head, cleared = conversation.head, conversation.settings.cleared_seq
        if known is not None and head.last_seq <= known:
            return Missing(conversation, (), joined=True)
        joins = known is not None and head.last_seq - known <= JOIN_AT_MOST and known >= cleared
        if room <= 0:
            return Missing(conversation, (), joined=joins or head.last_seq == 0)
        id = head.conversation_id
        end = head.last_seq if conversation.left else END
        if known is not None and joins:
            page = await store.after(id, known, DIFFERENCE_MESSAGES)
            if conversation.left:
                page = [it for it in page if it.seq <= head.last_seq]
            page = await self._present(store, user_id, page, cleared, conversation.hides, end=end)
            return Missing(conversation, _within(page, DIFFERENCE_BYTES), joined=True)
        page = await store.before(id, head.last_seq + 1, PAGE)
        page = await self._present(store, user_id, page, cleared, conversation.hides, end=end)
        # The newest count here: when they are too large together, the oldest are left out.
        newest = tuple(reversed(_within(page[::-1], DIFFERENCE_BYTES)))
        return Missing(conversation, newest, joined=not newest or newest[0].seq == cleared + 1)

    async def _as_seen_by(
        self, store: Conversations, user_id: str, heads: Sequence[Head], *, with_last: bool
    ) -> list[Conversation]:
        if not heads:
            return []
        ids = [head.conversation_id for head in heads]
        members = await store.members(user_id, ids)
        everybody = [it for them in members.values() for it in them]
        shown_members = dict(
            zip(
                ((id, it.user_id) for id, them in members.items() for it in them),
                await self._shown_to(user_id, everybody),
                strict=True,
            )
        )
        settings = await store.settings(user_id, ids)
        now = self._now()
        unread = await store.unread(user_id, ids, now)
        mentions = await store.mentions(user_id, ids, now)
        requests = await store.requests(user_id, ids)
        groups: dict[str, Group] = {}
        posts: dict[str, Post] = {}
        if in_groups := [head.conversation_id for head in heads if head.kind == GROUP]:
            groups = await store.groups(in_groups)
            posts = await store.own_posts(user_id, in_groups)
        ends = {
            head.conversation_id: head.last_seq
            for head in heads
            if head.kind == GROUP and head.conversation_id not in posts
        }
        pins = await store.pins(ids, ends)
        places = [(head.conversation_id, head.shown_seq) for head in heads if head.shown_seq]
        newest = await store.newest(places) if with_last and places else {}
        seen = []
        for head in heads:
            id = head.conversation_id
            own, hides = settings[id]
            last = newest.get(id)
            shown = await self._present(
                store,
                user_id,
                [last] if last else [],
                own.cleared_seq,
                hides,
                end=ends.get(id, END),
            )
            seen.append(
                Conversation(
                    head,
                    tuple(shown_members[id, it.user_id] for it in members[id]),
                    # Over when something was said since.
                    replace(own, removed=own.removed and head.shown_seq <= own.cleared_seq),
                    unread.get(id, 0),
                    mentions.get(id, 0),
                    tuple(seq for seq in pins.get(id, ()) if seq <= head.last_seq),
                    shown[0] if shown else None,
                    hides,
                    groups.get(id),
                    posts.get(id),
                    id in requests,
                )
            )
        return seen


def _gone(message: Message, body: bytes) -> Message:
    return message._replace(kind=REMOVED, body=body, edited_at=0, reactions=())


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
