"""1, 2: chat dies after its commit and before it; then chat and gate die at random."""

import asyncio
import contextlib
import random

import pytest

from services.embedded.children import ChildDied
from services.embedded.system import System
from tests.faults.conftest import REPLICAS
from tests.faults.history import read_log
from tests.faults.load import Load, running
from tests.faults.people import CANARY, Town, until
from tests.faults.report import trial
from tests.faults.scale import scaled

KILLS = scaled(2, 30)

pytestmark = pytest.mark.timeout(scaled(120, 1200))


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


@pytest.mark.parametrize(
    ("number", "point", "stored"), [("01", "after_commit", 1), ("02", "before_commit", 0)]
)
async def test_chat_that_dies_around_its_commits(tmp_path, number, point, stored):
    what = f"chat killed {point.replace('_', ' the ')}"
    async with running(tmp_path / "home") as system, Town(system, tmp_path) as town:
        with trial(number, what) as record:
            # One message, looked at closely: the retry keeps its number.
            ling, bo, conversation_id = await town.pair("ling", "bo")
            await die_at(system, f"{point}:1")
            message = await ling.send(conversation_id, f"{CANARY} 在吗？")
            await system.wait_ended("chat")
            record.faults += 1
            assert len(rows_of(system, message.client_message_id)) == stored
            await come_back(system)
            settled = await ling.client.settled(message.client_message_id, 60)
            assert rows_of(system, message.client_message_id) == [settled.seq] == [1]
            await until(
                lambda: bo.texts(conversation_id) == [f"{CANARY} 在吗？"], "it arrives once"
            )
            # Then many, at other commits, under load, when the gateway knows that it is back.
            async with asyncio.timeout(60):
                while not await system.healthy():
                    await asyncio.sleep(0.05)
            load = await Load(town).start()
            for turn in range(KILLS):
                await die_at(system, f"{point}:{1 + 3 * turn % 17}")
                await system.wait_ended("chat")
                record.faults += 1
                await come_back(system)
                await load.progress()
            await load.finish()
            record.judge(town)


async def test_chat_and_gate_killed_at_random(tmp_path):
    async with (
        running(tmp_path / "home", replicas=REPLICAS) as system,
        Town(system, tmp_path) as town,
    ):
        with trial("02", "chat and gate killed at random") as record:
            load = await Load(town).start()
            chance = random.Random(1)
            for turn in range(scaled(5, 36)):
                await load.progress(chance.randrange(10, 60))
                name, index = ("chat", "chat", "gate")[turn % 3], chance.randrange(2)
                await system.kill(name, index)
                record.faults += 1
                await load.progress(5)
                await system.start(name, index)
            await load.progress()
            await load.finish()
            record.judge(town)
