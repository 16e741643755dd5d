"""3: both gates are killed under many streams while people write."""

import time

import pytest

from tests.faults.crowd import crowd
from tests.faults.load import Load
from tests.faults.report import trial
from tests.faults.scale import scaled

STREAMS = scaled(60, 500)
BACK_SECONDS = 35

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(120, 600))]


async def test_gates_killed_under_many_streams(world, town, tmp_path):
    with trial("03", f"gates killed under {STREAMS} streams") as record:
        async with crowd(town, world.home, tmp_path, STREAMS) as idle:
            load = await Load(town).start()
            slowest = 0.0
            for _ in range(scaled(1, 5)):
                await load.progress()
                began = time.monotonic()
                for index in range(2):
                    await world.system.kill("gate", index)
                    record.faults += 1
                for index in range(2):
                    await world.system.start("gate", index)
                await idle.back(0.99, 2 * BACK_SECONDS)
                slowest = max(slowest, time.monotonic() - began)
                await load.progress()
            record.figures["99 % back after, seconds (≤ 35)"] = round(slowest, 1)
            await idle.back(1, 2 * BACK_SECONDS)
            await load.finish()
            record.judge(town)
