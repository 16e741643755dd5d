"""The messages in the cache: windows without holes, and what entries do to earlier messages."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from hongyan.chat.v1 import message_pb2

from hongyan_client.cache_base import CacheBase
from hongyan_client.convert import from_message, to_message
from hongyan_client.model import (
    HIDDEN,
    HIDEABLE,
    SHOWN,
    Message,
    MessageKind,
    Reactions,
    from_micros,
    to_micros,
)

MESSAGES = """
SELECT conversation_id, seq, sender_id, client_message_id, text, created_at, more FROM message
"""
_SHOWN = ", ".join(f"'{kind}'" for kind in SHOWN)


@dataclass(frozen=True, slots=True)
class Window:
    """The run of messages that is whole; empty when head_seq is first_seq - 1."""

    first_seq: int
    head_seq: int


class LogTable(CacheBase):
    """The windows of all logs. Rows outside of a window may exist, are never shown, and are
    written over when they are fetched again.
    """

    def window(self, conversation_id: str) -> Window | None:
        """Returns the window, or None when nothing of the log is known."""
        row = self._one(
            "SELECT first_seq, head_seq FROM conversation WHERE conversation_id = ?"
            " AND first_seq IS NOT NULL",
            conversation_id,
        )
        return Window(*row) if row else None

    def heads(self) -> list[tuple[str, int]]:
        """Returns the head of each conversation that has a window, the latest active first.

        One of which only messages are known is left out: the server then describes it.
        """
        return self._database.execute(
            "SELECT conversation_id, head_seq FROM conversation"
            " WHERE head_seq IS NOT NULL AND kind <> '' ORDER BY active_at DESC"
        ).fetchall()

    def restart(self, conversation_id: str, messages: list[Message], first_seq: int = 1) -> None:
        """Begins the window anew with a run of messages, or empty before `first_seq`."""
        first = messages[0].seq if messages else first_seq
        with self.transaction():
            self._set_window(conversation_id, first, first - 1)
            self.append(conversation_id, messages)
            # What was acknowledged in the part that is skipped has its place there.
            self._database.execute(
                "DELETE FROM outbox WHERE conversation_id = ? AND seq > 0 AND seq < ?",
                (conversation_id, first),
            )

    def append(self, conversation_id: str, messages: list[Message]) -> None:
        """Adds a run that joins on at the head. Own messages leave the outbox by it."""
        if not messages:
            return
        with self.transaction():
            window = self.window(conversation_id)
            if window is None or messages[0].seq != window.head_seq + 1:
                raise ValueError(f"seq {messages[0].seq} does not join on to {window}")
            self._insert(messages)
            self._set_window(conversation_id, window.first_seq, messages[-1].seq)
            for message in reversed(messages):
                if message.kind in SHOWN:
                    self.put_preview(message)
                    break
            self._database.executemany(
                "DELETE FROM outbox WHERE conversation_id = ? AND client_message_id = ?",
                [
                    (conversation_id, it.client_message_id)
                    for it in messages
                    if it.sender_id == self.user_id
                ],
            )

    def prepend(self, conversation_id: str, messages: list[Message]) -> None:
        """Adds a page of older messages that ends just below the window."""
        with self.transaction():
            window = self.window(conversation_id)
            if window is None or not messages or messages[-1].seq != window.first_seq - 1:
                raise ValueError("the page does not join on below the window")
            self._insert(messages)
            self._set_window(conversation_id, messages[0].seq, window.head_seq)

    def _set_window(self, conversation_id: str, first_seq: int, head_seq: int) -> None:
        self._database.execute(
            "INSERT INTO conversation (conversation_id, kind, last_seq, counted_unread,"
            " counted_last_seq, counted_read_seq, active_at, first_seq, head_seq)"
            " VALUES (?, '', ?, 0, 0, 0, 0, ?, ?) ON CONFLICT (conversation_id) DO UPDATE"
            " SET first_seq = excluded.first_seq, head_seq = excluded.head_seq,"
            " last_seq = max(last_seq, excluded.last_seq)",
            (conversation_id, head_seq, first_seq, head_seq),
        )

    def _insert(self, messages: Iterable[Message]) -> None:
        rows = []
        previous = 0
        for message in messages:
            if previous and message.seq != previous + 1:
                raise ValueError(f"a hole between {previous} and {message.seq}")
            previous = message.seq
            rows.append(self._row(message))
        self._database.executemany(
            "INSERT OR REPLACE INTO message (conversation_id, seq, sender_id, client_message_id,"
            " text, created_at, kind, more, mentions_me, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def _row(self, message: Message) -> tuple[Any, ...]:
        return (
            message.conversation_id,
            message.seq,
            message.sender_id,
            message.client_message_id,
            message.text,
            to_micros(message.created_at),
            message.kind,
            pack(message),
            message.mentions(self.user_id),
            to_micros(message.expires_at) if message.expires_at else None,
        )

    def put_preview(self, message: Message) -> None:
        """Keeps the newest message for the list of conversations, even outside the window."""
        created_at = to_micros(message.created_at)
        self._database.execute(
            "UPDATE conversation SET preview_seq = ?, preview = ?, active_at = ?,"
            " last_seq = max(last_seq, ?) WHERE conversation_id = ?"
            " AND coalesce(preview_seq, 0) < ? AND cleared_seq < ?",
            (
                message.seq,
                from_message(message).SerializeToString(),
                created_at,
                message.seq,
                message.conversation_id,
                message.seq,
                message.seq,
            ),
        )

    # Reading

    def messages(self, conversation_id: str, before_seq: int, limit: int) -> list[Message]:
        """Returns up to `limit` shown messages of the window below a seq, oldest first."""
        window = self.window(conversation_id)
        if window is None:
            return []
        rows = self._database.execute(
            MESSAGES + " WHERE conversation_id = ? AND seq >= ? AND seq <= ? AND seq < ?"
            f" AND kind IN ({_SHOWN}) ORDER BY seq DESC",
            (conversation_id, window.first_seq, window.head_seq, before_seq),
        )
        found: list[Message] = []
        for row in rows:
            message = read_row(row)
            if message.removed != "hidden":
                found.append(message)
            if len(found) == limit:
                break
        return found[::-1]

    def messages_after(self, conversation_id: str, after_seq: int, limit: int) -> list[Message]:
        """Returns up to `limit` shown messages of the window beyond a seq, oldest first."""
        window = self.window(conversation_id)
        if window is None:
            return []
        rows = self._database.execute(
            MESSAGES + " WHERE conversation_id = ? AND seq > ? AND seq >= ? AND seq <= ?"
            f" AND kind IN ({_SHOWN}) ORDER BY seq",
            (conversation_id, after_seq, window.first_seq, window.head_seq),
        )
        found = (it for it in map(read_row, rows) if it.removed != HIDDEN)
        return list(islice(found, limit))

    def mentioning(self, conversation_id: str, after_seq: int) -> list[int]:
        """Returns the seqs of the window beyond a seq that mention the account, oldest first."""
        rows = self._database.execute(
            "SELECT seq FROM message JOIN conversation USING (conversation_id)"
            " WHERE conversation_id = ? AND seq > ? AND mentions_me AND seq >= first_seq"
            " AND seq <= head_seq ORDER BY seq",
            (conversation_id, after_seq),
        )
        return [seq for (seq,) in rows]

    def between(self, conversation_id: str, after_seq: int, to_seq: int) -> list[Message]:
        """Returns all entries of a part of the window, oldest first."""
        rows = self._database.execute(
            MESSAGES + " WHERE conversation_id = ? AND seq > ? AND seq <= ? ORDER BY seq",
            (conversation_id, after_seq, to_seq),
        )
        return [read_row(row) for row in rows]

    def message(self, conversation_id: str, seq: int) -> Message | None:
        """Returns one entry, if it is here."""
        row = self._one(MESSAGES + " WHERE conversation_id = ? AND seq = ?", conversation_id, seq)
        return read_row(row) if row else None

    def own_message(self, client_message_id: str) -> Message | None:
        """Finds a stored message of the account by the id that its device made."""
        row = self._one(
            MESSAGES + " WHERE client_message_id = ? AND sender_id = ?",
            client_message_id,
            self.user_id,
        )
        return read_row(row) if row else None

    def find(self, words: str, conversation_id: str, limit: int) -> list[Message]:
        """Returns messages here whose text has some words as they are, the newest first."""
        pattern = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        rows = self._database.execute(
            MESSAGES + " WHERE kind = 'text' AND text LIKE ? ESCAPE '\\'"
            " AND (? = '' OR conversation_id = ?) ORDER BY created_at DESC, seq DESC LIMIT ?",
            (f"%{pattern}%", conversation_id, conversation_id, limit),
        )
        return [read_row(row) for row in rows]

    # What entries do to earlier messages

    def apply_entry(self, entry: Message) -> Message | None:
        """Does what an entry does to an earlier message; returns that one if it changed."""
        if entry.change is None or not entry.change.seq:
            if entry.kind is MessageKind.TIMER and entry.change:
                self._database.execute(
                    "UPDATE conversation SET disappear_seconds = ? WHERE conversation_id = ?",
                    (entry.change.seconds, entry.conversation_id),
                )
            return None
        before = self.message(entry.conversation_id, entry.change.seq)
        gone = before is not None and before.removed not in ("", HIDDEN)
        if entry.kind is MessageKind.PIN:
            # What is gone was read as it is now, later than this entry.
            self._pin(entry.conversation_id, entry.change.seq, entry.change.removed or gone)
            return None
        if entry.kind is MessageKind.RECALL:
            self._pin(entry.conversation_id, entry.change.seq, removed=True)
        if before is None or before.kind is not MessageKind.TEXT:
            return None
        after = applied(before, entry)
        if after == before:
            return None
        self.replace(after)
        return after

    def replace(self, message: Message) -> None:
        """Puts a message that is here in place of itself, also in the list of conversations."""
        self._insert([message])
        if message.kind is MessageKind.REMOVED and message.removed != HIDDEN:
            self._pin(message.conversation_id, message.seq, removed=True)
        self._database.execute(
            "UPDATE conversation SET preview = ? WHERE conversation_id = ? AND preview_seq = ?",
            (from_message(message).SerializeToString(), message.conversation_id, message.seq),
        )

    def _pin(self, conversation_id: str, seq: int, removed: bool) -> None:
        row = self._one(
            "SELECT pinned_seqs FROM conversation WHERE conversation_id = ?", conversation_id
        )
        seqs = [it for it in read_seqs(row[0] if row else "") if it != seq]
        self._database.execute(
            "UPDATE conversation SET pinned_seqs = ? WHERE conversation_id = ?",
            (" ".join(map(str, seqs if removed else [seq, *seqs])), conversation_id),
        )

    def take_away(self, message: Message, reason: str) -> Message:
        """Leaves nothing of a message but its place."""
        gone = without_content(message, reason)
        self.replace(gone)
        return gone

    def hide_ahead(self, conversation_id: str, seq: int) -> None:
        """Notes that a message is hidden that is not here yet."""
        self._database.execute(
            "INSERT OR IGNORE INTO hidden_ahead VALUES (?, ?)", (conversation_id, seq)
        )

    def as_seen(self, conversation_id: str, messages: list[Message]) -> list[Message]:
        """Takes away what was hidden before it came."""
        rows = self._database.execute(
            "SELECT seq FROM hidden_ahead WHERE conversation_id = ?", (conversation_id,)
        )
        ahead = {seq for (seq,) in rows}
        if not ahead:
            return messages
        return [
            without_content(it, HIDDEN) if it.seq in ahead and it.kind in HIDEABLE else it
            for it in messages
        ]

    def expire(self, now_micros: int) -> list[Message]:
        """Takes away what is due; returns what is left of each."""
        with self.transaction():
            rows = self._database.execute(
                MESSAGES + " WHERE expires_at <= ?", (now_micros,)
            ).fetchall()
            return [self.take_away(read_row(row), "expired") for row in rows]

    def next_expiry(self) -> int | None:
        """Returns when something is due next, in microseconds; None: never."""
        (moment,) = self._one("SELECT min(expires_at) FROM message")
        return None if moment is None else int(moment)

    def cleared_seq(self, conversation_id: str) -> int:
        """Returns up to where the account has cleared a log."""
        row = self._one(
            "SELECT cleared_seq FROM conversation WHERE conversation_id = ?", conversation_id
        )
        return int(row[0]) if row else 0

    def clear(self, conversation_id: str, cleared_seq: int) -> bool:
        """Drops what lies at or below a seq; returns whether the window changed."""
        self._database.execute(
            "UPDATE conversation SET cleared_seq = max(cleared_seq, ?) WHERE conversation_id = ?",
            (cleared_seq, conversation_id),
        )
        self._database.execute(
            "UPDATE conversation SET preview = NULL, preview_seq = NULL"
            " WHERE conversation_id = ? AND preview_seq <= ?",
            (conversation_id, cleared_seq),
        )
        window = self.window(conversation_id)
        if window is None or window.first_seq > cleared_seq:
            return False
        self._database.execute(
            "DELETE FROM message WHERE conversation_id = ? AND seq <= ?",
            (conversation_id, cleared_seq),
        )
        head = max(window.head_seq, cleared_seq)
        self._set_window(conversation_id, cleared_seq + 1, head)
        return True


def applied(message: Message, entry: Message) -> Message:
    """Returns a text as it is after an entry that names it."""
    change = entry.change
    assert change is not None
    if entry.kind is MessageKind.RECALL:
        return Message(
            message.conversation_id,
            message.seq,
            message.sender_id,
            message.client_message_id,
            "",
            message.created_at,
            kind=MessageKind.REMOVED,
            removed="moderated" if change.moderated else "recalled",
        )
    if entry.kind is MessageKind.EDIT and change.text:
        return replace(
            message,
            text=change.text,
            mentioned=change.mentioned,
            mentions_everybody=change.everybody,
            edited_at=entry.created_at,
        )
    if entry.kind is MessageKind.REACTION:
        reactions = _reacted(message, entry.sender_id, change.emoji, change.removed)
        return replace(message, reactions=reactions)
    return message


def _reacted(message: Message, user_id: str, emoji: str, removed: bool) -> tuple[Reactions, ...]:
    given = {it.emoji: [user for user in it.user_ids] for it in message.reactions}
    users = given.setdefault(emoji, [])
    if removed and user_id in users:
        users.remove(user_id)
    elif not removed and user_id not in users:
        users.append(user_id)
    return tuple(Reactions(emoji, tuple(users)) for emoji, users in given.items() if users)


def pack(message: Message) -> bytes | None:
    """Returns what a row needs besides its columns; None for a plain text."""
    plain = Message(
        message.conversation_id,
        message.seq,
        message.sender_id,
        message.client_message_id,
        message.text,
        message.created_at,
    )
    bare = replace(message, state=plain.state, failure="")
    return None if bare == plain else from_message(message).SerializeToString()


def read_row(row: Any) -> Message:
    """Reads a row of MESSAGES."""
    if row[6] is not None:
        return to_message(message_pb2.Message.FromString(row[6]))
    return Message(row[0], row[1], row[2], row[3], row[4], from_micros(row[5]))


def read_seqs(text: str) -> list[int]:
    """Reads seqs with spaces between them."""
    return [int(it) for it in text.split()]


def without_content(message: Message, reason: str) -> Message:
    """Returns what is left of a message: its place."""
    return replace(
        message,
        kind=MessageKind.REMOVED,
        removed=reason,
        text="",
        quote=None,
        mentioned=(),
        mentions_everybody=False,
        forwarded_from="",
        edited_at=None,
        reactions=(),
        expires_at=None,
        change=None,
    )
