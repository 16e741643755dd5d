"""Running systems, one for each kind of stores, shared by the tests that do not break them."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from loadtest.accounts import OPEN_LIMITS
from loadtest.servers import MariaDb, RedisNodes, mariadb, mysql_database, redis_cluster
from services.embedded.settings import Settings
from services.embedded.system import System
from tests.faults.people import Town

MYSQL = os.environ.get("HONGYAN_TEST_MYSQL_URL", "")
STORES = ("embedded", "mariadb", *(["mysql"] if MYSQL else []))
# Short, so that a test can wait for the end of it.
REFRESH_GRACE_SECONDS = 1
GRACE = {"HONGYAN_REFRESH_GRACE_SECONDS": str(REFRESH_GRACE_SECONDS)}


@dataclass(frozen=True, slots=True)
class World:
    """A running system and, if it has them, the servers of its stores."""

    stores: str
    system: System
    mariadb: MariaDb | None
    redis: RedisNodes | None


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=STORES)
async def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """The whole system, on one kind of stores after the other."""
    home = tmp_path_factory.mktemp("system")
    async with AsyncExitStack() as stack:
        database = redis = None
        url = ""
        if request.param == "mariadb":
            database = await stack.enter_async_context(mariadb())
            url = database.url
        elif request.param == "mysql":
            url = stack.enter_context(mysql_database(MYSQL))
        if request.param != "embedded":
            redis = await stack.enter_async_context(redis_cluster())
        settings = Settings(
            home=home,
            port=0,
            database_url=SecretStr(url),
            redis_nodes=redis.nodes if redis else "",
        )
        # The servers of bots run here, not in the internet.
        near = {"HONGYAN_PUSH_PRIVATE_ADDRESSES": "true"}
        environment = {**OPEN_LIMITS, "verify": GRACE, "chat": near}
        system = await stack.enter_async_context(System(settings, environment=environment))
        yield World(request.param, system, database, redis)


@pytest.fixture
def system(world: World) -> System:
    """The running system."""
    return world.system


@pytest_asyncio.fixture(loop_scope="session")
async def town(system: System, tmp_path: Path) -> AsyncIterator[Town]:
    """People of the running system, which has got over what the test before did to it."""
    async with asyncio.timeout(60):
        while not await system.healthy():
            await asyncio.sleep(0.05)
    async with Town(system, tmp_path) as people:
        yield people
