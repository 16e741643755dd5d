"""Who hides their presence is offline to others; verify says who does, and may be away."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from hongyan.status.v1 import presence_pb2
from hongyan.verify.v1 import trust_pb2, trust_pb2_grpc

from services.status.privacy import FRESH_SECONDS, Privacy
from tests.service.conftest import free_port
from tests.service.gate.world import INTERNAL_KEY, Service, Verify
from tests.service.status.conftest import Clock
from tests.service.status.test_presence import Caller
from tests.service.status.world import StatusPod

State = presence_pb2.PresenceState
ONLINE, OFFLINE = State.PRESENCE_STATE_ONLINE, State.PRESENCE_STATE_OFFLINE


class Trusts(trust_pb2_grpc.TrustServiceServicer):
    """Verify's answer to who hides, and how often it was asked."""

    def __init__(self) -> None:
        self.hidden: set[str] = set()
        self.asked: list[list[str]] = []

    async def FindHiddenPresence(
        self, request: trust_pb2.FindHiddenPresenceRequest, context: object
    ) -> trust_pb2.FindHiddenPresenceResponse:
        self.asked.append(list(request.user_ids))
        found = [it for it in request.user_ids if it in self.hidden]
        return trust_pb2.FindHiddenPresenceResponse(user_ids=found)

    async def FindUsers(self, request: object, context: object) -> object:
        raise NotImplementedError

    async def GetTrust(self, request: object, context: object) -> object:
        raise NotImplementedError


@pytest.fixture
async def caller(status: StatusPod, verify: Verify) -> AsyncIterator[Caller]:
    async with grpc.aio.insecure_channel(status.target) as channel:
        yield Caller(channel, verify.token("eve"))


async def test_who_hides_is_offline_to_others_and_sees_no_times(
    caller: Caller, status: StatusPod, verify: Verify
) -> None:
    await caller.renew("gate-1", "ann", "bob", "eve")
    verify.hidden.add("ann")
    ann, bob = await caller.query("ann", "bob")
    assert (ann.state, ann.HasField("active_at")) == (OFFLINE, False)
    assert (bob.state, bob.HasField("active_at")) == (ONLINE, True)
    async with grpc.aio.insecure_channel(status.target) as channel:
        own = Caller(channel, verify.token("ann"))
        ann, bob = await own.query("ann", "bob")
    assert (ann.state, ann.HasField("active_at")) == (ONLINE, True)
    assert (bob.state, bob.HasField("active_at")) == (ONLINE, False)


async def test_verify_is_asked_once_in_a_while_and_its_last_word_counts(
    verify: Verify, clock: Clock
) -> None:
    trusts = Trusts()
    trusts.hidden.add("ann")
    pod = Service(verify, free_port())
    await pod.serve(
        lambda server: trust_pb2_grpc.add_TrustServiceServicer_to_server(trusts, server)
    )
    async with grpc.aio.insecure_channel(pod.target) as channel:
        privacy = Privacy(channel, INTERNAL_KEY, clock)
        assert await privacy.hidden(["ann", "bob", "bob"]) == {"ann"}
        trusts.hidden = {"bob"}
        assert await privacy.hidden(["bob", "ann"]) == {"ann"}
        assert trusts.asked == [["ann", "bob"]]
        clock.now += FRESH_SECONDS + 1
        assert await privacy.hidden(["bob", "ann"]) == {"bob"}
        await pod.stop()
        clock.now += FRESH_SECONDS + 1
        # Of whom it has said nothing, presence is hidden.
        assert await privacy.hidden(["bob", "ann", "carl"]) == {"bob", "carl"}


async def test_a_verify_that_hangs_holds_nobody_up_for_long(verify: Verify, clock: Clock) -> None:
    class Hanging(Trusts):
        async def FindHiddenPresence(self, request: object, context: object) -> object:  # type: ignore[override]
            self.asked.append([])
            await asyncio.Event().wait()

    trusts = Hanging()
    pod = Service(verify, free_port())
    await pod.serve(
        lambda server: trust_pb2_grpc.add_TrustServiceServicer_to_server(trusts, server)
    )
    async with grpc.aio.insecure_channel(pod.target) as channel:
        privacy = Privacy(channel, INTERNAL_KEY, clock)
        for _ in range(5):
            assert await privacy.hidden(["ann"]) == {"ann"}
        assert len(trusts.asked) == 1
        clock.now += 6
        await privacy.hidden(["ann"])
        assert len(trusts.asked) == 2
    await pod.stop()
