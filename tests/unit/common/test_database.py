"""The database: what its errors become, its durability, its transactions, its migrations."""

import asyncio
import errno
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.common import migrations, serving
from services.common.database import (
    Database,
    Duplicate,
    LostRace,
    async_url,
    sync_url,
    translate,
)
from services.common.errors import AppError, Exhausted, Unavailable


def raised(kind: type[sa.exc.DBAPIError], *args: Any) -> sa.exc.DBAPIError:
    return kind("SELECT 1", {}, Exception(*args))


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (raised(sa.exc.IntegrityError, 1062, "Duplicate entry"), Duplicate),
        (raised(sa.exc.OperationalError, 1213, "Deadlock found"), LostRace),
        (raised(sa.exc.OperationalError, 1205, "Lock wait timeout"), LostRace),
        (raised(sa.exc.OperationalError, 1020, "Record has changed"), LostRace),
        (raised(sa.exc.OperationalError, "database is locked"), LostRace),
        (raised(sa.exc.OperationalError, 1021, "Disk full"), Exhausted),
        (raised(sa.exc.OperationalError, 1114, "The table is full"), Exhausted),
        (raised(sa.exc.OperationalError, "database or disk is full"), Exhausted),
        (raised(sa.exc.OperationalError, 2003, "Can't connect"), Unavailable),
        (raised(sa.exc.OperationalError, 2013, "Lost connection"), Unavailable),
        (raised(sa.exc.InternalError, 1927, "Connection was killed"), Unavailable),
        (raised(sa.exc.OperationalError), Unavailable),
        (sa.exc.TimeoutError("QueuePool limit reached"), Unavailable),
        (ConnectionResetError(), Unavailable),
        (TimeoutError(), Unavailable),
        (OSError(errno.ENOSPC, "No space left"), Exhausted),
    ],
    ids=str,
)
def test_what_the_driver_raises_becomes(error: Exception, becomes: type[AppError]) -> None:
    found = translate(error)
    assert type(found) is becomes
    if not isinstance(found, Duplicate):
        assert isinstance(found, AppError)
        assert found.retry_seconds


@pytest.mark.parametrize(
    "error",
    [
        raised(sa.exc.ProgrammingError, 1064, "syntax"),
        raised(sa.exc.DataError, 1406, "Data too long"),
        sa.exc.InvalidRequestError("our own mistake"),
    ],
    ids=str,
)
def test_our_own_mistakes_stay_what_they_are(error: Exception) -> None:
    assert translate(error) is error


def test_urls_get_the_drivers() -> None:
    assert async_url("sqlite:///x.db").drivername == "sqlite+aiosqlite"
    for scheme in ("mysql", "mariadb", "mysql+pymysql"):
        url = f"{scheme}://u:p@host:3306/name"
        assert async_url(url).drivername == "mysql+asyncmy"
        assert sync_url(url).drivername == "mysql+pymysql"
        assert async_url(url).query["charset"] == "utf8mb4"
    with pytest.raises(ValueError, match="postgresql"):
        async_url("postgresql://host/name")


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}", pool=3)
    async with database.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE thing (id INTEGER PRIMARY KEY)"))
    yield database
    await database.close()


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int(await connection.scalar(sa.text("SELECT count(*) FROM thing")) or 0)


async def test_a_commit_is_on_disk_before_it_returns(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.scalar(sa.text("PRAGMA synchronous")) == 2
        assert await connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"


async def test_an_exception_undoes_the_transaction(database: Database) -> None:
    async def fail() -> None:
        async with database.begin() as connection:
            await connection.execute(sa.text("INSERT INTO thing VALUES (1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await count(database) == 0


async def test_a_cancelled_writer_leaves_nothing_and_no_lock(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.begin() as connection:
            await connection.execute(sa.text(f"INSERT INTO thing VALUES ({number})"))
            await asyncio.Event().wait()

    for number in range(6):
        task = asyncio.create_task(write(number))
        for _ in range(number * 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(4), database.begin() as connection:
        await connection.execute(sa.text("INSERT INTO thing VALUES (100)"))
    assert await count(database) == 1


async def test_a_unique_key_is_duplicate(database: Database) -> None:
    async def write_twice() -> None:
        async with database.begin() as connection:
            await connection.execute(sa.text("INSERT INTO thing VALUES (1)"))
            await connection.execute(sa.text("INSERT INTO thing VALUES (1)"))

    with pytest.raises(Duplicate):
        await write_twice()
    assert await count(database) == 0


async def test_writers_take_turns_and_none_is_lost(database: Database) -> None:
    async def add() -> None:
        async with database.begin() as connection:
            top = await connection.scalar(sa.text("SELECT coalesce(max(id), 0) FROM thing"))
            await asyncio.sleep(0)
            await connection.execute(sa.text(f"INSERT INTO thing VALUES ({top + 1})"))

    await asyncio.gather(*(add() for _ in range(20)))
    assert await count(database) == 20


async def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'test.db'}", pool=1)
    threads = set(threading.enumerate())
    with pytest.raises(Unavailable):
        await database.check()
    await database.close()
    async with asyncio.timeout(5):
        # The driver's thread has a last word for this event loop.
        while set(threading.enumerate()) - threads:
            await asyncio.sleep(0.002)


def test_migrating_twice_changes_nothing_the_second_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    newest = migrations.newest("chat")
    assert newest
    assert migrations.upgrade("chat", url) == (None, newest)
    with sqlite3.connect(tmp_path / "chat.db") as connection:
        connection.execute(
            "INSERT INTO conversation (id, kind, pair, last_seq, member_version, active_at) "
            "VALUES ('c', 1, 'a:b', 0, 1, 0)"
        )
    connection.close()
    assert migrations.upgrade("chat", url) == (newest, newest)
    serving.run_migration("chat", url)
    assert capsys.readouterr().out == f"chat: up to date, revision {newest}\n"


def test_a_migration_that_cannot_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="chat: the migration failed"):
        serving.run_migration("chat", f"sqlite:///{tmp_path / 'missing' / 'chat.db'}")


def test_the_migrations_make_the_tables_that_the_store_uses(tmp_path: Path) -> None:
    from services.chat.tables import metadata  # noqa: PLC0415

    url = f"sqlite:///{tmp_path / 'chat.db'}"
    migrations.upgrade("chat", url)
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    for table in metadata.tables.values():
        found = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
        assert found == {column.name: column.nullable for column in table.columns}
        key = inspector.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [column.name for column in table.primary_key.columns]
        unique = {
            tuple(one["column_names"]) for one in inspector.get_unique_constraints(table.name)
        }
        wanted = {
            tuple(column.name for column in one.columns)
            for one in table.constraints
            if isinstance(one, sa.UniqueConstraint)
        }
        assert unique == wanted
        indexes = {tuple(one["column_names"]) for one in inspector.get_indexes(table.name)}
        assert {tuple(c.name for c in one.columns) for one in table.indexes} <= indexes
    engine.dispose()


async def test_a_transaction_that_could_not_begin_spoils_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.common.database.SQLITE_BUSY_SECONDS", 0)
    path = tmp_path / "busy.db"
    database = Database(f"sqlite:///{path}", pool=1)
    async with database.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE t (x INTEGER)"))
    other = sqlite3.connect(path, isolation_level=None)
    for _ in range(3):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AppError):
            async with database.begin() as connection:
                await connection.execute(sa.text("SELECT x FROM t"))
        other.execute("ROLLBACK")
        async with database.begin() as connection:
            await connection.execute(sa.text("INSERT INTO t VALUES (1)"))
    other.close()
    async with database.read() as connection:
        assert await connection.scalar(sa.text("SELECT count(*) FROM t")) == 3
    await database.close()
