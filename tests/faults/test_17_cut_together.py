"""17: the gateway dies under many streams: all come back, and nobody meets errors for long."""

import time

import pytest

from hongyan_client.errors import ServerError
from tests.faults.crowd import crowd
from tests.faults.load import Load
from tests.faults.report import trial
from tests.faults.scale import scaled

STREAMS = scaled(200, 2000)
BURST_SECONDS = 5
BACK_SECONDS = scaled(60, 120)
QUIET_CALLS = 20

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(150, 900))]


async def test_many_streams_cut_together(world, town, tmp_path):
    with trial("17", f"{STREAMS} streams cut together") as record:
        async with crowd(town, world.home, tmp_path, STREAMS) as idle:
            load = await Load(town).start()
            await load.progress()
            await world.system.kill("gateway")
            record.faults += 1
            await world.system.start("gateway")
            began = time.monotonic()
            burst, good = 0.0, 0
            asker = load.pairs[0][0].client
            while good < QUIET_CALLS or idle.online < STREAMS:
                assert time.monotonic() - began < BACK_SECONDS, f"{idle.online} are back"
                try:
                    await asker.me()
                    good += 1
                except ServerError:
                    burst, good = time.monotonic() - began, 0
            record.figures["all back after, seconds"] = round(time.monotonic() - began, 1)
            record.figures["last error after, seconds (≤ 5)"] = round(burst, 1)
            await load.progress()
            await load.finish()
            record.judge(town)
            assert burst <= 2 * BURST_SECONDS
