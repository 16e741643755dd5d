"""Killing everything in the middle: nothing acknowledged is lost, nothing is there twice."""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from hongyan_client.errors import ServerError, Unavailable
from loadtest.accounts import OPEN_LIMITS
from loadtest.servers import mariadb, redis_cluster
from services.embedded.children import ChildDied
from services.embedded.settings import Settings
from services.embedded.system import System
from tests.system.history import check, read_log
from tests.system.people import Device, Town, until

ROUNDS = int(os.environ.get("HONGYAN_FAULT_ROUNDS", "1"))
KILLS = 6
PAIRS = 3

pytestmark = pytest.mark.timeout(240 * ROUNDS)


@asynccontextmanager
async def running(home: Path, **settings: object) -> AsyncIterator[System]:
    """Runs a system of our own: these tests break it."""
    replicas = settings.pop("replicas", {})
    defaults = {"database_url": SecretStr(""), "redis_nodes": ""}
    chosen = Settings(home=home, port=0, **{**defaults, **settings})
    async with System(chosen, environment=OPEN_LIMITS, replicas=replicas) as system:
        yield system


class Load:
    """Pairs of people that write to each other all the time."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._writers: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self.pairs: list[tuple[Device, Device, str]] = []

    async def start(self) -> None:
        """Makes the people and lets them write."""
        self.pairs = [await self._town.pair(f"ling{place}", f"bo{place}") for place in range(PAIRS)]
        for first, second, conversation_id in self.pairs:
            for device in (first, second):
                writer = asyncio.create_task(self._write(device, conversation_id))
                self._writers.append(writer)

    async def _write(self, device: Device, conversation_id: str) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            text = f"{device.name} 第 {number} 条 😀"
            message = await device.send(conversation_id, text)
            await device.client.settled(message.client_message_id, 60)

    @property
    def acked(self) -> int:
        """How many messages were acknowledged so far."""
        return len(self._town.history.acked)

    async def progress(self, count: int = 20) -> None:
        """Waits until so many more messages are acknowledged: the load runs."""
        goal = self.acked + count
        await until(lambda: self.acked >= goal, f"{count} more acks")

    async def finish(self) -> None:
        """Lets everybody finish their sentence, and everything arrive."""
        self._stop.set()
        await asyncio.gather(*self._writers)
        for first, second, conversation_id in self.pairs:
            count = sum(one.conversation_id == conversation_id for one in self._town.history.sent)
            for device in (first, second):
                await until(
                    lambda device=device, id=conversation_id, count=count: (
                        len(device.texts(id)) >= count
                    ),
                    f"{device.name} shows {count} messages",
                )


def judge(name: str, kills: int, town: Town) -> None:
    """Holds what everybody did and saw against the database."""
    verdict = check(name, kills, town.history, read_log(town.system.database_url))
    verdict.keep()
    assert verdict.clean
    assert verdict.acked == verdict.messages > 0


def rows_of(system: System, client_message_id: str) -> list[int]:
    """Returns the seqs under which a message is stored."""
    return [
        row.seq
        for row in read_log(system.database_url).rows
        if row.client_message_id == client_message_id
    ]


async def die_at(system: System, point: str) -> None:
    """Starts chat again so that it kills itself at a commit to come."""
    await system.stop("chat")
    system.set_environment("chat", {"HONGYAN_CHAT_CRASH_POINT": point})
    with contextlib.suppress(ChildDied):  # under load it may die before it is seen to work
        await system.start("chat")


async def come_back(system: System) -> None:
    """Starts chat again, without a crash point."""
    system.set_environment("chat", {"HONGYAN_CHAT_CRASH_POINT": ""})
    await system.start("chat")


@pytest.mark.parametrize(("point", "stored"), [("after_commit:1", 1), ("before_commit:1", 0)])
async def test_a_send_whose_ack_was_killed_keeps_its_number(tmp_path, point, stored):
    async with running(tmp_path / "home") as system, Town(system, tmp_path) as town:
        ling, bo, conversation_id = await town.pair("ling", "bo")
        await die_at(system, point)
        message = await ling.send(conversation_id, "在吗？")
        await system.wait_ended("chat")
        before = rows_of(system, message.client_message_id)
        assert len(before) == stored
        await come_back(system)
        settled = await ling.client.settled(message.client_message_id, 60)
        assert rows_of(system, message.client_message_id) == [settled.seq] == [1]
        await until(lambda: bo.texts(conversation_id) == ["在吗？"], "it arrives once")


@pytest.mark.parametrize("point", ["after_commit", "before_commit"])
async def test_chat_that_dies_around_its_commits_loses_and_doubles_nothing(tmp_path, point):
    async with running(tmp_path / "home") as system, Town(system, tmp_path) as town:
        load = Load(town)
        await load.start()
        kills = 0
        for number in range(KILLS * ROUNDS):
            await die_at(system, f"{point}:{1 + 3 * number % 17}")
            await system.wait_ended("chat")
            kills += 1
            await come_back(system)
            await load.progress()
        await load.finish()
        judge(f"chat killed {point.replace('_', ' the ')}", kills, town)


async def test_chat_pods_and_gates_killed_at_random_lose_and_double_nothing(tmp_path):
    replicas = {"chat": 2, "gate": 2}
    async with (
        running(tmp_path / "home", replicas=replicas) as system,
        Town(system, tmp_path) as town,
    ):
        load = Load(town)
        await load.start()
        chance = random.Random(1)
        kills = 0
        for number in range(KILLS * ROUNDS):
            await load.progress(chance.randrange(10, 60))
            name, index = ("chat", "chat", "gate")[number % 3], chance.randrange(2)
            await system.kill(name, index)
            kills += 1
            await load.progress(5)
            await system.start(name, index)
        await load.progress()
        await load.finish()
        judge("chat and gate killed at random", kills, town)


async def test_a_database_that_is_killed_under_load_loses_and_doubles_nothing(tmp_path):
    async with mariadb() as database, redis_cluster() as redis:
        stores = {"database_url": SecretStr(database.url), "redis_nodes": redis.nodes}
        async with running(tmp_path / "home", **stores) as system, Town(system, tmp_path) as town:
            load = Load(town)
            await load.start()
            asker, _, _ = load.pairs[0]
            kills = 0
            for _ in range(5 * ROUNDS):
                await load.progress()
                await database.kill()
                kills += 1
                # Whoever asks now is told that it is away, and nothing else.
                with pytest.raises(ServerError) as caught:
                    await asker.client.account.me()
                assert isinstance(caught.value, Unavailable)
                # From verify, or from the gateway once it has seen that verify is not ready.
                assert caught.value.reason in ("DATABASE_AWAY", "SERVICE_AWAY")
                await database.start()
                goal = load.acked + 20
                await until(lambda goal=goal: load.acked >= goal, "back in 10 s", 10)
            await load.finish()
            judge("database killed", kills, town)
