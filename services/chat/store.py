"""The SQL of chat's rules: one open transaction on its tables."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from services.chat.committer import Key, Locked, Row, Sent
from services.chat.rules import DIRECT, Head, Member, Message, Place
from services.chat.tables import conversation, member, message
from services.common.connections import Connection

_MESSAGE = (
    message.c.conversation_id,
    message.c.seq,
    message.c.sender_id,
    message.c.client_message_id,
    message.c.kind,
    message.c.body,
    message.c.created_at,
)
_HEAD = (
    conversation.c.id,
    conversation.c.kind,
    conversation.c.last_seq,
    conversation.c.active_at,
)

# The statements of every commit, built once: building them costs as much as running them.
_MEMBER_IDS = sa.select(member.c.conversation_id, member.c.user_id).where(
    member.c.conversation_id.in_(sa.bindparam("ids", expanding=True))
)
_INSERT = sa.insert(message)
# And those of every page of history.
_LAST_SEQ = (
    sa.select(conversation.c.last_seq)
    .join(member, member.c.conversation_id == conversation.c.id)
    .where(
        member.c.user_id == sa.bindparam("user_id"),
        member.c.conversation_id == sa.bindparam("conversation_id"),
    )
)
_IN_LOG = sa.select(*_MESSAGE).where(message.c.conversation_id == sa.bindparam("conversation_id"))
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


@lru_cache(maxsize=1024)
def _lock(count: int) -> sa.Select[Any]:
    """Locks so many conversations: parameters id0, id1, …"""
    return (
        sa.select(conversation.c.id, conversation.c.last_seq, conversation.c.member_version)
        .where(conversation.c.id.in_([sa.bindparam(f"id{place}") for place in range(count)]))
        .order_by(conversation.c.id)
        .with_for_update()
    )


@lru_cache(maxsize=1024)
def _move_heads(count: int) -> sa.TextClause:
    """Sets last_seq of so many conversations: parameters id0, seq0, id1, seq1, …, and now."""
    cases = " ".join(f"WHEN :id{place} THEN :seq{place}" for place in range(count))
    ids = ", ".join(f":id{place}" for place in range(count))
    return sa.text(
        f"UPDATE conversation SET active_at = :now, last_seq = CASE id {cases} END "  # noqa: S608
        f"WHERE id IN ({ids})"
    )


class Store:
    """One open transaction on chat's tables: all that the rules ask of storage."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Appending

    async def lock(self, ids: Sequence[str]) -> dict[str, Locked]:
        """Locks conversations in the order of their ids: two commits never wait in a ring."""
        values = {f"id{place}": id for place, id in enumerate(ids)}
        rows = await self._connection.fetch(_lock(len(ids)), values)
        return {id: Locked(last_seq, version) for id, last_seq, version in rows}

    async def member_ids(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Returns the users of each conversation."""
        rows = await self._connection.execute(_MEMBER_IDS, {"ids": ids})
        found: dict[str, list[str]] = {}
        for conversation_id, user_id in rows:
            found.setdefault(conversation_id, []).append(user_id)
        return {id: tuple(users) for id, users in found.items()}

    async def find_sent(self, keys: Collection[Key]) -> dict[Key, Sent]:
        """Returns what was stored before under the ids of a send."""
        rows = await self._connection.execute(
            sa.select(*_MESSAGE, message.c.content_hash).where(
                sa.or_(
                    *(
                        sa.and_(
                            message.c.conversation_id == conversation_id,
                            message.c.sender_id == sender_id,
                            message.c.client_message_id == client_message_id,
                        )
                        for conversation_id, sender_id, client_message_id in keys
                    )
                )
            )
        )
        return {(row[0], row[2], row[3]): Sent(Message(*row[:7]), bytes(row[7])) for row in rows}

    async def append(self, rows: Sequence[Row], heads: Mapping[str, int], now: int) -> None:
        """Adds messages and moves the heads of their conversations, which are locked."""
        # They leave with the commit, in one round trip.
        self._connection.write(
            _INSERT,
            [
                {
                    "conversation_id": row.message.conversation_id,
                    "seq": row.message.seq,
                    "sender_id": row.message.sender_id,
                    "client_message_id": row.message.client_message_id,
                    "content_hash": row.content_hash,
                    "kind": row.message.kind,
                    "body": row.message.body,
                    "created_at": row.message.created_at,
                }
                for row in rows
            ],
        )
        # One statement for all heads: an executemany would be a round trip for each.
        values: dict[str, object] = {"now": now}
        for place, (id, last_seq) in enumerate(heads.items()):
            values[f"id{place}"], values[f"seq{place}"] = id, last_seq
        self._connection.write(_move_heads(len(heads)), [values])

    # Cursors

    async def cursors(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        """Returns (read_seq, last_seq) of each member there is; locks the members."""
        rows = await self._connection.execute(
            sa.select(
                member.c.user_id,
                member.c.conversation_id,
                member.c.read_seq,
                sa.select(conversation.c.last_seq)
                .where(conversation.c.id == member.c.conversation_id)
                .scalar_subquery(),
            )
            .where(
                sa.or_(
                    *(
                        sa.and_(member.c.user_id == user_id, member.c.conversation_id == id)
                        for user_id, id in keys
                    )
                )
            )
            .order_by(member.c.user_id, member.c.conversation_id)
            .with_for_update(of=member)
        )
        return {(user_id, id): (read_seq, last_seq) for user_id, id, read_seq, last_seq in rows}

    async def move(self, targets: Mapping[tuple[str, str], int]) -> None:
        """Sets read cursors of members that are locked."""
        await self._connection.execute(
            sa.update(member)
            .where(
                member.c.user_id == sa.bindparam("user"),
                member.c.conversation_id == sa.bindparam("id"),
            )
            .values(read_seq=sa.bindparam("seq")),
            [{"user": user, "id": id, "seq": seq} for (user, id), seq in targets.items()],
        )

    # Conversations

    async def last_seq(self, conversation_id: str, user_id: str) -> int | None:
        """Returns the newest seq of a conversation to its members, None to others."""
        rows = await self._connection.fetch(
            _LAST_SEQ, {"user_id": user_id, "conversation_id": conversation_id}
        )
        return rows[0][0] if rows else None

    async def find_direct(self, pair: str) -> str | None:
        """Returns the direct conversation of two users."""
        return await self._connection.scalar(
            sa.select(conversation.c.id).where(conversation.c.pair == pair)
        )

    async def add_direct(self, conversation_id: str, pair: str, users: Collection[str]) -> None:
        """Adds a direct conversation and its members; raises Duplicate if the pair has one."""
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
                {"user_id": user_id, "conversation_id": conversation_id, "read_seq": 0}
                for user_id in users
            ],
        )

    async def head(self, conversation_id: str) -> Head | None:
        """Returns one conversation's head."""
        row = (
            await self._connection.execute(
                sa.select(*_HEAD).where(conversation.c.id == conversation_id)
            )
        ).first()
        return Head(*row) if row else None

    async def heads(self, user_id: str, after: Place | None, limit: int) -> list[Head]:
        """Returns a user's conversations, the latest active first, after a place in that order."""
        statement = (
            sa.select(*_HEAD)
            .join(member, member.c.conversation_id == conversation.c.id)
            .where(member.c.user_id == user_id)
            .order_by(conversation.c.active_at.desc(), conversation.c.id)
            .limit(limit)
        )
        if after:
            statement = statement.where(
                sa.or_(
                    conversation.c.active_at < after.active_at,
                    sa.and_(
                        conversation.c.active_at == after.active_at,
                        conversation.c.id > after.conversation_id,
                    ),
                )
            )
        return [Head(*row) for row in await self._connection.execute(statement)]

    async def members(self, ids: Sequence[str]) -> dict[str, tuple[Member, ...]]:
        """Returns the members of conversations."""
        rows = await self._connection.execute(
            sa.select(member.c.conversation_id, member.c.user_id, member.c.read_seq)
            .where(member.c.conversation_id.in_(ids))
            .order_by(member.c.user_id)
        )
        found: dict[str, list[Member]] = {id: [] for id in ids}
        for conversation_id, user_id, read_seq in rows:
            found[conversation_id].append(Member(user_id, read_seq))
        return {id: tuple(members) for id, members in found.items()}

    async def unread(self, user_id: str, ids: Sequence[str]) -> dict[str, int]:
        """Counts what others wrote after a user's read cursor, where there is any."""
        rows = await self._connection.execute(
            sa.select(message.c.conversation_id, sa.func.count())
            .join(member, member.c.conversation_id == message.c.conversation_id)
            .where(
                member.c.user_id == user_id,
                message.c.conversation_id.in_(ids),
                message.c.seq > member.c.read_seq,
                message.c.sender_id != user_id,
            )
            .group_by(message.c.conversation_id)
        )
        return {id: count for id, count in rows}

    async def newest(self, ids: Sequence[str]) -> dict[str, Message]:
        """Returns the newest message of each conversation that has one."""
        rows = await self._connection.execute(
            sa.select(*_MESSAGE)
            .join(
                conversation,
                sa.and_(
                    conversation.c.id == message.c.conversation_id,
                    conversation.c.last_seq == message.c.seq,
                ),
            )
            .where(conversation.c.id.in_(ids))
        )
        return {row[0]: Message(*row) for row in rows}

    # The log

    async def after(self, conversation_id: str, seq: int, limit: int) -> list[Message]:
        """Returns messages beyond a seq, oldest first."""
        return await self._page(_AFTER, conversation_id, seq, limit)

    async def before(self, conversation_id: str, seq: int, limit: int) -> list[Message]:
        """Returns the messages just below a seq, oldest first."""
        return (await self._page(_BEFORE, conversation_id, seq, limit))[::-1]

    async def _page(
        self, statement: sa.Select[Any], conversation_id: str, place: int, count: int
    ) -> list[Message]:
        rows = await self._connection.fetch(
            statement, {"conversation_id": conversation_id, "place": place, "count": count}
        )
        return [Message(*row) for row in rows]
