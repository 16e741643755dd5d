"""The audit: what administrators asked for and what came of it, written around every such call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import sqlalchemy as sa
import structlog
from google.protobuf import json_format
from google.protobuf.message import Message
from hongyan.verify.v1 import admin_pb2

from services.common.admins import Admins
from services.common.connections import Connection
from services.common.database import id_column_type, text_column_type
from services.common.errors import AppError
from services.common.identity import set_admin

PAGE = 50
REASON_LENGTH = 500
REQUEST_BYTES = 32_768

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One call. `admin` is empty when the key was nobody's, `outcome` while there is none."""

    id: str
    at: int
    admin: str
    rpc: str
    request: str
    reason: str
    outcome: str = ""
    refusal: str = ""


def audit_table(metadata: sa.MetaData, name: str) -> sa.Table:
    """Returns a service's table of entries."""
    return sa.Table(
        name,
        metadata,
        # Ordered by time: a UUID of version 7.
        sa.Column("id", id_column_type(), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("admin", id_column_type(), nullable=False),
        sa.Column("rpc", id_column_type(190), nullable=False),
        sa.Column("request", sa.LargeBinary(65535), nullable=False),
        sa.Column("reason", text_column_type(500), nullable=False),
        sa.Column("outcome", id_column_type(32), nullable=False),
        sa.Column("refusal", id_column_type(), nullable=False),
    )


class AuditStore:
    """One open transaction on a service's audit. Nothing here deletes."""

    def __init__(self, connection: Connection, table: sa.Table) -> None:
        self._connection = connection
        self._table = table

    async def add(self, entry: Entry) -> None:
        """Adds an entry without an outcome."""
        await self._connection.execute(
            sa.insert(self._table).values(
                id=entry.id,
                at=entry.at,
                admin=entry.admin,
                rpc=entry.rpc,
                request=entry.request.encode(),
                reason=entry.reason,
                outcome="",
                refusal="",
            )
        )

    async def conclude(self, id: str, outcome: str, refusal: str) -> None:
        """Says what came of a call that has no outcome."""
        table = self._table
        await self._connection.execute(
            sa.update(table)
            .where(table.c.id == id, table.c.outcome == "")
            .values(outcome=outcome, refusal=refusal)
        )

    async def page(self, before: str, limit: int) -> list[Entry]:
        """Returns entries, the newest first; those before an id, if there is one."""
        table = self._table
        statement = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if before:
            statement = statement.where(table.c.id < before)
        rows = await self._connection.execute(statement)
        return [
            Entry(
                row.id,
                row.at,
                row.admin,
                row.rpc,
                bytes(row.request).decode(),
                row.reason,
                row.outcome,
                row.refusal,
            )
            for row in rows
        ]


Begin = Callable[[], AbstractAsyncContextManager[Connection]]


class Audit:
    """Writes and reads the audit of one service."""

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        table: sa.Table,
        *,
        now: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._begin = begin
        self._read = read
        self._table = table
        self._now = now
        self._new_id = new_id

    async def intend(self, admin: str, rpc: str, request: str, reason: str) -> str:
        """Writes what is about to be done; returns the entry's id."""
        entry = Entry(self._new_id(), self._now(), admin, rpc, request, reason)
        async with self._begin() as connection:
            await AuditStore(connection, self._table).add(entry)
        return entry.id

    async def conclude(self, id: str, outcome: str, refusal: str) -> None:
        """Writes what came of it."""
        async with self._begin() as connection:
            await AuditStore(connection, self._table).conclude(id, outcome, refusal)

    async def page(self, before: str, limit: int) -> tuple[list[Entry], str]:
        """Returns a page, the newest first, and the token of the next one."""
        async with self._read() as connection:
            found = await AuditStore(connection, self._table).page(before, limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else ""


class Administration:
    """What stands around every call of an administrator: the key, and the audit.

    The intent is written before the act, and without it there is no act. An outcome that
    cannot be written is left empty: the act was done all the same.
    """

    def __init__(self, admins: Admins, audit: Audit) -> None:
        self._admins = admins
        self._audit = audit

    async def run(
        self, rpc: str, request: Any, read_key: Callable[[], str], act: Callable[[], Awaitable[T]]
    ) -> T:
        """Does an act in the name of a key's administrator; raises AppError."""
        admin, refusal = "", None
        try:
            admin = self._admins.check(read_key())
        except AppError as error:
            refusal = error
        known = bool(admin) and isinstance(request, Message)
        entry_id = await self._audit.intend(
            admin,
            rpc.removeprefix("/hongyan."),
            _as_json(request) if known else "",
            _reason(request) if known else "",
        )
        try:
            if refusal:
                raise refusal
            set_admin(admin)
            answer = await act()
        except BaseException as error:
            await asyncio.shield(self._conclude(entry_id, *_outcome(error)))
            raise
        await asyncio.shield(self._conclude(entry_id, "OK", ""))
        return answer

    async def _conclude(self, id: str, outcome: str, refusal: str) -> None:
        try:
            await self._audit.conclude(id, outcome, refusal)
        except Exception as error:  # the act is done, or refused: it must not look otherwise
            log.error("audit.outcome_lost", entry=id, outcome=outcome, exc_info=error)


def _as_json(request: Message) -> str:
    text = json_format.MessageToJson(
        request, preserving_proto_field_name=True, indent=None, ensure_ascii=False
    )
    if (size := len(text.encode())) > REQUEST_BYTES:
        return f'{{"too_large": {size}}}'
    return text


def _reason(request: Message) -> str:
    """Returns why, in the administrator's words: every act has a reason or a note."""
    words = getattr(request, "reason", "") or getattr(request, "note", "")
    return str(words)[:REASON_LENGTH]


def _outcome(error: BaseException) -> tuple[str, str]:
    if isinstance(error, AppError):
        return error.code.name, error.reason
    if isinstance(error, asyncio.CancelledError):
        return grpc.StatusCode.CANCELLED.name, ""
    return grpc.StatusCode.INTERNAL.name, ""


def to_entries(entries: Sequence[Entry]) -> list[admin_pb2.AuditEntry]:
    """Returns entries as both services list them."""
    listed = []
    for entry in entries:
        it = admin_pb2.AuditEntry(
            entry_id=entry.id,
            admin=entry.admin,
            rpc=entry.rpc,
            request=entry.request,
            reason=entry.reason,
            outcome=entry.outcome,
            refusal=entry.refusal,
        )
        it.at.FromMicroseconds(entry.at)
        listed.append(it)
    return listed
