"""One system on MariaDB and a Redis Cluster, which the fault tests break and leave healthy."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from loadtest.servers import MariaDb, RedisNodes, mariadb, redis_cluster
from services.embedded.system import System
from tests.faults.load import running
from tests.faults.people import Town
from tests.faults.report import TRIALS, keep, table
from tests.faults.scale import LONG

REPLICAS = {"chat": 2, "gate": 2}


@dataclass(frozen=True, slots=True)
class World:
    """A running system and the servers of its stores."""

    system: System
    mariadb: MariaDb
    redis: RedisNodes
    home: Path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The shared system: two chat pods, two gates."""
    home = tmp_path_factory.mktemp("faults")
    async with mariadb() as database, redis_cluster() as redis:
        stores = {"database_url": SecretStr(database.url), "redis_nodes": redis.nodes}
        async with running(home, replicas=REPLICAS, **stores) as system:
            yield World(system, database, redis, home)


@pytest_asyncio.fixture(loop_scope="session")
async def town(world: World, tmp_path: Path) -> AsyncIterator[Town]:
    """People of the shared system, which has got over what the test before did to it."""
    async with asyncio.timeout(60):
        while not await world.system.healthy():
            await asyncio.sleep(0.05)
    async with Town(world.system, tmp_path) as people:
        yield people


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TRIALS:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(table(TRIALS))
    if LONG:
        keep(TRIALS)
