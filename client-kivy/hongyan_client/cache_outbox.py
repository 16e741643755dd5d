"""What only this device has: the outbox, and cursors and drafts that the server may not know."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hongyan.chat.v1 import message_pb2

from hongyan_client.cache_base import CacheBase
from hongyan_client.cache_log import pack
from hongyan_client.convert import to_message
from hongyan_client.model import Message, MessageState, from_micros, to_micros

READ, RECEIVED = "read", "received"

Cursor = tuple[str, str, int]
"""(conversation_id, READ or RECEIVED, seq)"""

_OUTBOX = """
SELECT conversation_id, client_message_id, text, created_at, seq, failure, more, request
FROM outbox
"""


class OutboxTable(CacheBase):
    """The outbox and the unsent cursors."""

    def put_unsent_cursor(self, conversation_id: str, kind: str, seq: int) -> None:
        """Remembers an own cursor until the server has surely seen it."""
        self._database.execute(
            "INSERT INTO unsent_cursor (conversation_id, kind, seq) VALUES (?, ?, ?)"
            " ON CONFLICT (conversation_id, kind) DO UPDATE SET seq = max(seq, excluded.seq)",
            (conversation_id, kind, seq),
        )

    def unsent_cursors(self, limit: int = 500) -> list[Cursor]:
        """Returns own cursors that the server may not know."""
        return self._database.execute(
            "SELECT conversation_id, kind, seq FROM unsent_cursor LIMIT ?", (limit,)
        ).fetchall()

    def drop_unsent_cursors(self, cursors: Iterable[Cursor]) -> None:
        """Forgets cursors that the server has seen, unless they moved since."""
        self._database.executemany(
            "DELETE FROM unsent_cursor WHERE conversation_id = ? AND kind = ? AND seq <= ?",
            cursors,
        )

    def put_unsent_draft(self, conversation_id: str, text: str) -> None:
        """Remembers a draft until the server has it; it counts for more than the server's."""
        self._database.execute(
            "INSERT OR REPLACE INTO unsent_draft (conversation_id, text) VALUES (?, ?)",
            (conversation_id, text),
        )

    def unsent_drafts(self) -> dict[str, str]:
        """Returns the drafts that the server may not have, by conversation."""
        return dict(self._database.execute("SELECT conversation_id, text FROM unsent_draft"))

    def drop_unsent_draft(self, conversation_id: str, text: str) -> None:
        """Forgets a draft that the server has, unless there is another text since."""
        self._database.execute(
            "DELETE FROM unsent_draft WHERE conversation_id = ? AND text = ?",
            (conversation_id, text),
        )

    def add_to_outbox(self, message: Message) -> None:
        """Writes a message to the outbox; when it returns, the disk has it. For a thread."""
        with self._durable_lock:
            self._durable.execute(
                "INSERT INTO outbox (conversation_id, client_message_id, text, created_at, more,"
                " request) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    message.conversation_id,
                    message.client_message_id,
                    message.text,
                    to_micros(message.created_at),
                    pack(message),
                    message.request or None,
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
        message = Message(row[0], 0, self.user_id, row[1], row[2], from_micros(row[3]))
        if row[6] is not None:
            message = to_message(message_pb2.Message.FromString(row[6]))
        return replace(
            message,
            seq=row[4],
            created_at=from_micros(row[3]),
            state=MessageState.FAILED if row[5] else state,
            failure=row[5],
            request=row[7] or b"",
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
