"""The part of a chat's log that is shown: at most 500 messages, kept up to date entry by entry.

Its slots are what the list shows. A slot that has not changed stays the same object, and with it
the row that was measured for it: an arriving message costs one row, not five hundred.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app import clock
from hongyan_client.model import HIDDEN, SHOWN, Message, MessageKind

HELD = 500


@dataclass(slots=True, eq=False)
class Slot:
    """A place in the list; its row is measured when it comes into sight."""

    key: str
    kind: str
    message: Message | None
    first: bool = False
    height: float = 0.0
    """Of the row, or before there is one about that much; 0: nobody has guessed."""
    row: Any = field(default=None, repr=False)


def key_of(message: Message) -> str:
    """Returns by what a message is known, from the outbox to its place in the log."""
    return message.client_message_id or f"#{message.seq}"


class Thread:
    """Messages of one chat, those of the outbox behind them."""

    def __init__(self, user_id: str = "", unread_from: int = 0) -> None:
        self.user_id = user_id
        self.unread_from = unread_from
        self.messages: list[Message] = []
        self.slots: list[Slot] = []
        self.at_end = True
        """Whether the newest message is among them."""
        self.at_start = False
        """Whether there is nothing older."""
        self.built = 0
        """How many slots were made, for the tests of speed."""
        self._pending: dict[str, Message] = {}
        self._writer = _Writer(self)

    # What is in it

    @property
    def first_seq(self) -> int:
        """The oldest seq, 0 when there is none."""
        return self.messages[0].seq if self.messages else 0

    @property
    def last_seq(self) -> int:
        """The newest seq, 0 when there is none."""
        return self.messages[-1].seq if self.messages else 0

    def message(self, seq: int) -> Message | None:
        """Returns a message of the part that is shown."""
        low, high = 0, len(self.messages)
        while low < high:
            middle = (low + high) // 2
            if self.messages[middle].seq < seq:
                low = middle + 1
            else:
                high = middle
        found = self.messages[low] if low < len(self.messages) else None
        return found if found and found.seq == seq else None

    def slot_of(self, seq: int) -> Slot | None:
        """Returns the slot of a message."""
        return next((it for it in self.slots if it.message and _is(it, seq)), None)

    def own_last(self) -> Message | None:
        """Returns the newest own text that has its place."""
        return next(
            (
                it
                for it in reversed(self.messages)
                if it.sender_id == self.user_id and it.kind is MessageKind.TEXT
            ),
            None,
        )

    # How it changes; each returns whether the list is another one now

    def begin(
        self, messages: Sequence[Message], pending: Iterable[Message], *, at_end: bool
    ) -> None:
        """Shows another part of the log."""
        self.messages = list(messages)[-HELD:]
        self._pending = {it.client_message_id: it for it in pending}
        self.at_end, self.at_start = at_end, False
        self.rebuild()

    def add(self, message: Message) -> bool:
        """Takes a message that came at the end of the log."""
        was_pending = self._pending.pop(message.client_message_id, None) is not None
        if not self.at_end or message.seq <= self.last_seq:
            return was_pending and self.rebuild()
        self.messages.append(message)
        if was_pending or self._pending or len(self.messages) > HELD:
            del self.messages[:-HELD]
            return self.rebuild()
        self.slots = [*self.slots, *self._writer.write(message)]
        return True

    def queue(self, message: Message) -> bool:
        """Takes a message of the outbox, new or in another state."""
        if message.kind is not MessageKind.TEXT or self.message(message.seq):
            return False
        fresh = message.client_message_id not in self._pending
        self._pending[message.client_message_id] = message
        if not self.at_end:
            return False
        if fresh:
            self.slots = [*self.slots, *self._writer.write(message)]
            return True
        return self.rebuild()

    def drop(self, client_message_id: str) -> bool:
        """Forgets a message of the outbox."""
        return self._pending.pop(client_message_id, None) is not None and self.rebuild()

    def change(self, message: Message) -> bool:
        """Takes a message that looks different now."""
        for at, it in enumerate(self.messages):
            if it.seq == message.seq:
                if message.removed == HIDDEN or message.kind not in SHOWN:
                    del self.messages[at]
                else:
                    self.messages[at] = message
                return self.rebuild()
        return False

    def older(self, messages: Sequence[Message]) -> bool:
        """Adds what was said before; what is too much goes at the other end."""
        new = [it for it in messages if not self.messages or it.seq < self.first_seq]
        self.at_start = self.at_start or not new
        self.messages = [*new, *self.messages]
        if len(self.messages) > HELD:
            del self.messages[HELD:]
            self.at_end = False
        return bool(new) and self.rebuild()

    def newer(self, messages: Sequence[Message], *, at_end: bool) -> bool:
        """Adds what was said after; what is too much goes at the other end."""
        new = [it for it in messages if it.seq > self.last_seq]
        self.messages = [*self.messages, *new][-HELD:]
        if new:
            self.at_start = False
        changed = at_end != self.at_end
        self.at_end = at_end
        return (bool(new) or changed) and self.rebuild()

    def forget_rows(self) -> None:
        """Has every row measured anew when it comes into sight: names, words or sizes changed."""
        for slot in self.slots:
            slot.row = None

    def retick(self, after_seq: int, to_seq: int) -> list[Slot]:
        """Has own messages measured anew whose ticks changed; returns their slots."""
        found = []
        for slot in reversed(self.slots):
            message = slot.message
            if slot.kind == "time" or message is None or message.sender_id != self.user_id:
                continue
            if message.seq and message.seq <= after_seq:
                break
            if message.seq <= to_seq:
                slot.row = None
                found.append(slot)
        return found

    def rebuild(self) -> bool:
        """Puts the slots together, those of before where they are still right."""
        before = {it.key: it for it in self.slots}
        self._writer = _Writer(self, before)
        shown = list(self.messages)
        if self.at_end:
            stored = {it.client_message_id for it in shown[-len(self._pending) - 50 :]}
            shown += [it for it in self._pending.values() if it.client_message_id not in stored]
        self.slots = [slot for message in shown for slot in self._writer.write(message)]
        self._writer.before = {}
        return True


class _Writer:
    """Writes slots one after the other; knows what stands before."""

    def __init__(self, thread: Thread, before: dict[str, Slot] | None = None) -> None:
        self._thread = thread
        self.before = before or {}
        self._said_at: datetime | None = None
        self._sender = ""
        self._divided = not thread.unread_from

    def write(self, message: Message) -> Iterator[Slot]:
        """Returns the slots of a message: perhaps a time, where the new begin, and itself."""
        text = message.kind is MessageKind.TEXT
        apart = self._said_at is None or message.created_at - self._said_at > clock.APART
        if apart:
            yield self._slot(f"time {key_of(message)}", "time", message, False)
            self._sender = ""
        self._said_at = message.created_at
        thread = self._thread
        new = 0 < thread.unread_from <= message.seq and message.sender_id != thread.user_id
        if new and not self._divided:
            self._divided, self._sender = True, ""
            yield self._slot("divider", "divider", message, False)
        kind = "message" if text else "notice"
        yield self._slot(key_of(message), kind, message, text and self._sender != message.sender_id)
        self._sender = message.sender_id if text else ""

    def _slot(self, key: str, kind: str, message: Message, first: bool) -> Slot:
        known = self.before.get(key)
        alike = known is not None and (known.kind, known.first) == (kind, first)
        if known and alike and (kind in ("time", "divider") or known.message == message):
            return known
        self._thread.built += 1
        return Slot(key, kind, message, first, known.height if known else 0.0)


def _is(slot: Slot, seq: int) -> bool:
    return (
        slot.kind in ("message", "notice") and slot.message is not None and slot.message.seq == seq
    )
