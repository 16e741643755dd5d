"""The SQL of the outbox: rows that commits add, and what telling needs to know."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.bodies import text_of
from services.chat.changes import EVERYBODY
from services.chat.model import TEXTS, Message
from services.chat.notify import HOOK, Entry, Job, News, Reader, Row
from services.chat.registration_store import RegistrationStore
from services.chat.registrations import TOLD_AT_ONCE, TOLD_LATER, Registration
from services.chat.tables import MESSAGE, hidden, member, mention, message, outbox

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
        outbox.c.kind == sa.bindparam("kind"),
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


ToJson = Callable[[Message], dict[str, object]]
"""Returns a message as REST shows it."""


class OutboxStore:
    """One open transaction on the outbox and on what its rows are about."""

    def __init__(self, connection: AsyncConnection, to_json: ToJson) -> None:
        self._connection = connection
        self._to_json = to_json

    async def due(self, kind: str, now: int, first: int, limit: int) -> list[Row]:
        """Returns rows that are due: at `now`, or those never tried at `first`; locks nothing."""
        rows = await self._connection.execute(
            _DUE, {"kind": kind, "now": now, "first": first, "count": limit}
        )
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

    async def news(self, job: Job, now: int, kind: str) -> News:
        """Returns what a row of this kind tells of a range; without what was removed since."""
        rows = await self._connection.execute(
            sa.select(*MESSAGE)
            .where(
                message.c.conversation_id == job.conversation_id,
                message.c.seq.between(job.from_seq, job.to_seq),
                message.c.kind.in_(TEXTS),
                sa.or_(message.c.expires_at == 0, message.c.expires_at > now),
            )
            .order_by(message.c.seq)
        )
        entries = [self._entry(Message(*row), kind) for row in rows]
        if not entries:
            return News((), ())
        return News(
            entries,
            await self._readers(job.conversation_id, kind),
            [
                (None if user_id == EVERYBODY else user_id, seq)
                for user_id, seq in await self._marked(mention, job)
            ],
            await self._marked(hidden, job),
        )

    def _entry(self, found: Message, kind: str) -> Entry:
        content = self._to_json(found) if kind == HOOK else {}
        text = text_of(found.kind, bytes(found.body))
        return Entry(found.seq, found.sender_id, text, content)

    async def _readers(self, conversation_id: str, kind: str) -> list[Reader]:
        how = TOLD_AT_ONCE if kind == HOOK else TOLD_LATER
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
            ).where(member.c.conversation_id == conversation_id, member.c.notify == how)
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
