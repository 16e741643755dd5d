"""6, 7: the database is killed under load, and hangs for a while."""

import asyncio
import time

import pytest

from hongyan_client.errors import DeadlineExceeded, ServerError, Unavailable
from services.embedded import checks
from services.embedded.system import HEALTH_NAMES
from tests.faults.load import Load
from tests.faults.people import CANARY, Device, until
from tests.faults.report import trial
from tests.faults.scale import scaled

KILLS = scaled(5, 15)
BACK_SECONDS = 10
AWAY_SECONDS = scaled(6, 60)
NOT_READY_SECONDS = 5

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(180, 900))]


async def answers(device: Device) -> bool:
    """Says whether a unary call gets its answer; whoever is refused hears that it is away."""
    try:
        await device.client.account.me()
    except (Unavailable, DeadlineExceeded):
        return False
    return True


async def test_the_database_killed_under_load(world, town):
    with trial("06", "database killed under load") as record:
        load = await Load(town).start()
        asker, _, _ = load.pairs[0]
        slowest = 0.0
        for _ in range(KILLS):
            await load.progress()
            await world.mariadb.kill()
            record.faults += 1
            # Whoever asks now is told that it is away, and nothing else.
            with pytest.raises(ServerError) as caught:
                await asker.client.account.me()
            assert isinstance(caught.value, Unavailable)
            # From verify, or from the gateway once it has seen that verify is not ready.
            assert caught.value.reason in ("DATABASE_AWAY", "SERVICE_AWAY")
            await world.mariadb.start()
            began = time.monotonic()
            await load.progress(20, 2 * BACK_SECONDS)
            async with asyncio.timeout(2 * BACK_SECONDS):
                while not await answers(asker):
                    await asyncio.sleep(0.05)
            slowest = max(slowest, time.monotonic() - began)
        record.figures["20 more acks and unary calls after, seconds (≤ 10)"] = round(slowest, 1)
        await load.finish()
        record.judge(town)


async def test_the_database_hangs(world, town):
    with trial("07", f"database hangs for {AWAY_SECONDS} s") as record:
        ling, bo, conversation_id = await town.pair("ling", "bo")
        texts = [f"{CANARY} 库停了也不丢 {number}" for number in range(1, 31)]
        with world.mariadb.silent():
            record.faults += 1
            began = time.monotonic()
            sent = [await ling.send(conversation_id, text) for text in texts]
            asked = asyncio.create_task(ling.client.account.me())
            chat = world.system.service_address("chat")
            while await checks.service_healthy(chat, HEALTH_NAMES["chat"]):
                await asyncio.sleep(0.05)
            record.figures["not ready after, seconds (≤ 5)"] = round(time.monotonic() - began, 1)
            with pytest.raises((Unavailable, DeadlineExceeded)):
                await asked
            await until(lambda: time.monotonic() - began >= AWAY_SECONDS, "the outage", 120)
            assert town.history.acked == town.history.failed == []
            assert bo.texts(conversation_id) == []
        began = time.monotonic()
        settled = [await ling.client.settled(one.client_message_id, 90) for one in sent]
        record.figures["outbox drained after, seconds"] = round(time.monotonic() - began, 1)
        assert [one.seq for one in settled] == list(range(1, len(texts) + 1))
        await until(lambda: bo.texts(conversation_id) == texts, "all of it, once, in order")
        record.judge(town)
        assert record.figures["not ready after, seconds (≤ 5)"] <= 2 * NOT_READY_SECONDS
