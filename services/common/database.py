"""The database: one engine for SQLite, MariaDB and MySQL, and what differs between them."""

import errno
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.common.connections import Connection, Connections
from services.common.errors import AppError, Exhausted, Unavailable

SQLITE_BUSY_SECONDS = 5
# Deadlock, lock wait timeout, record changed since last read (MariaDB): nothing was written.
LOST_RACES = {1213, 1205, 1020}
# Disk full, table full; MySQL and MariaDB.
NO_SPACE = {1021, 1114, 1041, 28}

_ALIVE = sa.text("SELECT 1")


def id_column_type(length: int = 64) -> sa.types.TypeEngine[str]:
    """The type of an opaque id: compared byte by byte in every database."""
    ascii_type = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_type, "mysql", "mariadb")


def text_column_type(length: int) -> sa.types.TypeEngine[str]:
    """The type of a short text in any script, emoji too."""
    unicode_type = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return sa.String(length).with_variant(unicode_type, "mysql", "mariadb")


def async_url(url: str) -> URL:
    """Returns the URL with the driver that serves; raises ValueError for another database."""
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return parsed.set(drivername="sqlite+aiosqlite")
        case "mysql" | "mariadb":
            # One dialect for both: SQLAlchemy finds out by itself which of them answers.
            return parsed.set(drivername="mysql+asyncmy").update_query_dict({"charset": "utf8mb4"})
    raise ValueError(f"HONGYAN_DATABASE_URL: {parsed.get_backend_name()} is not supported")


def sync_url(url: str) -> URL:
    """Returns the URL with the driver that migrates."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return parsed.set(drivername="sqlite")
    if parsed.get_backend_name() not in ("mysql", "mariadb"):
        raise ValueError(f"HONGYAN_DATABASE_URL: {parsed.get_backend_name()} is not supported")
    return parsed.set(drivername="mysql+pymysql").update_query_dict({"charset": "utf8mb4"})


class Database:
    """Opens transactions; what goes wrong with the database leaves as an AppError."""

    def __init__(self, url: str, pool: int) -> None:
        target = async_url(url)
        self.is_sqlite = target.get_backend_name() == "sqlite"
        options: dict[str, Any] = {
            "poolclass": sa.NullPool,
            # An error's text goes into the log: addresses and messages must not.
            "hide_parameters": True,
        }
        if self.is_sqlite:
            options["connect_args"] = {"timeout": SQLITE_BUSY_SECONDS, "isolation_level": None}
        else:
            options["connect_args"] = {"connect_timeout": 3}
        committed = {} if self.is_sqlite else {"isolation_level": "READ COMMITTED"}
        self._writer = create_async_engine(target, **options, **committed)
        # A reader needs no transaction: with READ COMMITTED each statement sees what is
        # committed at its own time anyway, and BEGIN and ROLLBACK are two round trips saved.
        self._reader = create_async_engine(
            target, **options, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True
        )
        if self.is_sqlite:
            _prepare_sqlite(self._writer, writes=True)
            _prepare_sqlite(self._reader, writes=False)
        self._writers = Connections(self._writer, pool, writes=True)
        self._readers = Connections(self._reader, pool, writes=False)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection]:
        """One transaction that may write; committed at the end, rolled back on an exception.

        It begins with its first statement.
        """
        try:
            async with self._writers.use() as connection:
                yield connection
                await connection.commit()
        except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as error:
            raise await self._failed(error) from error

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection that only reads: each statement by itself sees what is committed."""
        try:
            async with self._readers.use() as connection:
                yield connection
        except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as error:
            raise await self._failed(error) from error

    async def _failed(self, error: Exception) -> Exception:
        """Translates an error; when the database was away, both pools start anew.

        Else each connection of before would be found broken by one more call.
        """
        translated = translate(error)
        away = isinstance(translated, Unavailable) and not isinstance(translated, LostRace)
        if away and not self.is_sqlite:
            await self._writers.close()
            await self._readers.close()
        return translated

    async def check(self) -> None:
        """Raises Unavailable when the database does not answer.

        Both pools are asked: one that finds a connection broken forgets all of that age, so
        that nobody meets them when the database is back.
        """
        kinds = [self._readers] if self.is_sqlite else [self._readers, self._writers]
        try:
            for connections in kinds:
                async with connections.use() as connection:
                    await connection.fetch(_ALIVE, {})
                    await connection.commit()
        except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as error:
            raise await self._failed(error) from error

    async def close(self) -> None:
        """Closes every connection."""
        await self._writers.close()
        await self._readers.close()


class LostRace(Unavailable):
    """Another transaction won; nothing was written, and the same transaction may run again."""


class Duplicate(AppError):
    """A unique key was there already; nothing was written. Never leaves a service as it is."""


def translate(error: Exception) -> Exception:
    """Turns what a driver raised into an AppError, where the caller can do something about it."""
    if isinstance(error, sa.exc.IntegrityError):
        return Duplicate("DUPLICATE", "a unique key was there already")
    if isinstance(error, sa.exc.DBAPIError):
        original = error.orig
        number = original.args[0] if original is not None and original.args else None
        if number in LOST_RACES or "database is locked" in str(original):
            return LostRace("DATABASE_BUSY", "another transaction won", retry_seconds=0.1)
        if number in NO_SPACE or "disk is full" in str(original):
            return Exhausted("DISK_FULL", "the database's disk is full", retry_seconds=10)
        if isinstance(error, sa.exc.ProgrammingError | sa.exc.DataError):
            return error
        return Unavailable("DATABASE_AWAY", "the database does not answer", retry_seconds=1)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Exhausted("DISK_FULL", "the disk is full", retry_seconds=10)
    if isinstance(error, sa.exc.TimeoutError | OSError | TimeoutError):
        return Unavailable("DATABASE_AWAY", "the database does not answer", retry_seconds=1)
    return error


def for_update(statement: sa.Select[Any]) -> sa.Select[Any]:
    """Locks the selected rows until the end of the transaction; SQLite has locked all already."""
    return statement.with_for_update()


def _begin_wal(cursor: Any) -> None:
    """Switches a new database to its log; SQLite does not wait when another one does it now."""
    ends = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > ends:
                raise
        else:
            return


def _prepare_sqlite(engine: AsyncEngine, *, writes: bool) -> None:
    @sa.event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        # FULL: a commit returns when the log is on disk; NORMAL would promise too much.
        _begin_wal(cursor)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    if writes:

        @sa.event.listens_for(engine.sync_engine, "begin")
        def begin(connection: sa.Connection) -> None:
            # The lock is taken at once: to upgrade a read lock later could fail half-way.
            driver: Any = connection.connection.driver_connection
            if not driver.in_transaction:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
