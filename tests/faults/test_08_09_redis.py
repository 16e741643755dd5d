"""8, 9: Redis is emptied under load, and loses a master."""

import asyncio
import time

import pytest

from hongyan_client.errors import ServerError, Unavailable
from hongyan_client.model import ConnectionState
from loadtest.accounts import PASSWORD
from tests.faults.load import Load
from tests.faults.people import Town
from tests.faults.report import trial
from tests.faults.scale import scaled
from tests.faults.test_05_kill_status import HEAL_SECONDS, online

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(150, 900))]


async def test_redis_emptied_under_load(world, town):
    with trial("08", "FLUSHALL under load") as record:
        load = await Load(town).start()
        ling, bo, _ = load.pairs[0]
        for _ in range(scaled(5, 30)):
            await load.progress()
            await world.redis.flush()
            record.faults += 1
        await load.progress()
        began = time.monotonic()
        async with asyncio.timeout(HEAL_SECONDS):
            while not await online(ling, bo.client.user_id):
                await asyncio.sleep(0.1)
        record.figures["presence heals after, seconds (≤ 90)"] = round(time.monotonic() - began, 1)
        for device in (device for pair in load.pairs for device in pair[:2]):
            assert device.client.state is not ConnectionState.SIGNED_OUT
            assert (await device.client.me()).user_id == device.client.user_id
        await load.finish()
        record.judge(town)


async def log_in(town: Town, email: str) -> ServerError | None:
    """Logs in on a new device; returns what it was refused with."""
    try:
        await town.device("x").client.login(email, PASSWORD, device_name="another", platform="test")
    except ServerError as error:
        return error
    return None


async def test_a_redis_master_killed(world, town):
    with trial("09", "a Redis master killed, failover") as record:
        load = await Load(town).start()
        emails = [(await device.client.me()).email for pair in load.pairs for device in pair[:2]]
        closed = 0
        for _ in range(scaled(1, 5)):
            await load.progress()
            place = await world.redis.kill_master()
            record.faults += 1
            # Until the failover the limits of some are closed; of nobody are they open.
            answers = await asyncio.gather(*(log_in(town, email) for email in emails))
            for error in filter(None, answers):
                assert isinstance(error, Unavailable)
                assert error.reason in ("REDIS_AWAY", "SERVICE_AWAY")
                closed += 1
            await load.progress()
            await world.redis.whole_without(place)
            async with asyncio.timeout(60):
                for email in emails:
                    while await log_in(town, email):
                        await asyncio.sleep(0.1)
            await load.progress()
            await world.redis.start_node(place)
        record.figures["log-ins closed meanwhile"] = closed
        await load.finish()
        record.judge(town)
