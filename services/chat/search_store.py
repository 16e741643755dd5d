"""The SQL of search: one open transaction on what messages can be found by."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from hongyan.chat.v1 import message_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat import bodies
from services.chat.grams import Query
from services.chat.model import EDIT, RECALL, TEXTS, Message
from services.chat.search import Begin, Entry, Found, Span
from services.chat.tables import (
    MESSAGE,
    conversation,
    hidden,
    member,
    message,
    search_document,
    search_gram,
    search_head,
)
from services.common.database import Database, for_update

# Behind every character that a gram can have.
END = "\U0010ffff"

_ENTRY = (message.c.seq, message.c.kind, message.c.body)


class SearchStore:
    """One open transaction on what messages can be found by."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def is_member(self, user_id: str, conversation_id: str) -> bool:
        """Says whether a user is in a conversation."""
        found = await self._connection.scalar(
            sa.select(member.c.user_id).where(
                member.c.user_id == user_id, member.c.conversation_id == conversation_id
            )
        )
        return found is not None

    # Indexing

    async def behind(self, user_id: str, conversation_id: str) -> list[str]:
        """Returns a user's conversations that are not indexed to both ends, the latest active
        first; all of them or one."""
        statement = (
            sa.select(conversation.c.id)
            .join(member, member.c.conversation_id == conversation.c.id)
            .outerjoin(search_head, search_head.c.conversation_id == conversation.c.id)
            .where(
                member.c.user_id == user_id,
                sa.or_(
                    conversation.c.last_seq > sa.func.coalesce(search_head.c.last_seq, 0),
                    search_head.c.first_seq > 1,
                ),
            )
            .order_by(conversation.c.active_at.desc(), conversation.c.id)
        )
        if conversation_id:
            statement = statement.where(conversation.c.id == conversation_id)
        return list(await self._connection.scalars(statement))

    async def lock(self, conversation_id: str) -> tuple[Span, int]:
        """Locks what is indexed of a conversation; returns it, and the log's newest seq.

        Raises Duplicate at the end when another one has begun with it just now.
        """
        row = (
            await self._connection.execute(
                for_update(
                    sa.select(search_head.c.first_seq, search_head.c.last_seq).where(
                        search_head.c.conversation_id == conversation_id
                    )
                )
            )
        ).first()
        newest = (
            await self._connection.execute(
                sa.select(conversation.c.last_seq).where(conversation.c.id == conversation_id)
            )
        ).scalar_one()
        if row:
            return Span(*row), newest
        span = Span(newest + 1, newest)
        await self._connection.execute(
            sa.insert(search_head).values(
                conversation_id=conversation_id, first_seq=span.first_seq, last_seq=span.last_seq
            )
        )
        return span, newest

    async def move(self, conversation_id: str, span: Span) -> None:
        """Says what is indexed of a conversation now."""
        await self._connection.execute(
            sa.update(search_head)
            .where(search_head.c.conversation_id == conversation_id)
            .values(first_seq=span.first_seq, last_seq=span.last_seq)
        )

    async def above(self, conversation_id: str, seq: int, limit: int) -> list[Entry]:
        """Returns the entries just above a seq, upwards."""
        return await self._entries(conversation_id, message.c.seq > seq, message.c.seq.asc(), limit)

    async def below(self, conversation_id: str, seq: int, limit: int) -> list[Entry]:
        """Returns the entries just below a seq, downwards."""
        return await self._entries(
            conversation_id, message.c.seq < seq, message.c.seq.desc(), limit
        )

    async def at(self, conversation_id: str, seqs: Collection[int]) -> list[Entry]:
        """Returns some entries."""
        return await self._entries(
            conversation_id, message.c.seq.in_(seqs), message.c.seq.asc(), len(seqs)
        )

    async def _entries(
        self,
        conversation_id: str,
        which: sa.ColumnElement[bool],
        order: sa.UnaryExpression[int],
        limit: int,
    ) -> list[Entry]:
        rows = await self._connection.execute(
            sa.select(*_ENTRY)
            .where(message.c.conversation_id == conversation_id, which)
            .order_by(order)
            .limit(limit)
        )
        return [
            Entry(seq, text_of(kind, body), _changed_by(kind, body)) for seq, kind, body in rows
        ]

    async def add(self, conversation_id: str, documents: Mapping[int, Collection[str]]) -> None:
        """Makes messages that are not indexed yet be found by their grams."""
        if not documents:
            return
        await self._connection.execute(
            sa.insert(search_document),
            [
                {"conversation_id": conversation_id, "seq": seq, "grams": " ".join(grams).encode()}
                for seq, grams in documents.items()
            ],
        )
        await self._connection.execute(
            sa.insert(search_gram),
            [
                {"conversation_id": conversation_id, "gram": gram, "seq": seq}
                # In the order of the key, which is what the database is quickest with.
                for gram, seq in sorted(
                    (gram, seq) for seq, grams in documents.items() for gram in grams
                )
            ],
        )

    async def remove(self, conversation_id: str, seqs: Collection[int]) -> None:
        """Makes messages be found no more; those that are not indexed are passed over."""
        await unindex(self._connection, conversation_id, seqs)

    # Searching

    async def find(
        self,
        user_id: str,
        conversation_id: str,
        query: Query,
        *,
        now: int,
        after: Found | None,
        limit: int,
    ) -> list[Found]:
        """Returns where messages are that a user may read and that have a query's grams."""
        mine = member.c.user_id == user_id
        if conversation_id:
            mine &= member.c.conversation_id == conversation_id
        source: Any = member
        first: Any = None
        for gram in query.exact:
            posting: Any = search_gram.alias()
            source = source.join(posting, _joins(posting, first) & (posting.c.gram == gram))
            first = first if first is not None else posting
        ids = await self._conversations(mine) if query.beginnings else []
        for beginning in query.beginnings:
            # By themselves: else each message would look through all that begins so. With the
            # ids: MySQL reads a range of a key only behind values that it knows beforehand.
            posting = (
                sa.select(search_gram.c.conversation_id, search_gram.c.seq)
                .where(
                    search_gram.c.conversation_id.in_(ids),
                    search_gram.c.gram >= beginning,
                    search_gram.c.gram < beginning + END,
                )
                .distinct()
                .subquery()
            )
            source = source.join(posting, _joins(posting, first))
            first = first if first is not None else posting
        source = source.join(message, _joins(message, first)).outerjoin(
            hidden,
            (hidden.c.user_id == user_id)
            & (hidden.c.conversation_id == message.c.conversation_id)
            & (hidden.c.seq == message.c.seq),
        )
        statement = (
            sa.select(message.c.created_at, message.c.conversation_id, message.c.seq)
            .select_from(source)
            .where(
                mine,
                first.c.seq > member.c.cleared_seq,
                (member.c.leave_seq == 0)
                | (
                    (first.c.seq <= member.c.leave_seq)
                    # Its words are of after the user left.
                    & (message.c.edited_seq <= member.c.leave_seq)
                ),
                message.c.kind.in_(TEXTS),
                (message.c.expires_at == 0) | (message.c.expires_at > now),
                hidden.c.seq.is_(None),
            )
            .order_by(message.c.created_at.desc(), message.c.conversation_id, message.c.seq.desc())
            .limit(limit)
            # Grams first, in the order above: these two would rather read whole logs.
            .prefix_with("STRAIGHT_JOIN", dialect="mysql")
            .prefix_with("STRAIGHT_JOIN", dialect="mariadb")
        )
        if after:
            statement = statement.where(_behind(after))
        return [Found(*row) for row in await self._connection.execute(statement)]

    async def _conversations(self, mine: sa.ColumnElement[bool]) -> list[str]:
        return list(await self._connection.scalars(sa.select(member.c.conversation_id).where(mine)))

    async def messages(self, places: Sequence[Found]) -> list[tuple[Message, str | None]]:
        """Returns messages with their texts, in the order of the places."""
        if not places:
            return []
        rows = await self._connection.execute(
            sa.select(*MESSAGE).where(
                sa.or_(
                    *(
                        (message.c.conversation_id == place.conversation_id)
                        & (message.c.seq == place.seq)
                        for place in places
                    )
                )
            )
        )
        found = [Message(*row) for row in rows]
        at = {(one.conversation_id, one.seq): one for one in found}
        ordered = [at[place.conversation_id, place.seq] for place in places]
        return [(one, text_of(one.kind, one.body)) for one in ordered]


def transactions(database: Database) -> tuple[Begin, Begin]:
    """Returns what opens a transaction that may write, and one that only reads."""

    @asynccontextmanager
    async def begin() -> AsyncIterator[SearchStore]:
        async with database.begin() as connection:
            yield SearchStore(connection)

    @asynccontextmanager
    async def read() -> AsyncIterator[SearchStore]:
        async with database.read() as connection:
            yield SearchStore(connection)

    return begin, read


async def unindex(connection: AsyncConnection, conversation_id: str, seqs: Collection[int]) -> None:
    """Makes messages be found no more; those that are not indexed are passed over."""
    if not seqs:
        return
    mine = sa.and_(
        search_document.c.conversation_id == conversation_id, search_document.c.seq.in_(seqs)
    )
    rows = await connection.execute(
        sa.select(search_document.c.seq, search_document.c.grams).where(mine)
    )
    for seq, grams in rows.all():
        await connection.execute(
            sa.delete(search_gram).where(
                search_gram.c.conversation_id == conversation_id,
                search_gram.c.gram.in_(bytes(grams).decode().split()),
                search_gram.c.seq == seq,
            )
        )
    await connection.execute(sa.delete(search_document).where(mine))


def text_of(kind: int, body: bytes) -> str | None:
    """Returns the text of a stored message, None if it has none."""
    return bodies.text_of(kind, bytes(body)) if kind in TEXTS else None


def _changed_by(kind: int, body: bytes) -> int:
    """Returns the seq of the message whose text an entry changes or takes away; 0 for none."""
    if kind == EDIT:
        return message_pb2.Message.FromString(bytes(body)).edit.seq
    if kind == RECALL:
        return message_pb2.Message.FromString(bytes(body)).recall.seq
    return 0


def _joins(posting: Any, first: Any) -> Any:
    """Of the user's conversations the first; of the same message the others."""
    if first is None:
        return posting.c.conversation_id == member.c.conversation_id
    same_conversation = posting.c.conversation_id == first.c.conversation_id
    return same_conversation & (posting.c.seq == first.c.seq)


def _behind(place: Found) -> sa.ColumnElement[bool]:
    """Whether a message comes after a place in the order of results."""
    same_time = message.c.created_at == place.created_at
    same_conversation = message.c.conversation_id == place.conversation_id
    return sa.or_(
        message.c.created_at < place.created_at,
        same_time & (message.c.conversation_id > place.conversation_id),
        same_time & same_conversation & (message.c.seq < place.seq),
    )
