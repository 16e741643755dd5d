"""13: a device that hardly reads, while its peer sends much: memory stays bounded."""

import asyncio
import time

import grpc
import httpx
import psutil
import pytest

from tests.faults.load import all_shown
from tests.faults.people import CANARY
from tests.faults.report import trial
from tests.faults.scale import scaled
from tests.service.gate.device import Device as RawDevice

MESSAGES = scaled(1500, 10000)
TEXT_BYTES = 8000
IN_FLIGHT = 50
# What waits for one session is 2 MiB; the rest is what any traffic leaves behind.
GROWTH_BYTES = 64 * 1024 * 1024
SMALL_WINDOW = {"http2.bdp_probe": 0, "http2.lookahead_bytes": 1024}

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(150, 900))]


def gates_rss(system) -> int:
    """Returns the memory of all gates."""
    return sum(psutil.Process(pid).memory_info().rss for pid in system.pids()["gate"])


async def needs(system) -> float:
    """Returns how often pushes became one NeedSync, and slow sessions were closed."""
    total = 0.0
    async with httpx.AsyncClient(trust_env=False) as rest:
        for index in range(2):
            answer = await rest.get(f"http://{system.ops_address('gate', index)}/metrics")
            total += sum(
                float(line.rsplit(" ", 1)[1])
                for line in answer.text.splitlines()
                if line.startswith("hongyan_gate_need_sync_total")
            )
    return total


async def read_slowly(device: RawDevice) -> grpc.StatusCode:
    """Reads about 1 KiB a second until the stream ends; returns how it ended."""
    while True:
        count = len(device.frames)
        try:
            await device.until(lambda count=count: len(device.frames) > count, 120)
        except EOFError:
            return grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            return error.code()
        await asyncio.sleep(len(device.frames[-1]) / 1024)


async def test_a_device_that_hardly_reads(world, town):
    with trial("13", f"a device reads 1 KiB/s, its peer sends {MESSAGES}") as record:
        ling, bo, conversation_id = await town.pair("ling", "bo")
        other = await town.second_device(bo, start=False)
        token = await other.client.account.access_token()
        target = world.system.address.removeprefix("http://")
        slow = RawDevice(target, token, **SMALL_WINDOW)
        await slow.hello()
        reader = asyncio.create_task(read_slowly(slow))
        before, needed = gates_rss(world.system), await needs(world.system)
        text = f"{CANARY} ".ljust(TEXT_BYTES, "x")
        began, peak = time.monotonic(), before
        for start in range(0, MESSAGES, IN_FLIGHT):
            sent = [
                await ling.send(conversation_id, f"{start + place} {text}")
                for place in range(IN_FLIGHT)
            ]
            await ling.client.settled(sent[-1].client_message_id, 120)
            peak = max(peak, gates_rss(world.system))
        record.faults = 1
        record.messages = MESSAGES
        record.figures["messages per second"] = round(MESSAGES / (time.monotonic() - began))
        record.figures["gates' memory grew at most, MiB"] = round((peak - before) / 2**20, 1)
        record.figures["NeedSync"] = await needs(world.system) - needed
        closed = reader.done()
        record.figures["the slow stream was closed"] = str(closed)
        assert closed or record.figures["NeedSync"] > 0
        assert peak - before < GROWTH_BYTES
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await slow.close()
        await all_shown(town, conversation_id, ling, bo)
        # The same session again, by a device that reads: all of it is there.
        await other.start()
        seqs: set[int] = set()
        first = MESSAGES + 1
        while page := await other.client.history(conversation_id, first, 100):
            seqs |= {message.seq for message in page}
            first = min(seqs)
            if first == 1:
                break
        assert seqs == set(range(1, MESSAGES + 1))
        record.judge(town)
