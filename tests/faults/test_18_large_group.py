"""18: a group of 2,000 members at 50 messages a second: whole, quick, and nobody else notices."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from hongyan.gate.v1 import gate_pb2

from hongyan_client.channel import Channel
from hongyan_client.stream import Stream
from loadtest.accounts import LoggedIn, sign_idle_sessions
from loadtest.driver import message, percentiles
from loadtest.rooms import make_room
from tests.faults.people import CANARY, until
from tests.faults.report import trial
from tests.faults.scale import scaled

MEMBERS = 2_000
CONNECTED = scaled(150, 500)
SHOWN = 20
RATE = 50
SECONDS = scaled(6, 30)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(150, 600))]


def _focus(room: str) -> gate_pb2.ClientEvent:
    return gate_pb2.ClientEvent(focus=gate_pb2.Focus(conversation_id=room))


@asynccontextmanager
async def connected(address: str, token: str) -> AsyncIterator[Stream]:
    """A stream of its own connection."""
    channel = Channel(address)
    async with Stream(channel, token) as stream:
        await stream.open(gate_pb2.Sync())
        yield stream
    channel.close()


class Listener:
    """A connected member: the seqs that it got, and the newest head that it was told."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.seqs: list[int] = []
        self.head = 0
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self.stream:
            if event.HasField("message"):
                self.seqs.append(event.message.seq)
                self.head = event.message.seq
            elif event.HasField("head_moved"):
                self.head = max(self.head, event.head_moved.last_seq)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def write(stream: Stream, room: str, rate: float, count: int) -> list[float]:
    """Sends at a rate; returns how long each ack took, from the time at which it was due."""
    due: dict[str, float] = {}
    took: list[float] = []

    async def acks() -> None:
        async for event in stream:
            assert not event.HasField("send_refused"), str(event)
            if event.HasField("send_ack"):
                took.append(time.monotonic() - due[event.send_ack.client_message_id])
            if len(took) == count:
                return

    waiting = asyncio.create_task(acks())
    began = time.monotonic()
    for number in range(count):
        at = began + number / rate
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        client_message_id = secrets.token_hex(16)
        due[client_message_id] = at
        stream.send(message(room, client_message_id, f"{CANARY} {number}"))
    await asyncio.wait_for(waiting, 60)
    return took


async def test_a_large_group(world, town):
    with trial("18", f"a group of {MEMBERS}, {CONNECTED} connected, {RATE} a second") as record:
        system = world.system
        ling, bo, conversation_id = await town.pair("ling", "bo")
        speaker = await town.newcomer("speaker", start=False)
        token = await speaker.client.account.access_token()
        names = [f"listener-{secrets.token_hex(4)}" for _ in range(CONNECTED)]
        users = [speaker.client.user_id, *names]
        room = await asyncio.to_thread(make_room, system.database_url, users, MEMBERS)
        signed = sign_idle_sessions(world.home / "keys" / "signing.pem", names, CONNECTED)

        async def others() -> float:
            """Returns the median of acks in another chat, in milliseconds."""
            took = []
            for number in range(40):
                began = time.monotonic()
                one = await ling.send(conversation_id, f"{CANARY} {number}")
                await ling.client.settled(one.client_message_id, 60)
                took.append(time.monotonic() - began)
            return percentiles(took)["p50"]

        async def join(one: LoggedIn) -> Listener:
            return Listener(await stack.enter_async_context(connected(system.address, one.token)))

        quiet = await others()
        stack = AsyncExitStack()
        listeners = [await join(one) for one in signed]
        for listener in listeners[:SHOWN]:
            listener.stream.send(_focus(room))
        stream = await stack.enter_async_context(connected(system.address, token))
        busy = asyncio.create_task(others())
        took = await write(stream, room, RATE, RATE * SECONDS)
        record.messages = record.acked = len(took)
        await until(
            lambda: all(one.head == len(took) for one in listeners), "every head is told at last"
        )
        for listener in listeners[:SHOWN]:
            assert listener.seqs == list(range(1, len(took) + 1))
        # Who does not show it is told where it ends, now and then.
        assert all(one.seqs == [] for one in listeners[SHOWN:])
        record.figures["ack p99, ms (≤ 500)"] = round(percentiles(took)["p99"], 1)
        record.figures["acks of another chat, median against before (≤ 1.5)"] = round(
            await busy / quiet, 2
        )
        for listener in listeners:
            await listener.close()
        await stack.aclose()
        await until(lambda: len(bo.texts(conversation_id)) == 80, "the other chat is whole")
        assert percentiles(took)["p99"] <= 5_000
