"""The SQL of reading: conversations as their members see them, and pages of logs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from services.chat.changes import EVERYBODY
from services.chat.model import DIRECT, EVENT, TEXTS, Head, Member, Message, Place, Seat, Settings
from services.chat.registration_store import note_registered
from services.chat.tables import (
    MESSAGE,
    conversation,
    hidden,
    member,
    mention,
    message,
    pin,
    reaction,
)
from services.common.connections import Connection

NO_ENDS: Mapping[str, int] = {}
# For who has left, a conversation ends where they did.
_LEFT = member.c.leave_seq > 0
_LAST_SEQ: sa.Case[int] = sa.case((_LEFT, member.c.leave_seq), else_=conversation.c.last_seq)
_ACTIVE_AT: sa.Case[int] = sa.case((_LEFT, member.c.left_at), else_=conversation.c.active_at)
_HEAD = (
    conversation.c.id,
    conversation.c.kind,
    _LAST_SEQ,
    _ACTIVE_AT,
    sa.case((_LEFT, member.c.leave_seq), else_=conversation.c.shown_seq),
    conversation.c.disappear_seconds,
)
_NOT_BEYOND = sa.or_(member.c.leave_seq == 0, message.c.seq <= member.c.leave_seq)
SETTINGS = (
    member.c.pinned,
    member.c.muted_until,
    member.c.archived,
    member.c.marked_unread,
    member.c.draft,
    member.c.cleared_seq,
    member.c.removed,
)
# The statements of every page of history, built once.
_SEAT = (
    sa.select(_LAST_SEQ, member.c.cleared_seq, member.c.hides, member.c.leave_seq)
    .join(member, member.c.conversation_id == conversation.c.id)
    .where(
        member.c.user_id == sa.bindparam("user_id"),
        member.c.conversation_id == sa.bindparam("conversation_id"),
    )
)
_IN_LOG = sa.select(*MESSAGE).where(message.c.conversation_id == sa.bindparam("conversation_id"))
_AFTER = (
    _IN_LOG.where(message.c.seq > sa.bindparam("place"))
    .order_by(message.c.seq)
    .limit(sa.bindparam("count"))
)
_BEFORE = (
    _IN_LOG.where(message.c.seq < sa.bindparam("place"))
    .order_by(message.c.seq.desc())
    .limit(sa.bindparam("count"))
)
_NOT_HIDDEN = sa.or_(
    member.c.hides == 0,
    ~sa.exists().where(
        hidden.c.user_id == member.c.user_id,
        hidden.c.conversation_id == message.c.conversation_id,
        hidden.c.seq == message.c.seq,
    ),
)


def to_settings(row: Any) -> Settings:
    """Reads the columns SETTINGS."""
    pinned, muted_until, archived, marked_unread, draft, cleared_seq, removed = row
    return Settings(
        pinned=bool(pinned),
        muted_until=muted_until,
        archived=bool(archived),
        marked_unread=bool(marked_unread),
        draft=bytes(draft or b"").decode(),
        cleared_seq=cleared_seq,
        removed=bool(removed),
    )


class ReadStore:
    """What reading asks of a connection."""

    _connection: Connection

    # Conversations

    async def seat(self, conversation_id: str, user_id: str) -> Seat | None:
        """Returns what a member may read of a log, None to others."""
        rows = await self._connection.fetch(
            _SEAT, {"user_id": user_id, "conversation_id": conversation_id}
        )
        if not rows:
            return None
        last_seq, cleared_seq, hides, leave_seq = rows[0]
        return Seat(last_seq, cleared_seq, hides, left=bool(leave_seq))

    async def find_direct(self, pair: str) -> str | None:
        """Returns the direct conversation of two users."""
        return await self._connection.scalar(
            sa.select(conversation.c.id).where(conversation.c.pair == pair)
        )

    async def add_direct(
        self, conversation_id: str, pair: str, users: Collection[str], asked: Collection[str]
    ) -> None:
        """Adds a direct conversation and its members; raises Duplicate if the pair has one.

        It lands in the box of requests of those who are asked.
        """
        await self._connection.execute(
            sa.insert(conversation).values(
                id=conversation_id,
                kind=DIRECT,
                pair=pair,
                last_seq=0,
                member_version=1,
                active_at=0,
            )
        )
        await self._connection.execute(
            sa.insert(member),
            [
                {
                    "user_id": user_id,
                    "conversation_id": conversation_id,
                    "read_seq": 0,
                    "request": int(user_id in asked),
                }
                for user_id in users
            ],
        )
        await note_registered(self._connection, conversation_id, users)

    async def head(self, user_id: str, conversation_id: str) -> Head | None:
        """Returns one conversation's head as a member sees it; None to others."""
        rows = await self._connection.execute(
            sa.select(*_HEAD)
            .join(member, member.c.conversation_id == conversation.c.id)
            .where(conversation.c.id == conversation_id, member.c.user_id == user_id)
        )
        row = rows.first()
        return Head(*row) if row else None

    async def heads(self, user_id: str, after: Place | None, limit: int) -> list[Head]:
        """Returns a user's conversations, the latest active first, after a place in that order."""
        statement = (
            sa.select(*_HEAD)
            .join(member, member.c.conversation_id == conversation.c.id)
            .where(member.c.user_id == user_id)
            .order_by(_ACTIVE_AT.desc(), conversation.c.id)
            .limit(limit)
        )
        if after:
            moment = sa.literal(after.active_at)
            statement = statement.where(
                sa.or_(
                    moment > _ACTIVE_AT,
                    sa.and_(
                        moment == _ACTIVE_AT,
                        conversation.c.id > after.conversation_id,
                    ),
                )
            )
        return [Head(*row) for row in await self._connection.execute(statement)]

    async def moved_since(self, user_id: str, moment: int) -> set[str]:
        """Returns a user's conversations in which a cursor that the user sees moved after a
        moment: of a group only the user's own."""
        own, others = member.alias("own"), member.alias("others")
        rows = await self._connection.scalars(
            sa.select(others.c.conversation_id)
            .distinct()
            .join(own, own.c.conversation_id == others.c.conversation_id)
            .where(
                own.c.user_id == user_id,
                others.c.moved_at > moment,
                sa.or_(own.c.role == 0, others.c.user_id == user_id),
            )
        )
        return set(rows)

    async def members(self, user_id: str, ids: Sequence[str]) -> dict[str, tuple[Member, ...]]:
        """Returns the members of direct conversations, and of groups the user alone."""
        rows = await self._connection.execute(
            sa.select(
                member.c.conversation_id, member.c.user_id, member.c.read_seq, member.c.received_seq
            )
            .join(conversation, conversation.c.id == member.c.conversation_id)
            .where(
                member.c.conversation_id.in_(ids),
                sa.or_(conversation.c.kind == DIRECT, member.c.user_id == user_id),
            )
            .order_by(member.c.user_id)
        )
        found: dict[str, list[Member]] = {id: [] for id in ids}
        for conversation_id, *columns in rows:
            found[conversation_id].append(Member(*columns))
        return {id: tuple(members) for id, members in found.items()}

    async def witnesses(self, conversation_id: str, seq: int) -> list[Member]:
        """Returns the cursors of those who can read an entry."""
        rows = await self._connection.execute(
            sa.select(member.c.user_id, member.c.read_seq, member.c.received_seq)
            .where(
                member.c.conversation_id == conversation_id,
                member.c.leave_seq == 0,
                sa.or_(member.c.role == 0, member.c.cleared_seq < seq),
            )
            .order_by(member.c.user_id)
        )
        return [Member(*row) for row in rows]

    async def requests(self, user_id: str, ids: Sequence[str]) -> set[str]:
        """Returns which conversations are in a user's box of requests."""
        rows = await self._connection.scalars(
            sa.select(member.c.conversation_id).where(
                member.c.user_id == user_id,
                member.c.conversation_id.in_(ids),
                member.c.request == 1,
            )
        )
        return set(rows)

    async def settings(self, user_id: str, ids: Sequence[str]) -> dict[str, tuple[Settings, int]]:
        """Returns what conversations are to a user, and how many messages are hidden in each."""
        rows = await self._connection.execute(
            sa.select(member.c.conversation_id, member.c.hides, *SETTINGS).where(
                member.c.user_id == user_id, member.c.conversation_id.in_(ids)
            )
        )
        return {row[0]: (to_settings(row[2:]), row[1]) for row in rows}

    async def unread(self, user_id: str, ids: Sequence[str], now: int) -> dict[str, int]:
        """Counts the texts of others after a user's read cursor, where there is any."""
        rows = await self._connection.execute(
            sa.select(message.c.conversation_id, sa.func.count())
            .join(member, member.c.conversation_id == message.c.conversation_id)
            .where(
                member.c.user_id == user_id,
                message.c.conversation_id.in_(ids),
                message.c.seq > member.c.read_seq,
                message.c.seq > member.c.cleared_seq,
                _NOT_BEYOND,
                message.c.sender_id != user_id,
                message.c.kind.in_(TEXTS),
                _NOT_HIDDEN,
                sa.or_(message.c.expires_at == 0, message.c.expires_at > now),
            )
            .group_by(message.c.conversation_id)
        )
        return {id: count for id, count in rows}

    async def mentions(self, user_id: str, ids: Sequence[str], now: int) -> dict[str, int]:
        """Counts the unread messages that mention a user, where there is any."""
        rows = await self._connection.execute(
            sa.select(mention.c.conversation_id, sa.func.count(mention.c.seq.distinct()))
            .join(member, member.c.conversation_id == mention.c.conversation_id)
            .join(
                message,
                sa.and_(
                    message.c.conversation_id == mention.c.conversation_id,
                    message.c.seq == mention.c.seq,
                ),
            )
            .where(
                member.c.user_id == user_id,
                mention.c.conversation_id.in_(ids),
                mention.c.user_id.in_((user_id, EVERYBODY)),
                mention.c.seq > member.c.read_seq,
                mention.c.seq > member.c.cleared_seq,
                _NOT_BEYOND,
                message.c.sender_id != user_id,
                message.c.kind.in_((*TEXTS, EVENT)),
                _NOT_HIDDEN,
                sa.or_(message.c.expires_at == 0, message.c.expires_at > now),
            )
            .group_by(mention.c.conversation_id)
        )
        return {id: count for id, count in rows}

    async def pins(
        self, ids: Sequence[str], ends: Mapping[str, int] = NO_ENDS
    ) -> dict[str, tuple[int, ...]]:
        """Returns the seqs of what is pinned in conversations, the one pinned last first.

        `ends` names the conversations of which only what was pinned up to a seq counts.
        """
        rows = await self._connection.execute(
            sa.select(pin.c.conversation_id, pin.c.seq, pin.c.given_seq)
            .where(pin.c.conversation_id.in_(ids))
            .order_by(pin.c.given_seq.desc())
        )
        found: dict[str, list[int]] = {}
        for conversation_id, seq, given_seq in rows:
            if given_seq <= ends.get(conversation_id, given_seq):
                found.setdefault(conversation_id, []).append(seq)
        return {id: tuple(seqs) for id, seqs in found.items()}

    async def newest(self, places: Sequence[tuple[str, int]]) -> dict[str, Message]:
        """Returns what a list shows of each conversation: the entries at (id, seq)."""
        rows = await self._connection.execute(
            sa.select(*MESSAGE).where(
                sa.or_(
                    *(
                        sa.and_(message.c.conversation_id == id, message.c.seq == seq)
                        for id, seq in places
                    )
                )
            )
        )
        return {row[0]: Message(*row) for row in rows}

    # The log

    async def after(self, conversation_id: str, seq: int, limit: int) -> list[Message]:
        """Returns entries beyond a seq, oldest first."""
        return await self._page(_AFTER, conversation_id, seq, limit)

    async def before(self, conversation_id: str, seq: int, limit: int) -> list[Message]:
        """Returns the entries just below a seq, oldest first."""
        return (await self._page(_BEFORE, conversation_id, seq, limit))[::-1]

    async def _page(
        self, statement: sa.Select[Any], conversation_id: str, place: int, count: int
    ) -> list[Message]:
        rows = await self._connection.fetch(
            statement, {"conversation_id": conversation_id, "place": place, "count": count}
        )
        return [Message(*row) for row in rows]

    async def reactions(
        self, conversation_id: str, seqs: Sequence[int], end: int = 2**62
    ) -> dict[int, tuple[tuple[str, str], ...]]:
        """Returns (emoji, user_id) of messages, in the order in which they were given, up to a
        seq."""
        rows = await self._connection.execute(
            sa.select(reaction.c.seq, reaction.c.emoji, reaction.c.user_id)
            .where(
                reaction.c.conversation_id == conversation_id,
                reaction.c.seq.in_(seqs),
                reaction.c.given_seq <= end,
            )
            .order_by(reaction.c.given_seq)
        )
        found: dict[int, list[tuple[str, str]]] = {}
        for seq, emoji, user_id in rows:
            found.setdefault(seq, []).append((emoji, user_id))
        return {seq: tuple(given) for seq, given in found.items()}

    async def hidden(self, user_id: str, conversation_id: str, seqs: Sequence[int]) -> set[int]:
        """Returns which of some messages a user has hidden."""
        rows = await self._connection.scalars(
            sa.select(hidden.c.seq).where(
                hidden.c.user_id == user_id,
                hidden.c.conversation_id == conversation_id,
                hidden.c.seq.in_(seqs),
            )
        )
        return set(rows)
