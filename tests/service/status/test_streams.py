"""Presence over a device's stream: a real gate asks a real status."""

from collections.abc import AsyncIterator

import grpc
import pytest
from hongyan.gate.v1 import gate_pb2
from hongyan.status.v1 import presence_pb2

from services.gate import watching
from tests.service.conftest import free_port
from tests.service.gate.device import Device
from tests.service.gate.world import ChatPod, GateOptions, GatePod, Verify
from tests.service.status.test_presence import Caller
from tests.service.status.world import StatusPod

State = presence_pb2.PresenceState
ONLINE, OFFLINE = State.PRESENCE_STATE_ONLINE, State.PRESENCE_STATE_OFFLINE


@pytest.fixture
async def gate(
    verify: Verify, status: StatusPod, chat_database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[GatePod]:
    monkeypatch.setattr(watching, "ROUND_SECONDS", 0.02)
    chat = await ChatPod(verify, free_port(), chat_database).start()
    options = GateOptions(status_target=status.target)
    pod = await GatePod(verify, free_port(), chat.target, options).start()
    yield pod
    await pod.stop()
    await chat.stop()


def states(device: Device) -> list[dict[str, int]]:
    return [{it.user_id: it.state for it in one.presences} for one in device.of("presences")]


async def test_who_is_watched_comes_over_the_stream(
    gate: GatePod, status: StatusPod, verify: Verify
) -> None:
    eve = Device(gate.target, verify.token("eve"))
    await eve.hello()
    async with grpc.aio.insecure_channel(status.target) as channel:
        caller = Caller(channel, verify.token("eve"))
        await caller.renew("gate-1", "ann")
        await eve.say(gate_pb2.ClientEvent(watch=gate_pb2.Watch(user_ids=["ann", "bob"])))
        await eve.wait("presences")
        assert states(eve) == [{"ann": ONLINE, "bob": OFFLINE}]
        await caller.renew("gate-1", "bob")
        await eve.wait("presences", 2)
        assert states(eve)[1:] == [{"bob": ONLINE}]
        # A watch of nobody ends it.
        await eve.say(gate_pb2.ClientEvent(watch=gate_pb2.Watch()))
        await eve.settle()
        assert not gate.watching._watched
    await eve.close()
