"""24: the disk under the database is full: a clear refusal, nothing half, and it recovers."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from services.embedded.system import System
from tests.faults.history import read_log
from tests.faults.load import Load, running
from tests.faults.people import CANARY, Town
from tests.faults.report import Trial, trial
from tests.faults.scale import scaled

DISK = "24m"
TEXT_BYTES = 12_000
BLOCK = b"\\0" * 4096
# The server asks for thirty seconds; the outbox keeps to that.
PATIENCE_SECONDS = 90

pytestmark = pytest.mark.timeout(scaled(200, 600))


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mounts a small disk in memory; needs root, or a sudo that does not ask."""
    rights = [] if os.getuid() == 0 else ["sudo", "-n"]
    owner = f"size={DISK},uid={os.getuid()},mode=700"
    subprocess.run([*rights, "mount", "-t", "tmpfs", "-o", owner, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run([*rights, "umount", "-l", folder], check=True)


def fill(path: Path) -> None:
    """Fills a disk to the last block."""
    with path.open("ab", buffering=0) as file:
        try:
            while file.write(BLOCK) == len(BLOCK):
                pass
        except OSError:
            return


async def test_a_full_disk_under_the_database(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    url = SecretStr(f"sqlite:///{disk}/hongyan.db")
    with small_disk(disk):
        async with (
            running(tmp_path / "home", database_url=url) as system,
            Town(system, tmp_path) as town,
        ):
            with trial("24", "disk full under the database") as record:
                await fill_and_empty(system, town, disk / "ballast", record)


async def fill_and_empty(system: System, town: Town, ballast: Path, record: Trial) -> None:
    """Fills the disk under load and makes room again."""
    load = await Load(town, pairs=1).start()
    filler, _, conversation_id = await town.pair("filler", "idle")
    # What it sends by REST is in nobody's history.
    del town.history.members[conversation_id]
    token = await filler.client.account.access_token()
    async with httpx.AsyncClient(base_url=system.address, trust_env=False) as rest:
        for _ in range(scaled(1, 5)):
            await load.progress()
            fill(ballast)
            record.faults += 1
            stored, refused = await send_until_refused(rest, token, conversation_id)
            assert refused.status_code == 429, refused.text
            assert refused.json()["code"] == 8
            assert "DISK_FULL" in refused.text
            os.unlink(ballast)
            began = time.monotonic()
            await load.progress(20, PATIENCE_SECONDS)
            record.figures["20 more acks after, seconds"] = round(time.monotonic() - began, 1)
            rows = {row.client_message_id for row in read_log(system.database_url).rows}
            assert stored <= rows
    await load.finish()
    record.judge(town)


async def send_until_refused(
    rest: httpx.AsyncClient, token: str, conversation_id: str
) -> tuple[set[str], httpx.Response]:
    """Sends large texts until one is refused; returns what was stored, and the refusal."""
    stored: set[str] = set()
    while True:
        id = secrets.token_hex(16)
        answer = await rest.post(
            f"/v1/conversations/{conversation_id}/messages",
            json={"client_message_id": id, "text": CANARY.ljust(TEXT_BYTES, "x")},
            headers={"authorization": f"Bearer {token}"},
            timeout=20,
        )
        if answer.status_code != 200:
            return stored, answer
        stored.add(id)
