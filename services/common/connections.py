"""Connections to the database: kept open, shared, and able to run SQL past SQLAlchemy's layers."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# A connection that is older is opened anew: a server ends those that are silent for hours.
AGE_SECONDS = 1800
WAIT_SECONDS = 5

Values = Mapping[str, Any]


class Connection(AsyncConnection):
    """A connection with a short way for the statements of the hot path.

    What `execute` runs passes SQLAlchemy's layers and is a round trip of its own. `fetch` sends
    finished text to the driver, and `write` queues it until something must be answered: the last
    writes and the commit are one round trip. The transaction is the same on both ways. Values
    reach the database as they are, so they must be of types that every driver knows.
    """

    __slots__ = ("_begun", "_driver", "_is_sqlite", "_opened_at", "_queued", "_writes")

    async def open(self, *, writes: bool) -> None:
        """Connects; a connection that only reads has no transactions."""
        await self.start()
        self._writes = writes
        self._driver: Any = (await self.get_raw_connection()).driver_connection
        self._is_sqlite = self.dialect.name == "sqlite"
        self._opened_at = time.monotonic()
        self._queued: list[tuple[sa.Executable, Sequence[Values]]] = []
        self._begun = False

    @property
    def is_sqlite(self) -> bool:
        """Whether it is one of SQLite."""
        return self._is_sqlite

    @property
    def old(self) -> bool:
        """Whether it should be opened anew."""
        return not self._is_sqlite and time.monotonic() - self._opened_at > AGE_SECONDS

    async def execute(self, statement: Any, parameters: Any = None, **options: Any) -> Any:
        """Runs any statement of SQLAlchemy, after what is queued."""
        if self._queued:
            await self._send()
        return await super().execute(statement, parameters, **options)

    async def fetch(self, statement: sa.Executable, values: Values) -> Sequence[Any]:
        """Runs what is queued and a query, and returns its rows."""
        return await self._send((statement, (values,)))

    def write(self, statement: sa.Executable, rows: Sequence[Values]) -> None:
        """Queues a statement, or an INSERT of several rows: errors come with what is sent next."""
        self._queued.append((statement, rows))

    async def commit(self) -> None:
        """Runs what is queued and commits."""
        if self.in_transaction():
            if self._queued:
                await self._send()
            await super().commit()
        elif self._queued or self._begun:
            await self._send(commit=True)
        self._begun = False

    async def rollback(self) -> None:
        """Undoes the transaction."""
        self._queued.clear()
        if self.in_transaction():
            await super().rollback()
        elif self._begun:
            await self._driver.rollback()
        self._begun = False

    async def _send(
        self, query: tuple[sa.Executable, Sequence[Values]] | None = None, *, commit: bool = False
    ) -> Sequence[Any]:
        """Sends all that is queued in one round trip; returns the rows of the query."""
        asked, self._queued = [*self._queued, *([query] if query else [])], []
        self._begun = self._writes
        texts = [
            (_text(one, self.dialect, tuple(rows[0]) if isinstance(one, sa.Insert) else None), rows)
            for one, rows in asked
        ]
        try:
            if self._is_sqlite:
                # The driver's own thread: one way there and back for the whole script.
                run: Any = self._driver._execute
                found = await run(_run_sqlite, self._driver._conn, texts, self._writes, commit)
                return cast("Sequence[Any]", found)
            script = [text.joined(rows, self._driver.literal) for text, rows in texts]
            return await self._run(";".join([*script, *(["COMMIT"] if commit else [])]))
        except self.dialect.loaded_dbapi.Error as error:
            raise sa.exc.DBAPIError.instance(
                "", (), error, self.dialect.loaded_dbapi.Error, hide_parameters=True
            ) from error

    async def _run(self, script: str) -> Sequence[Any]:
        cursor = self._driver.cursor()
        await cursor.execute(script)
        rows: Sequence[Any] = ()
        while True:
            # Writes and the commit answer without a description.
            if cursor.description:
                rows = await cursor.fetchall()
            if not await cursor.nextset():
                return rows


class _Text:
    """A statement as its driver takes it."""

    def __init__(self, sql: str, names: Sequence[str], constants: Values) -> None:
        self._sql = sql
        self._names = names
        self._constants = constants
        self._head, self._values, self._row = sql.partition(" VALUES ")

    def arguments(self, rows: Sequence[Values]) -> list[tuple[Any, ...]]:
        """Returns the values of each row in the order of the text."""
        if self._constants:
            rows = [{**self._constants, **row} for row in rows]
        return [tuple([row[name] for name in self._names]) for row in rows]

    def joined(self, rows: Sequence[Values], literal: Any) -> str:
        """Returns the text with its values in it, of all rows as one INSERT."""
        quoted = [tuple(map(literal, one)) for one in self.arguments(rows)]
        if len(rows) == 1:
            return self._sql % quoted[0]
        return self._head + self._values + ",".join([self._row % one for one in quoted])

    def run(self, connection: Any, rows: Sequence[Values]) -> Sequence[Any]:
        """Runs it on a connection of sqlite3, in that connection's thread."""
        arguments = self.arguments(rows)
        if len(arguments) == 1:
            return list(connection.execute(self._sql, arguments[0]))
        connection.executemany(self._sql, arguments)
        return ()


@lru_cache(maxsize=4096)
def _text(statement: sa.Executable, dialect: sa.Dialect, columns: tuple[str, ...] | None) -> _Text:
    """Returns a statement's text, made once; `columns` are those that an INSERT fills."""
    compiled: Any = statement.compile(dialect=dialect, column_keys=columns)  # type: ignore[attr-defined]
    # A dialect adds values of its own, as SQLite does to a LIMIT.
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return _Text(str(compiled), compiled.positiontup or (), constants)


def _run_sqlite(
    connection: Any, texts: Iterable[tuple[_Text, Sequence[Values]]], begin: bool, commit: bool
) -> Sequence[Any]:
    if begin and not connection.in_transaction:
        # The lock is taken at once: to upgrade a read lock later could fail half-way.
        connection.execute("BEGIN IMMEDIATE")
    rows: Sequence[Any] = ()
    for text, values in texts:
        rows = text.run(connection, values)
    if commit:
        connection.commit()
    return rows


class Connections:
    """Connections that stay open, for one user each at a time.

    SQLAlchemy's pool hands over in greenlets and rolls back once more: at one message in a
    transaction that costs more than the transaction.
    """

    def __init__(self, engine: AsyncEngine, size: int, *, writes: bool) -> None:
        self._engine = engine
        self._writes = writes
        self._turn = asyncio.Semaphore(size)
        self._free: list[Connection] = []
        self._age = 0

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Connection]:
        """Lends a connection; what is not committed is undone at the end."""
        if self._turn.locked():
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turn.acquire()
        else:
            await self._turn.acquire()
        age, connection = self._age, None
        try:
            connection = await self._take()
            yield connection
        except Exception as error:
            if connection and not await self._undone(connection, error):
                connection = None
            raise
        except BaseException:
            # Cancelled in the middle of something: nobody knows what it will answer next.
            if connection:
                await asyncio.shield(_end(connection))
                connection = None
            raise
        finally:
            if connection and age == self._age:
                self._free.append(connection)
            self._turn.release()
            if connection and age != self._age:
                await _end(connection)

    async def _take(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.old:
                return connection
            await _end(connection)
        connection = Connection(self._engine)
        await connection.open(writes=self._writes)
        return connection

    async def _undone(self, connection: Connection, error: Exception) -> bool:
        """Undoes what a connection has open; ends it when that does not work.

        One of SQLite that failed is ended in any case: when it was the BEGIN that failed,
        SQLAlchemy takes the connection for one that is about to begin, and never begins again.
        """
        if connection.is_sqlite and isinstance(error, sa.exc.SQLAlchemyError):
            await _end(connection)
            return False
        try:
            await connection.rollback()
        except Exception:
            await _end(connection)
            return False
        return not connection.invalidated

    async def close(self) -> None:
        """Closes every connection, those in use when they come back."""
        self._age += 1
        free, self._free = self._free, []
        for connection in free:
            await _end(connection)


async def _end(connection: Connection) -> None:
    with suppress(Exception):
        await connection.invalidate()
    with suppress(Exception):
        await connection.close()
