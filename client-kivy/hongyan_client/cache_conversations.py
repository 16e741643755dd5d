"""The conversations in the cache: members, cursors, settings, and counts of what is unread."""

from dataclasses import replace
from typing import Any

from hongyan.chat.v1 import conversation_pb2, message_pb2

from hongyan_client.cache_log import LogTable, read_seqs
from hongyan_client.cache_people import PeopleTable
from hongyan_client.convert import from_settings, to_message, to_settings
from hongyan_client.convert_people import to_group
from hongyan_client.model import (
    Conversation,
    ConversationKind,
    Member,
    Message,
    MessageKind,
    Settings,
    to_micros,
)

# Greater than every seq.
LAST_SEQ = 2**62
_CONVERSATIONS = """
SELECT conversation_id, kind, last_seq, counted_unread, counted_last_seq, counted_read_seq,
  first_seq, head_seq, preview, counted_mentions, settings, cleared_seq, disappear_seconds,
  pinned_seqs, group_data, request FROM conversation
"""
_MEMBERS = "SELECT conversation_id, user_id, read_seq, received_seq FROM member"
_DRAFTS = "SELECT conversation_id, text FROM unsent_draft"


class ConversationTable(LogTable, PeopleTable):
    """What is known of conversations besides their logs."""

    def put_conversation(self, conversation: Conversation, now_micros: int) -> None:
        """Takes over what the server says of a conversation; cursors and last_seq only grow."""
        last = conversation.last_message
        active_at = to_micros(last.created_at) if last else now_micros
        conversation_id = conversation.conversation_id
        with self.transaction():
            self._database.execute(
                "INSERT INTO conversation (conversation_id, kind, last_seq, counted_unread,"
                " counted_last_seq, counted_read_seq, active_at) VALUES (?, ?, ?, 0, 0, 0, ?)"
                " ON CONFLICT (conversation_id) DO UPDATE SET kind = excluded.kind,"
                " last_seq = max(last_seq, excluded.last_seq)",
                (conversation_id, conversation.kind, conversation.last_seq, active_at),
            )
            for member in conversation.members:
                self.move_read(conversation_id, member.user_id, member.read_seq)
                self.move_received(conversation_id, member.user_id, member.received_seq)
            self._database.execute(
                "UPDATE conversation SET counted_unread = ?, counted_mentions = ?,"
                " counted_last_seq = ?, counted_read_seq = ?, disappear_seconds = ?,"
                " pinned_seqs = ? WHERE conversation_id = ? AND counted_last_seq <= ?",
                (
                    conversation.unread_count,
                    conversation.mention_count,
                    conversation.last_seq,
                    conversation.read_seq(self.user_id),
                    conversation.disappear_seconds,
                    " ".join(map(str, conversation.pinned_seqs)),
                    conversation_id,
                    conversation.last_seq,
                ),
            )
            self._database.execute(
                "UPDATE conversation SET request = ? WHERE conversation_id = ?",
                (conversation.request, conversation_id),
            )
            if conversation.group:
                self.put_group(conversation_id, conversation.group, newer=True)
            self.put_settings(conversation_id, conversation.settings)
            if last:
                self.put_preview(last)
            self._catch_up(conversation_id, conversation.last_seq)

    def _catch_up(self, conversation_id: str, last_seq: int) -> None:
        """Does again what later entries do to a conversation: its state is of before them."""
        for it in self.between(conversation_id, last_seq, LAST_SEQ):
            if it.event is not None:
                self.apply_event(it)
            elif it.kind in (MessageKind.TIMER, MessageKind.PIN):
                self.apply_entry(it)

    def put_settings(self, conversation_id: str, settings: Settings) -> bool:
        """Takes over what a conversation is to the account; returns whether that cleared some."""
        self._database.execute(
            "UPDATE conversation SET settings = ? WHERE conversation_id = ?",
            (from_settings(settings).SerializeToString(), conversation_id),
        )
        return self.clear(conversation_id, settings.cleared_seq) if settings.cleared_seq else False

    def move_read(self, conversation_id: str, user_id: str, read_seq: int) -> bool:
        """Moves a read cursor forward; returns whether it moved."""
        cursor = self._database.execute(
            "INSERT INTO member (conversation_id, user_id, read_seq, received_seq)"
            " VALUES (?, ?, ?, ?) ON CONFLICT (conversation_id, user_id) DO UPDATE"
            " SET read_seq = excluded.read_seq,"
            " received_seq = max(received_seq, excluded.received_seq)"
            " WHERE read_seq < excluded.read_seq",
            (conversation_id, user_id, read_seq, read_seq),
        )
        return cursor.rowcount > 0

    def move_received(self, conversation_id: str, user_id: str, received_seq: int) -> bool:
        """Moves a received cursor forward; returns whether it moved."""
        cursor = self._database.execute(
            "INSERT INTO member (conversation_id, user_id, read_seq, received_seq)"
            " VALUES (?, ?, 0, ?) ON CONFLICT (conversation_id, user_id) DO UPDATE"
            " SET received_seq = excluded.received_seq"
            " WHERE received_seq < excluded.received_seq",
            (conversation_id, user_id, received_seq),
        )
        return cursor.rowcount > 0

    def grow(self, conversation_id: str, last_seq: int) -> bool:
        """Notes that a log goes on to a seq; returns whether that is new."""
        cursor = self._database.execute(
            "UPDATE conversation SET last_seq = ? WHERE conversation_id = ? AND last_seq < ?",
            (last_seq, conversation_id, last_seq),
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
        for conversation_id, *columns in self._database.execute(
            _MEMBERS + where + " ORDER BY user_id", values
        ):
            members.setdefault(conversation_id, []).append(Member(*columns))
        rows = self._database.execute(
            _CONVERSATIONS + where + " ORDER BY active_at DESC, conversation_id", values
        ).fetchall()
        drafts = dict(self._database.execute(_DRAFTS + where, values))
        return [
            self._to_conversation(row, members.get(row[0], []), drafts.get(row[0])) for row in rows
        ]

    def _to_conversation(
        self, row: Any, members: list[Member], unsent_draft: str | None
    ) -> Conversation:
        read_seq = next((it.read_seq for it in members if it.user_id == self.user_id), 0)
        read_seq = max(read_seq, row[11])
        last: Message | None = None
        if row[8] is not None:
            last = to_message(message_pb2.Message.FromString(row[8]))
        settings = to_settings(conversation_pb2.ConversationSettings.FromString(row[10]))
        if unsent_draft is not None:
            settings = replace(settings, draft=unsent_draft)
        unread, mentions = self._unread(row, read_seq)
        return Conversation(
            conversation_id=row[0],
            kind=ConversationKind(row[1] or ConversationKind.UNKNOWN),
            members=tuple(members),
            last_seq=row[2],
            unread_count=unread,
            last_message=last if last and last.removed != "hidden" else None,
            mention_count=mentions,
            settings=settings,
            disappear_seconds=row[12],
            pinned_seqs=tuple(read_seqs(row[13])),
            group=to_group(conversation_pb2.Group.FromString(row[14])) if row[14] else None,
            request=bool(row[15]),
        )

    def _unread(self, row: Any, read_seq: int) -> tuple[int, int]:
        """Counts others' texts behind the own cursor, and those that mention the account: from
        the log where it is here, else from the server's count and what came after it.
        """
        last_seq, counted, counted_last, counted_read = row[2:6]
        first_seq, head_seq, mentions = row[6], row[7], row[9]
        if read_seq >= last_seq:
            return 0, 0
        whole = first_seq is not None and first_seq <= read_seq + 1 and head_seq >= last_seq
        newer, newer_mentions = self._one(
            "SELECT coalesce(sum(kind = 'text'), 0), coalesce(sum(mentions_me), 0) FROM message"
            " WHERE conversation_id = ? AND seq > ? AND seq <= ? AND sender_id <> ?"
            " AND kind IN ('text', 'event')",
            row[0],
            read_seq if whole else max(read_seq, counted_last),
            head_seq or 0,
            self.user_id,
        )
        if whole:
            return int(newer), int(newer_mentions)
        base = 0 if read_seq >= counted_last else int(counted)
        if read_seq > counted_read:
            base = min(base, max(0, counted_last - read_seq))
        return base + int(newer), min(base, int(mentions)) + int(newer_mentions)
