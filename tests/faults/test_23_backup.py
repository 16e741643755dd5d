"""23: a backup by the database's own tools is made, all is wiped, and it is restored."""

import asyncio
import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from loadtest.servers import find_program, mariadb
from services.embedded.system import System
from tests.faults.history import read_log
from tests.faults.load import Load, running
from tests.faults.people import Town
from tests.faults.report import Trial, trial
from tests.faults.scale import scaled

DATABASE = "hongyan"
STOPPED = (("gate", 0), ("chat", 0), ("verify", 0))

pytestmark = pytest.mark.timeout(scaled(120, 600))


def checksums(url: str) -> dict[str, tuple[int, str]]:
    """Returns how many messages each conversation has, and a checksum of them."""
    rows: dict[str, list[tuple[object, ...]]] = defaultdict(list)
    for row in read_log(url).rows:
        rows[row.conversation_id].append((row.seq, row.sender_id, row.client_message_id, row.text))
    return {
        conversation_id: (len(own), hashlib.sha256(repr(own).encode()).hexdigest())
        for conversation_id, own in rows.items()
    }


async def run(*command: str, stdin: bytes = b"") -> bytes:
    """Runs a program; returns what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(stdin)
    assert process.returncode == 0, command[0]
    return output


async def restored(
    record: Trial,
    system: System,
    town: Town,
    back_up: Callable[[], Awaitable[None]],
    wipe_and_restore: Callable[[], Awaitable[None]],
) -> None:
    """Backs up under the eyes of clients, wipes, restores, and lets them go on."""
    load = await Load(town).start()
    await load.progress(scaled(200, 5000), 240)
    await load.finish()
    before = checksums(system.database_url)
    await back_up()
    for name, index in STOPPED:
        await system.stop(name, index)
    await wipe_and_restore()
    record.faults += 1
    assert checksums(system.database_url) == before != {}
    for name, index in reversed(STOPPED):
        await system.start(name, index)
    load.go_on()
    await load.progress(scaled(100, 2000), 240)
    await load.finish()
    record.judge(town)


async def test_sqlite_backed_up_and_restored(tmp_path: Path):
    async with running(tmp_path / "home") as system, Town(system, tmp_path) as town:
        file = Path(sa.make_url(system.database_url).database or "")
        copy = tmp_path / "backup.db"

        async def back_up() -> None:
            source, target = sqlite3.connect(file), sqlite3.connect(copy)
            source.backup(target)
            target.close()
            source.close()

        async def wipe_and_restore() -> None:
            for path in file.parent.glob(f"{file.name}*"):
                path.unlink()
            copy.rename(file)

        with trial("23", "backup, wipe, restore: SQLite") as record:
            await restored(record, system, town, back_up, wipe_and_restore)


async def test_mariadb_backed_up_and_restored(tmp_path: Path):
    async with mariadb() as database:
        stores = {"database_url": SecretStr(database.url)}
        own = (f"--socket={database.socket}", "--user=root")
        kept = b""

        async def back_up() -> None:
            nonlocal kept
            program = find_program(("mariadb-dump", "mysqldump"), "mariadb-client")
            kept = await run(program, *own, "--single-transaction", "--hex-blob", DATABASE)

        async def wipe_and_restore() -> None:
            program = find_program(("mariadb", "mysql"), "mariadb-client")
            anew = f"DROP DATABASE {DATABASE}; CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4"
            await run(program, *own, f"--execute={anew}")
            await run(program, *own, DATABASE, stdin=kept)

        async with running(tmp_path / "home", **stores) as system, Town(system, tmp_path) as town:
            with trial("23", "backup, wipe, restore: MariaDB") as record:
                await restored(record, system, town, back_up, wipe_and_restore)
