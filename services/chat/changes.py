"""What entries do to earlier ones: quote, forward, recall, edit, react, pin, and the timer.

Each is an entry of the log with a seq of its own, and what it does to the message that it
names is done in the same transaction, so that who reads that message anew needs no other.
"""

import unicodedata
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.chat import bodies
from services.chat.model import (
    EDIT,
    PIN,
    REACTION,
    RECALL,
    REMOVED,
    RICH,
    TEXTS,
    TIMER,
    Guard,
    Message,
)
from services.chat.permissions import Act, may
from services.common.errors import AppError, Denied, Exhausted, Invalid, NotFound, Precondition

EMOJIS = 20
PINS = 50
MICROS = 1_000_000
# Classes of signs that turn the text after a reaction around.
TURNS_AROUND = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
EVERYBODY = "*"
"""Stands in the table of mentions for all members."""


@dataclass(frozen=True, slots=True)
class Rich:
    """A text with a quote or mentions."""

    text: str
    quote_seq: int
    mentioned: tuple[str, ...]
    everybody: bool
    card_user_id: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """A copy of a text of another conversation, or of the same one."""

    conversation_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Takes a message back."""

    seq: int


@dataclass(frozen=True, slots=True)
class Moderate:
    """Takes a message away in the name of the installation: by nobody who is in it."""

    seq: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Gives a message another text."""

    seq: int
    text: str
    mentioned: tuple[str, ...]
    everybody: bool


@dataclass(frozen=True, slots=True)
class React:
    """Reacts to a message, or takes that back."""

    seq: int
    emoji: str
    removed: bool


@dataclass(frozen=True, slots=True)
class Pin:
    """Pins a message, or takes it down."""

    seq: int
    removed: bool


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Sets after how many seconds messages disappear."""

    seconds: int


class GroupAct:
    """What changes a group; see group_changes."""

    __slots__ = ()


Detail = Rich | Forward | Recall | Moderate | Edit | React | Pin | SetTimer | GroupAct


@dataclass(frozen=True, slots=True)
class Made:
    """What an entry is in the log."""

    kind: int
    body: bytes
    expires_at: int = 0
    told: tuple[str, ...] = ()
    """Who is told of it, when these are others than the members before it."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who sends an entry, where it will stand, who is there and may do what, and when."""

    conversation_id: str
    user_id: str
    seq: int
    members: Collection[str]
    now: int
    guard: Guard | None = None
    member_version: int = 0


class ChangeStore(Protocol):
    """The storage that changes need, inside the transaction that appends the entry."""

    async def message(self, conversation_id: str, seq: int) -> Message | None: ...
    async def readable(self, user_id: str, conversation_id: str, seq: int) -> Message | None: ...
    async def replace(
        self, conversation_id: str, seq: int, kind: int, body: bytes, edited: tuple[int, int]
    ) -> None: ...
    async def add_mentions(
        self, conversation_id: str, seq: int, users: Collection[str]
    ) -> None: ...
    async def drop_mentions(self, conversation_id: str, seq: int) -> None: ...
    async def reactions(
        self, conversation_id: str, seqs: Sequence[int]
    ) -> dict[int, tuple[tuple[str, str], ...]]: ...
    async def react(
        self, conversation_id: str, seq: int, user_id: str, emoji: str, given_seq: int
    ) -> None: ...
    async def unreact(self, conversation_id: str, seq: int, user_id: str, emoji: str) -> None: ...
    async def drop_reactions(self, conversation_id: str, seq: int) -> None: ...
    async def pins(self, ids: Sequence[str]) -> dict[str, tuple[int, ...]]: ...
    async def pin(self, conversation_id: str, seq: int, given_seq: int) -> None: ...
    async def unpin(self, conversation_id: str, seq: int) -> None: ...
    async def unindex(self, conversation_id: str, seq: int) -> None: ...
    async def set_timer(self, conversation_id: str, seconds: int) -> None: ...


Perform = Callable[[Any, Author, Any], Awaitable[Made]]


class Changes:
    """Applies entries; `recall_seconds` and `edit_seconds` say how old a message may be.

    `act` does what changes a group.
    """

    def __init__(self, recall_seconds: int, edit_seconds: int, act: Perform) -> None:
        self._recall_seconds = recall_seconds
        self._edit_seconds = edit_seconds
        self._act = act

    async def make(self, store: ChangeStore, author: Author, detail: Detail) -> Made:
        """Does what an entry does to others, and returns the entry; raises AppError."""
        match detail:
            case Rich():
                return await self._rich(store, author, detail)
            case Forward():
                return await self._forward(store, author, detail)
            case Recall():
                return await self._recall(store, author, detail)
            case Moderate(seq):
                target = await self._text(store, author, seq)
                await self._remove(store, author.conversation_id, target, bodies.MODERATED)
                return Made(RECALL, bodies.recall(target.seq, moderated=True))
            case Edit():
                return await self._edit(store, author, detail)
            case React():
                return await self._react(store, author, detail)
            case Pin():
                return await self._pin(store, author, detail)
            case SetTimer(seconds):
                if 0 < seconds < 5:
                    raise _wrong("timer.seconds", "must be 0, or 5 and more")
                await store.set_timer(author.conversation_id, seconds)
                return Made(TIMER, bodies.timer(seconds))
            case GroupAct():
                return await self._act(store, author, detail)

    async def _rich(self, store: ChangeStore, author: Author, rich: Rich) -> Made:
        quote = None
        if rich.quote_seq:
            quoted = await self._seen(store, author, rich.quote_seq)
            quote = (quoted.seq, quoted.sender_id)
        mentioned = await self._mention(store, author, author.seq, rich.mentioned, rich.everybody)
        body = bodies.rich(
            rich.text,
            quote=quote,
            mentioned=mentioned,
            everybody=rich.everybody,
            card_user_id=rich.card_user_id,
        )
        return Made(RICH, body)

    async def _forward(self, store: ChangeStore, author: Author, forward: Forward) -> Made:
        source = await store.readable(author.user_id, forward.conversation_id, forward.seq)
        if source is None or source.kind not in TEXTS or source.expires_at:
            raise _no_message()
        text = bodies.text_of(source.kind, source.body)
        first = bodies.author_of(source.kind, source.body, source.sender_id)
        card = bodies.card_of(source.kind, source.body)
        return Made(RICH, bodies.rich(text, forwarded_from=first, card_user_id=card))

    async def _recall(self, store: ChangeStore, author: Author, recall: Recall) -> Made:
        target = await self._recallable(store, author, recall.seq)
        await self._remove(store, author.conversation_id, target, bodies.RECALLED)
        return Made(RECALL, bodies.recall(target.seq))

    async def _remove(self, store: ChangeStore, id: str, target: Message, body: bytes) -> None:
        """Takes the text out of a message, and away all that hangs on it."""
        await store.replace(id, target.seq, REMOVED, body, (0, 0))
        await self._overtake(store, id, target)
        await store.drop_mentions(id, target.seq)
        await store.drop_reactions(id, target.seq)
        await store.unpin(id, target.seq)
        await store.unindex(id, target.seq)

    async def _edit(self, store: ChangeStore, author: Author, edit: Edit) -> Made:
        if not edit.text:
            raise _wrong("edit.text", "must not be empty; recall takes a message back")
        target = await self._own(store, author, edit.seq, self._edit_seconds)
        if bodies.author_of(target.kind, target.body, author.user_id) != author.user_id:
            raise Denied("NOT_THE_AUTHOR", "what another one wrote can be forwarded, not edited")
        id = author.conversation_id
        await store.drop_mentions(id, target.seq)
        mentioned = await self._mention(store, author, target.seq, edit.mentioned, edit.everybody)
        kind, body = bodies.with_text(
            target.kind, target.body, edit.text, mentioned, edit.everybody
        )
        await store.replace(id, target.seq, kind, body, (author.seq, author.now))
        await self._overtake(store, id, target)
        # The new text goes when the message goes.
        return Made(
            EDIT, bodies.edit(target.seq, edit.text, mentioned, edit.everybody), target.expires_at
        )

    async def _overtake(self, store: ChangeStore, conversation_id: str, target: Message) -> None:
        """Takes the text out of the edit before."""
        if target.edited_seq:
            await store.replace(
                conversation_id, target.edited_seq, EDIT, bodies.edit(target.seq, ""), (0, 0)
            )

    async def _react(self, store: ChangeStore, author: Author, react: React) -> Made:
        if not is_emoji(react.emoji):
            raise _wrong("reaction.emoji", "must be something to see, in one line")
        target = await self._seen(store, author, react.seq)
        id = author.conversation_id
        if react.removed:
            await store.unreact(id, target.seq, author.user_id, react.emoji)
        else:
            given = (await store.reactions(id, [target.seq])).get(target.seq, ())
            if (react.emoji, author.user_id) not in given:
                emojis = {emoji for emoji, _ in given}
                if react.emoji not in emojis and len(emojis) >= EMOJIS:
                    raise Exhausted(
                        "TOO_MANY_REACTIONS", f"a message has at most {EMOJIS} different reactions"
                    )
                await store.react(id, target.seq, author.user_id, react.emoji, author.seq)
        return Made(REACTION, bodies.reaction(target.seq, react.emoji, react.removed))

    async def _pin(self, store: ChangeStore, author: Author, pin: Pin) -> Made:
        target = await self._seen(store, author, pin.seq)
        id = author.conversation_id
        await store.unpin(id, target.seq)
        if not pin.removed:
            if len((await store.pins([id])).get(id, ())) >= PINS:
                raise Exhausted("TOO_MANY_PINS", f"a chat has at most {PINS} pinned messages")
            await store.pin(id, target.seq, author.seq)
        return Made(PIN, bodies.pin(target.seq, pin.removed))

    async def _mention(
        self,
        store: ChangeStore,
        author: Author,
        seq: int,
        wanted: tuple[str, ...],
        everybody: bool,
    ) -> tuple[str, ...]:
        """Notes whom a message mentions; who is no member is passed over."""
        mentioned = tuple(dict.fromkeys(user for user in wanted if user in author.members))
        users = {user for user in mentioned if user != author.user_id}
        if everybody:
            users.add(EVERYBODY)
        if users:
            await store.add_mentions(author.conversation_id, seq, users)
        return mentioned

    async def _seen(self, store: ChangeStore, author: Author, seq: int) -> Message:
        """Returns a text that the author can read: nobody speaks of what was before they came."""
        return self._is_text(
            await store.readable(author.user_id, author.conversation_id, seq), author
        )

    async def _text(self, store: ChangeStore, author: Author, seq: int) -> Message:
        return self._is_text(await store.message(author.conversation_id, seq), author)

    @staticmethod
    def _is_text(found: Message | None, author: Author) -> Message:
        if found is None or found.kind not in (*TEXTS, REMOVED):
            raise _no_message()
        if found.kind == REMOVED or 0 < found.expires_at <= author.now:
            raise Precondition("MESSAGE_REMOVED", "the message is gone")
        return found

    async def _recallable(self, store: ChangeStore, author: Author, seq: int) -> Message:
        guard = author.guard
        if guard and guard.rules:
            target = await self._text(store, author, seq)
            role, other = guard.roles[author.user_id], guard.roles.get(target.sender_id, 0)
            if target.sender_id != author.user_id and may(
                Act.RECALL_OTHERS, role, guard.rules, other
            ):
                return target
        return await self._own(store, author, seq, self._recall_seconds)

    async def _own(self, store: ChangeStore, author: Author, seq: int, seconds: int) -> Message:
        target = await self._text(store, author, seq)
        if target.sender_id != author.user_id:
            raise Denied("NOT_THE_SENDER", "only its sender may change a message")
        if author.now - target.created_at > seconds * MICROS:
            raise Precondition("TOO_LATE", f"a message may be changed for {seconds} s")
        return target


def is_emoji(text: str) -> bool:
    """Says whether a reaction can be shown: something to see, and nothing that steers a screen.

    What joins the parts of an emoji is of the category Cf.
    """
    categories = [unicodedata.category(sign) for sign in text]
    if any(it in ("Zl", "Zp", "Cc", "Cs", "Cn", "Co") for it in categories):
        return False
    if any(unicodedata.bidirectional(sign) in TURNS_AROUND for sign in text):
        return False
    return any(it[0] in "LNPS" for it in categories)


def _wrong(field: str, problem: str) -> AppError:
    return Invalid("INVALID_FIELD", f"{field} {problem}", fields={field: problem})


def _no_message() -> AppError:
    return NotFound("MESSAGE_NOT_FOUND", "there is no such message to refer to")
