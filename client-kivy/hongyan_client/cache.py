"""The SQLite cache of one account: what the screen shows, and the outbox; the only SQL here.

Per conversation there is a window, first_seq to head_seq, in which every message is present.
Rows outside of it may exist, are never shown, and are written over when they are fetched again.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hongyan_client.model import (
    Conversation,
    ConversationKind,
    Member,
    Message,
    MessageState,
    User,
    from_micros,
    to_micros,
)

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE conversation (
  conversation_id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,          -- empty while only messages are known
  last_seq INTEGER NOT NULL,
  first_seq INTEGER,           -- the window; both NULL when nothing is known of the log
  head_seq INTEGER,
  counted_unread INTEGER NOT NULL, -- what the server counted,
  counted_last_seq INTEGER NOT NULL, -- up to this message,
  counted_read_seq INTEGER NOT NULL, -- from this cursor on
  active_at INTEGER NOT NULL,
  preview_seq INTEGER, preview_sender_id TEXT, preview_client_message_id TEXT,
  preview_created_at INTEGER, preview_text TEXT
);
CREATE INDEX conversation_active ON conversation (active_at DESC);
CREATE TABLE member (
  conversation_id TEXT NOT NULL, user_id TEXT NOT NULL, read_seq INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, user_id)
) WITHOUT ROWID;
CREATE TABLE message (
  conversation_id TEXT NOT NULL, seq INTEGER NOT NULL, sender_id TEXT NOT NULL,
  client_message_id TEXT NOT NULL, created_at INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (conversation_id, seq)
);
CREATE INDEX message_client ON message (client_message_id);
CREATE TABLE user (
  user_id TEXT PRIMARY KEY, display_name TEXT NOT NULL, fetched_at INTEGER NOT NULL
);
CREATE TABLE unsent_read (conversation_id TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation_id TEXT NOT NULL, client_message_id TEXT NOT NULL UNIQUE, text TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  seq INTEGER NOT NULL DEFAULT 0,   -- set by the ack, until the window reaches it
  failure TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outbox_conversation ON outbox (conversation_id, position);
"""

_MESSAGES = """
SELECT conversation_id, seq, sender_id, client_message_id, text, created_at FROM message
"""
_CONVERSATIONS = """
SELECT conversation_id, kind, last_seq, counted_unread, counted_last_seq, counted_read_seq,
  first_seq, head_seq, preview_seq, preview_sender_id, preview_client_message_id, preview_text,
  preview_created_at FROM conversation
"""
_MEMBERS = "SELECT conversation_id, user_id, read_seq FROM member"
_OUTBOX = """
SELECT conversation_id, client_message_id, text, created_at, seq, failure FROM outbox
"""


@dataclass(frozen=True, slots=True)
class Window:
    """The run of messages that is whole; empty when head_seq is first_seq - 1."""

    first_seq: int
    head_seq: int


class Cache:
    """The database of one account. Its calls are short and stay on the event loop's thread,
    but `add_to_outbox`, which waits for the disk and is made for a thread.
    """

    def __init__(self, path: Path, user_id: str) -> None:
        self.user_id = user_id
        self._depth = 0
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Made before SQLite would make it, so that nobody else can read it even for a moment.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._database = self._connect(path, "NORMAL")
        self._migrate()
        # The outbox's own connection: its commits are on disk when they return.
        self._durable = self._connect(path, "FULL")
        self._durable_lock = threading.Lock()

    @staticmethod
    def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
        database = sqlite3.connect(
            path, isolation_level=None, timeout=10.0, check_same_thread=False
        )
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={synchronous}")
        return database

    def _migrate(self) -> None:
        with self.transaction():
            (version,) = self._one("PRAGMA user_version")
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            elif version > SCHEMA_VERSION:
                raise RuntimeError("the cache was made by a newer version of this program")

    def close(self) -> None:
        """Closes the files."""
        with self._durable_lock:
            self._durable.close()
        self._database.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Joins what is written inside the block into one commit; may be nested."""
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        self._database.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        else:
            self._database.execute("COMMIT")
        finally:
            self._depth = 0

    def _one(self, sql: str, *values: Any) -> Any:
        return self._database.execute(sql, values).fetchone()

    # Conversations and members

    def put_conversation(self, conversation: Conversation, now_micros: int) -> None:
        """Takes over what the server says of a conversation; cursors and last_seq only grow."""
        last = conversation.last_message
        active_at = to_micros(last.created_at) if last else now_micros
        with self.transaction():
            self._database.execute(
                "INSERT INTO conversation (conversation_id, kind, last_seq, counted_unread,"
                " counted_last_seq, counted_read_seq, active_at) VALUES (?, ?, ?, 0, 0, 0, ?)"
                " ON CONFLICT (conversation_id) DO UPDATE SET kind = excluded.kind,"
                " last_seq = max(last_seq, excluded.last_seq)",
                (conversation.conversation_id, conversation.kind, conversation.last_seq, active_at),
            )
            for member in conversation.members:
                self.move_read(conversation.conversation_id, member.user_id, member.read_seq)
            self._database.execute(
                "UPDATE conversation SET counted_unread = ?, counted_last_seq = ?,"
                " counted_read_seq = ? WHERE conversation_id = ? AND counted_last_seq <= ?",
                (
                    conversation.unread_count,
                    conversation.last_seq,
                    conversation.read_seq(self.user_id),
                    conversation.conversation_id,
                    conversation.last_seq,
                ),
            )
            if last:
                self._put_preview(last)

    def _put_preview(self, message: Message) -> None:
        """Keeps the newest message for the list of conversations, even outside the window."""
        self._database.execute(
            "UPDATE conversation SET preview_seq = ?, preview_sender_id = ?,"
            " preview_client_message_id = ?, preview_text = ?, preview_created_at = ?,"
            " active_at = ?, last_seq = max(last_seq, ?)"
            " WHERE conversation_id = ? AND coalesce(preview_seq, 0) < ?",
            (
                message.seq,
                message.sender_id,
                message.client_message_id,
                message.text,
                to_micros(message.created_at),
                to_micros(message.created_at),
                message.seq,
                message.conversation_id,
                message.seq,
            ),
        )

    def move_read(self, conversation_id: str, user_id: str, read_seq: int) -> bool:
        """Moves a cursor forward; returns whether it moved."""
        cursor = self._database.execute(
            "INSERT INTO member (conversation_id, user_id, read_seq) VALUES (?, ?, ?)"
            " ON CONFLICT (conversation_id, user_id) DO UPDATE SET read_seq = excluded.read_seq"
            " WHERE read_seq < excluded.read_seq",
            (conversation_id, user_id, read_seq),
        )
        return cursor.rowcount > 0

    def conversation(self, conversation_id: str) -> Conversation | None:
        """Returns one conversation, or None when it is not known."""
        found = self._conversations(" WHERE conversation_id = ?", conversation_id)
        return found[0] if found else None

    def is_described(self, conversation_id: str) -> bool:
        """Returns whether more than messages is known of a conversation."""
        return bool(
            self._one(
                "SELECT 1 FROM conversation WHERE conversation_id = ? AND kind <> ''",
                conversation_id,
            )
        )

    def conversations(self) -> list[Conversation]:
        """Returns all that are known, the latest active first."""
        return self._conversations("")

    def _conversations(self, where: str, *values: Any) -> list[Conversation]:
        members: dict[str, list[Member]] = {}
        for conversation_id, user_id, read_seq in self._database.execute(
            _MEMBERS + where + " ORDER BY user_id", values
        ):
            members.setdefault(conversation_id, []).append(Member(user_id, read_seq))
        rows = self._database.execute(
            _CONVERSATIONS + where + " ORDER BY active_at DESC, conversation_id", values
        ).fetchall()
        return [self._to_conversation(row, members.get(row[0], [])) for row in rows]

    def _to_conversation(self, row: Any, members: list[Member]) -> Conversation:
        last = _message((row[0], row[8], row[9], row[10], row[11], row[12])) if row[8] else None
        read_seq = next((it.read_seq for it in members if it.user_id == self.user_id), 0)
        return Conversation(
            conversation_id=row[0],
            kind=ConversationKind(row[1] or ConversationKind.UNKNOWN),
            members=tuple(members),
            last_seq=row[2],
            unread_count=self._unread(row, read_seq),
            last_message=last,
        )

    def _unread(self, row: Any, read_seq: int) -> int:
        """Counts others' messages behind the own cursor: from the log where it is here, else
        from the server's count and what came after it.
        """
        conversation_id = row[0]
        last_seq, counted, counted_last, counted_read = row[2:6]
        first_seq, head_seq = row[6], row[7]
        if read_seq >= last_seq:
            return 0
        whole = first_seq is not None and first_seq <= read_seq + 1 and head_seq >= last_seq
        start = read_seq if whole else max(read_seq, counted_last)
        (newer,) = self._one(
            "SELECT count(*) FROM message WHERE conversation_id = ? AND seq > ? AND seq <= ?"
            " AND sender_id <> ?",
            conversation_id,
            start,
            head_seq or 0,
            self.user_id,
        )
        if whole:
            return int(newer)
        base = 0 if read_seq >= counted_last else int(counted)
        if read_seq > counted_read:
            base = min(base, max(0, counted_last - read_seq))
        return base + int(newer)

    # Messages and their window

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
            self._put_preview(messages[-1])
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
            rows.append(
                (
                    message.conversation_id,
                    message.seq,
                    message.sender_id,
                    message.client_message_id,
                    message.text,
                    to_micros(message.created_at),
                )
            )
        self._database.executemany(
            "INSERT OR REPLACE INTO message (conversation_id, seq, sender_id, client_message_id,"
            " text, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )

    def messages(self, conversation_id: str, before_seq: int, limit: int) -> list[Message]:
        """Returns up to `limit` messages of the window below `before_seq`, oldest first."""
        window = self.window(conversation_id)
        if window is None:
            return []
        rows = self._database.execute(
            _MESSAGES + " WHERE conversation_id = ? AND seq >= ?"
            " AND seq <= ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            (conversation_id, window.first_seq, window.head_seq, before_seq, limit),
        ).fetchall()
        return [_message(row) for row in reversed(rows)]

    def own_message(self, client_message_id: str) -> Message | None:
        """Finds a stored message of the account by the id that its device made."""
        row = self._one(
            _MESSAGES + " WHERE client_message_id = ? AND sender_id = ?",
            client_message_id,
            self.user_id,
        )
        return _message(row) if row else None

    # Users and unsent read cursors

    def user(self, user_id: str) -> tuple[User, int] | None:
        """Returns a user and when the profile was fetched, in microseconds."""
        row = self._one("SELECT display_name, fetched_at FROM user WHERE user_id = ?", user_id)
        return (User(user_id, row[0]), row[1]) if row else None

    def put_user(self, user: User, now_micros: int) -> None:
        """Keeps a profile."""
        self._database.execute(
            "INSERT OR REPLACE INTO user (user_id, display_name, fetched_at) VALUES (?, ?, ?)",
            (user.user_id, user.display_name, now_micros),
        )

    def put_unsent_read(self, conversation_id: str, seq: int) -> None:
        """Remembers an own cursor until the server has surely seen it."""
        self._database.execute(
            "INSERT INTO unsent_read (conversation_id, seq) VALUES (?, ?)"
            " ON CONFLICT (conversation_id) DO UPDATE SET seq = max(seq, excluded.seq)",
            (conversation_id, seq),
        )

    def unsent_reads(self, limit: int = 500) -> list[tuple[str, int]]:
        """Returns own cursors that the server may not know."""
        return self._database.execute(
            "SELECT conversation_id, seq FROM unsent_read LIMIT ?", (limit,)
        ).fetchall()

    def drop_unsent_reads(self, reads: Iterable[tuple[str, int]]) -> None:
        """Forgets cursors that the server has seen, unless they moved since."""
        self._database.executemany(
            "DELETE FROM unsent_read WHERE conversation_id = ? AND seq <= ?", reads
        )

    # The outbox

    def add_to_outbox(self, message: Message) -> None:
        """Writes a message to the outbox; when it returns, the disk has it. For a thread."""
        with self._durable_lock:
            self._durable.execute(
                "INSERT INTO outbox (conversation_id, client_message_id, text, created_at)"
                " VALUES (?, ?, ?, ?)",
                (
                    message.conversation_id,
                    message.client_message_id,
                    message.text,
                    to_micros(message.created_at),
                ),
            )

    def outbox(self, conversation_id: str | None = None) -> list[Message]:
        """Returns what is not in the window yet, in the order in which it was written."""
        if conversation_id is None:
            rows = self._database.execute(_OUTBOX + " ORDER BY position")
        else:
            rows = self._database.execute(
                _OUTBOX + " WHERE conversation_id = ? ORDER BY position", (conversation_id,)
            )
        return [self._waiting(row) for row in rows.fetchall()]

    def in_outbox(self, client_message_id: str) -> Message | None:
        """Returns one message of the outbox."""
        row = self._one(_OUTBOX + " WHERE client_message_id = ?", client_message_id)
        return self._waiting(row) if row else None

    def _waiting(self, row: Any) -> Message:
        state = MessageState.STORED if row[4] else MessageState.SENDING
        return Message(
            conversation_id=row[0],
            seq=row[4],
            sender_id=self.user_id,
            client_message_id=row[1],
            text=row[2],
            created_at=from_micros(row[3]),
            state=MessageState.FAILED if row[5] else state,
            failure=row[5],
        )

    def set_stored(self, client_message_id: str, seq: int, created_at_micros: int) -> None:
        """Notes an ack for a message that the window does not reach yet."""
        self._database.execute(
            "UPDATE outbox SET seq = ?, created_at = ?, failure = '' WHERE client_message_id = ?",
            (seq, created_at_micros, client_message_id),
        )

    def set_failure(self, client_message_id: str, failure: str) -> None:
        """Notes why a message was refused; an empty reason makes it wait again."""
        self._database.execute(
            "UPDATE outbox SET failure = ? WHERE client_message_id = ?",
            (failure, client_message_id),
        )

    def discard(self, client_message_id: str) -> None:
        """Drops a message of the outbox."""
        self._database.execute(
            "DELETE FROM outbox WHERE client_message_id = ?", (client_message_id,)
        )


def _message(row: Any) -> Message:
    return Message(row[0], row[1], row[2], row[3], row[4], from_micros(row[5]))
