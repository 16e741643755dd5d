"""21: clocks that go wrong: ten minutes on a device, two seconds on a pod."""

import time
from pathlib import Path

import pytest

from tests.faults.conftest import REPLICAS
from tests.faults.load import Load, running
from tests.faults.people import CANARY, Town, until
from tests.faults.report import trial
from tests.faults.scale import scaled

SKEW = 600.0
POD_SKEW = ("+2s", "-2s")

pytestmark = pytest.mark.timeout(scaled(120, 600))


def faketime() -> str:
    """Returns the library that changes a process's clock."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketime is not installed: apt-get install libfaketime"
    return str(found[0])


async def test_skewed_clocks(tmp_path):
    async with (
        running(tmp_path / "home", replicas=REPLICAS) as system,
        Town(system, tmp_path) as town,
    ):
        with trial("21", "clocks: a device ±10 min, pods ±2 s") as record:
            for index, skew in enumerate(POD_SKEW):
                variables = {
                    "LD_PRELOAD": faketime(),
                    "FAKETIME": skew,
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                }
                system.set_environment("chat", variables, index)
                await system.restart("chat", index)
                record.faults += 1
            early = await town.newcomer("early", now=lambda: time.time() - SKEW)
            late = await town.newcomer("late", now=lambda: time.time() + SKEW)
            record.faults += 2
            opened = await early.client.open_direct(late.client.user_id)
            conversation_id = opened.conversation_id
            town.history.members[conversation_id] = {early.name, late.name}
            for number in range(scaled(15, 200)):
                for one in (early, late):
                    message = await one.send(conversation_id, f"{CANARY} {one.name} {number}")
                    await one.client.settled(message.client_message_id, 30)
            load = await Load(town).start()
            await load.progress(scaled(100, 1000), 240)
            await load.finish()
            wanted = [
                one.text for one in town.history.sent if one.conversation_id == conversation_id
            ]
            for one in (early, late):
                await until(
                    lambda one=one: one.texts(conversation_id) == wanted, "the order of sending"
                )
                # Its tokens work, also after a refresh and on a new stream.
                await one.client.account.access_token(stale=await one.client.account.access_token())
                assert (await one.client.me()).user_id == one.client.user_id
                await one.restart()
            record.judge(town)
