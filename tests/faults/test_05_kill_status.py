"""5: status is killed; sends and sync go on, and presence heals."""

import asyncio
import time

import httpx
import pytest

from tests.faults.load import Load
from tests.faults.people import Device
from tests.faults.report import trial
from tests.faults.scale import scaled

HEAL_SECONDS = 90

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(150, 900))]


async def online(device: Device, user_id: str) -> bool | None:
    """Returns whether a user is online; None while that is not known."""
    token = await device.client.account.access_token()
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=device.client.address, trust_env=False) as rest:
        answer = await rest.get("/v1/presence", params={"user_ids": user_id}, headers=headers)
    if answer.status_code != 200:
        return None
    state = answer.json()["presences"][0]["state"]
    known = {"PRESENCE_STATE_ONLINE": True, "PRESENCE_STATE_OFFLINE": False}
    return known.get(state)


async def test_status_killed(world, town):
    with trial("05", "status killed") as record:
        load = await Load(town).start()
        ling, bo, conversation_id = load.pairs[0]
        second = await town.second_device(bo)
        slowest = 0.0
        for _ in range(scaled(2, 8)):
            await world.system.kill("status")
            record.faults += 1
            await load.progress(40)
            await second.restart()  # it syncs without presence
            assert await online(ling, bo.client.user_id) is None
            await world.system.start("status")
            began = time.monotonic()
            async with asyncio.timeout(HEAL_SECONDS):
                while not await online(ling, bo.client.user_id):
                    await asyncio.sleep(0.1)
            slowest = max(slowest, time.monotonic() - began)
        record.figures["presence heals after, seconds (≤ 90)"] = round(slowest, 1)
        await load.finish()
        assert len(await bo.client.history(conversation_id)) > 0
        record.judge(town)
