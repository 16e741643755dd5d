"""The SQL of the outbox: rows that commits add, and what telling needs to know."""

from collections.abc import Collection, Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.changes import EVERYBODY
from services.chat.model import TEXTS
from services.chat.notify import PUSH, Entry, Job, News, Reader, ReadText, Row
from services.chat.registration_store import RegistrationStore
from services.chat.registrations import Registration
from services.chat.tables import hidden, member, mention, message, outbox

_ROW = (
    outbox.c.id,
    outbox.c.kind,
    outbox.c.dedupe_key,
    outbox.c.payload,
    outbox.c.due_at,
    outbox.c.attempts,
)
_ADD = sa.insert(outbox)
_DUE = (
    sa.select(*_ROW)
    .where(
        outbox.c.kind == PUSH,
        outbox.c.due_at <= sa.bindparam("now"),
        # Only the first attempt waits for devices that are connected.
        sa.or_(outbox.c.attempts > 0, outbox.c.due_at <= sa.bindparam("first")),
    )
    .order_by(outbox.c.due_at)
    .limit(sa.bindparam("count"))
)


async def add(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Adds rows, in the transaction of what they are about."""
    if rows:
        await connection.execute(_ADD, [asdict(row) for row in rows])


class OutboxStore:
    """One open transaction on the outbox and on what its rows are about."""

    def __init__(self, connection: AsyncConnection, read_text: ReadText) -> None:
        self._connection = connection
        self._read_text = read_text

    async def due(self, now: int, first: int, limit: int) -> list[Row]:
        """Returns rows that are due: at `now`, or those never tried at `first`; locks nothing."""
        rows = await self._connection.execute(_DUE, {"now": now, "first": first, "count": limit})
        return [Row(*row[:3], bytes(row[3]), *row[4:]) for row in rows]

    async def claim(self, rows: Sequence[Row], until: int) -> list[Row]:
        """Moves rows to the end of a lease; returns those that nobody else has moved before."""
        claimed = []
        for row in sorted(rows, key=lambda row: row.id):
            moved = await self._connection.execute(
                sa.update(outbox)
                .where(outbox.c.id == row.id, outbox.c.due_at == row.due_at)
                .values(due_at=until, attempts=row.attempts + 1)
            )
            if moved.rowcount == 1:
                claimed.append(
                    Row(row.id, row.kind, row.dedupe_key, row.payload, until, row.attempts + 1)
                )
        return claimed

    async def finish(self, row: Row) -> None:
        """Removes a row, unless it was taken over meanwhile."""
        await self._connection.execute(sa.delete(outbox).where(*_still(row)))

    async def postpone(self, row: Row, payload: bytes, due_at: int) -> None:
        """Makes a row due again, unless it was taken over meanwhile."""
        await self._connection.execute(
            sa.update(outbox).where(*_still(row)).values(payload=payload, due_at=due_at)
        )

    async def waiting(self) -> tuple[int, int | None]:
        """Returns how many rows there are, and when the oldest is due."""
        found = await self._connection.execute(
            sa.select(sa.func.count(), sa.func.min(outbox.c.due_at)).select_from(outbox)
        )
        count, oldest = found.one()
        return count, oldest

    # What is told

    async def news(self, job: Job, now: int) -> News:
        """Returns what is to be told of a range; without what has been removed since."""
        rows = await self._connection.execute(
            sa.select(message.c.seq, message.c.sender_id, message.c.kind, message.c.body)
            .where(
                message.c.conversation_id == job.conversation_id,
                message.c.seq.between(job.from_seq, job.to_seq),
                message.c.kind.in_(TEXTS),
                sa.or_(message.c.expires_at == 0, message.c.expires_at > now),
            )
            .order_by(message.c.seq)
        )
        entries = [
            Entry(seq, sender_id, self._read_text(kind, bytes(body)))
            for seq, sender_id, kind, body in rows
        ]
        if not entries:
            return News((), ())
        return News(
            entries,
            await self._readers(job.conversation_id),
            [
                (None if user_id == EVERYBODY else user_id, seq)
                for user_id, seq in await self._marked(mention, job)
            ],
            await self._marked(hidden, job),
        )

    async def _readers(self, conversation_id: str) -> list[Reader]:
        unread = (
            sa.select(sa.func.count())
            .where(
                message.c.conversation_id == member.c.conversation_id,
                message.c.seq > member.c.read_seq,
                message.c.seq > member.c.cleared_seq,
                message.c.sender_id != member.c.user_id,
                message.c.kind.in_(TEXTS),
            )
            .correlate(member)
            .scalar_subquery()
        )
        rows = await self._connection.execute(
            sa.select(
                member.c.user_id,
                member.c.read_seq,
                member.c.received_seq,
                member.c.cleared_seq,
                member.c.muted_until,
                unread,
            ).where(member.c.conversation_id == conversation_id, member.c.notify == 1)
        )
        return [Reader(*row) for row in rows]

    async def _marked(self, table: sa.Table, job: Job) -> set[tuple[str, int]]:
        rows = await self._connection.execute(
            sa.select(table.c.user_id, table.c.seq).where(
                table.c.conversation_id == job.conversation_id,
                table.c.seq.between(job.from_seq, job.to_seq),
            )
        )
        return {(user_id, seq) for user_id, seq in rows}

    async def of_users(self, user_ids: Collection[str]) -> list[Registration]:
        """Returns the registrations of users."""
        if not user_ids:
            return []
        return await RegistrationStore(self._connection).of_users(user_ids)


def _still(row: Row) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that a claim holds."""
    return outbox.c.id == row.id, outbox.c.due_at == row.due_at
