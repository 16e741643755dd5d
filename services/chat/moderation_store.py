"""The SQL of moderation: reports with their evidence, announcements, and the audit's table."""

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from services.chat.announcements import Announcement
from services.chat.reports import Evidence, Report
from services.chat.store import Store
from services.chat.tables import metadata
from services.common.audit import audit_table
from services.common.database import id_column_type, text_column_type

TEXT_BYTES = 65_535

report = sa.Table(
    "report",
    metadata,
    # Ordered by time: a UUID of version 7.
    sa.Column("id", id_column_type(), primary_key=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("reporter_id", id_column_type(), nullable=False),
    sa.Column("user_id", id_column_type(), nullable=False),
    sa.Column("category", sa.SmallInteger, nullable=False),
    sa.Column("text", text_column_type(1000), nullable=False),
    # What makes it one while it is open; NULL when it is closed.
    sa.Column("open_key", id_column_type(250), unique=True),
    # The message as it stood; seq is 0 when a user is reported.
    sa.Column("conversation_id", id_column_type(), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("sent_at", sa.BigInteger, nullable=False),
    sa.Column("said", sa.LargeBinary(TEXT_BYTES), nullable=False),
    sa.Column("closed_at", sa.BigInteger, nullable=False),
    sa.Column("closed_by", id_column_type(), nullable=False),
    sa.Column("note", text_column_type(500), nullable=False),
    sa.Index("report_by_state", "closed_at", "id"),
)

announcement = sa.Table(
    "announcement",
    metadata,
    # Ordered by time: a UUID of version 7.
    sa.Column("id", id_column_type(), primary_key=True),
    sa.Column("client_id", id_column_type(), nullable=False, unique=True),
    sa.Column("sender_id", id_column_type(), nullable=False),
    sa.Column("text", sa.LargeBinary(TEXT_BYTES), nullable=False),
    sa.Column("admin", id_column_type(), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("told", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    # Up to whom it has come, in the order of the ids.
    sa.Column("after_user_id", id_column_type(), nullable=False),
    # Until when a pod goes on with it.
    sa.Column("lease_until", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger, nullable=False),
    sa.Index("announcement_by_state", "finished_at", "lease_until"),
)

audit = audit_table(metadata, "chat_audit")


class ModerationStore(Store):
    """One open transaction on chat's tables, those of moderation too."""

    # Reports

    async def open_report(self, open_key: str) -> str | None:
        """Returns the id of the report that is open under a key."""
        found: str | None = await self._connection.scalar(
            sa.select(report.c.id).where(report.c.open_key == open_key)
        )
        return found

    async def add_report(self, new: Report, open_key: str) -> None:
        """Adds a report; raises Duplicate when one is open under the key."""
        evidence = new.evidence or Evidence("", 0, 0, "")
        await self._connection.execute(
            sa.insert(report).values(
                id=new.id,
                created_at=new.created_at,
                reporter_id=new.reporter_id,
                user_id=new.user_id,
                category=new.category,
                text=new.text,
                open_key=open_key,
                conversation_id=evidence.conversation_id,
                seq=evidence.seq,
                sent_at=evidence.created_at,
                said=evidence.text.encode(),
                closed_at=0,
                closed_by="",
                note="",
            )
        )

    async def report(self, id: str) -> Report | None:
        """Returns a report and locks it."""
        rows = await self._connection.execute(
            sa.select(report).where(report.c.id == id).with_for_update()
        )
        row = rows.first()
        return _report(row) if row else None

    async def reports(self, before: str, limit: int, *, closed: bool) -> list[Report]:
        """Returns reports, the newest first; those before an id, if there is one."""
        state = report.c.closed_at > 0 if closed else report.c.closed_at == 0
        statement = sa.select(report).where(state).order_by(report.c.id.desc()).limit(limit)
        if before:
            statement = statement.where(report.c.id < before)
        return [_report(row) for row in await self._connection.execute(statement)]

    async def close_report(self, id: str, at: int, admin: str, note: str) -> None:
        """Closes a report: the same may be reported again."""
        await self._connection.execute(
            sa.update(report)
            .where(report.c.id == id)
            .values(open_key=None, closed_at=at, closed_by=admin, note=note)
        )

    # Announcements

    async def announced(self, client_id: str) -> Announcement | None:
        """Returns the announcement that was begun under an id of the caller's."""
        return await self._announcement(announcement.c.client_id == client_id)

    async def announcement(self, id: str) -> Announcement | None:
        """Returns an announcement."""
        return await self._announcement(announcement.c.id == id)

    async def _announcement(self, condition: sa.ColumnElement[bool]) -> Announcement | None:
        rows = await self._connection.execute(sa.select(announcement).where(condition))
        row = rows.first()
        return _announcement(row) if row else None

    async def add_announcement(self, new: Announcement) -> None:
        """Adds an announcement; raises Duplicate when the caller's id has one."""
        values = asdict(new) | {"text": new.text.encode()}
        await self._connection.execute(sa.insert(announcement).values(**values))

    async def announcements(self, before: str, limit: int) -> list[Announcement]:
        """Returns announcements, the newest first; those before an id, if there is one."""
        statement = sa.select(announcement).order_by(announcement.c.id.desc()).limit(limit)
        if before:
            statement = statement.where(announcement.c.id < before)
        return [_announcement(row) for row in await self._connection.execute(statement)]

    async def due_announcement(self, now: int) -> Announcement | None:
        """Returns the oldest announcement that is not finished and that no pod goes on with."""
        rows = await self._connection.execute(
            sa.select(announcement)
            .where(announcement.c.finished_at == 0, announcement.c.lease_until <= now)
            .order_by(announcement.c.id)
            .limit(1)
        )
        row = rows.first()
        return _announcement(row) if row else None

    async def claim_announcement(self, known: Announcement, until: int) -> bool:
        """Takes an announcement until a time; says whether nobody was quicker."""
        claimed = await self._connection.execute(
            sa.update(announcement)
            .where(
                announcement.c.id == known.id,
                announcement.c.lease_until == known.lease_until,
                announcement.c.finished_at == 0,
            )
            .values(lease_until=until)
        )
        return bool(claimed.rowcount == 1)

    async def advance_announcement(self, known: Announcement, now: Announcement) -> bool:
        """Writes how far one came; says whether nobody else has gone on from there."""
        moved = await self._connection.execute(
            sa.update(announcement)
            .where(
                announcement.c.id == known.id,
                announcement.c.after_user_id == known.after_user_id,
                announcement.c.finished_at == 0,
            )
            .values(
                total=now.total,
                told=now.told,
                refused=now.refused,
                after_user_id=now.after_user_id,
                lease_until=now.lease_until,
                finished_at=now.finished_at,
            )
        )
        return bool(moved.rowcount == 1)


def _report(row: Any) -> Report:
    evidence = None
    if row.seq:
        evidence = Evidence(row.conversation_id, row.seq, row.sent_at, bytes(row.said).decode())
    return Report(
        row.id,
        row.created_at,
        row.reporter_id,
        row.user_id,
        row.category,
        row.text,
        evidence,
        row.closed_at,
        row.closed_by,
        row.note,
    )


def _announcement(row: Any) -> Announcement:
    return Announcement(
        row.id,
        row.client_id,
        row.sender_id,
        bytes(row.text).decode(),
        row.admin,
        row.created_at,
        row.total,
        row.told,
        row.refused,
        row.after_user_id,
        row.lease_until,
        row.finished_at,
    )
