"""Presence: leases on gates, kept in a real cluster and lost with it without harm."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from hongyan.status.v1 import (
    directory_pb2,
    directory_pb2_grpc,
    presence_pb2,
    presence_pb2_grpc,
)
from redis.asyncio.cluster import RedisCluster

from services.common import calls, cluster
from services.gate.presence import Presence
from tests.service.conftest import Valkey, free_port
from tests.service.gate.world import INTERNAL_KEY, Verify
from tests.service.status.conftest import Clock
from tests.service.status.world import LEASE_SECONDS, StatusPod

State = presence_pb2.PresenceState
ONLINE, OFFLINE = State.PRESENCE_STATE_ONLINE, State.PRESENCE_STATE_OFFLINE


class Caller:
    """Asks a status pod as a user and as a gate."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._presence: Any = presence_pb2_grpc.PresenceServiceStub(channel)
        self._directory: Any = directory_pb2_grpc.DirectoryServiceStub(channel)
        self._user = (("authorization", f"Bearer {token}"),)

    async def query(self, *user_ids: str) -> list[presence_pb2.Presence]:
        request = presence_pb2.QueryRequest(user_ids=user_ids)
        answer = await self._presence.Query(request, metadata=self._user, timeout=15)
        return list(answer.presences)

    async def states(self, *user_ids: str) -> list[int]:
        return [presence.state for presence in await self.query(*user_ids)]

    async def gates(self) -> dict[str, int]:
        metadata = calls.internal_metadata(INTERNAL_KEY)
        answer = await self._directory.ListGates(
            directory_pb2.ListGatesRequest(), metadata=metadata, timeout=15
        )
        return {it.gate_id: it.session_count for it in answer.gates}

    async def renew(self, gate_id: str, *here: str, left: tuple[str, ...] = ()) -> float:
        request = directory_pb2.RenewRequest(gate_id=gate_id, user_ids=here, left_user_ids=left)
        metadata = calls.internal_metadata(INTERNAL_KEY)
        answer = await self._directory.Renew(request, metadata=metadata, timeout=15)
        return float(answer.lease.ToTimedelta().total_seconds())


@pytest.fixture
async def caller(status: StatusPod, verify: Verify) -> AsyncIterator[Caller]:
    async with grpc.aio.insecure_channel(status.target) as channel:
        yield Caller(channel, verify.token("eve"))


async def test_a_lease_makes_online_and_runs_out_by_itself(caller: Caller, clock: Clock) -> None:
    started = clock.now
    assert await caller.renew("gate-1", "ann") == LEASE_SECONDS
    [ann] = await caller.query("ann")
    assert ann.state == ONLINE
    assert ann.active_at.ToMilliseconds() == int(started * 1000)
    clock.now = started + LEASE_SECONDS - 1
    assert await caller.states("ann") == [ONLINE]
    clock.now = started + LEASE_SECONDS
    [ann] = await caller.query("ann")
    assert ann.state == OFFLINE
    assert ann.active_at.ToMilliseconds() == int(started * 1000)


async def test_a_renewed_lease_goes_on(caller: Caller, clock: Clock) -> None:
    await caller.renew("gate-1", "ann")
    clock.now += 50
    await caller.renew("gate-1", "ann")
    clock.now += 50
    assert await caller.states("ann") == [ONLINE]


async def test_leaving_one_of_two_gates_keeps_a_user_online(caller: Caller, clock: Clock) -> None:
    await caller.renew("gate-1", "ann")
    await caller.renew("gate-2", "ann")
    await caller.renew("gate-1", left=("ann",))
    assert await caller.states("ann") == [ONLINE]
    await caller.renew("gate-2", left=("ann",))
    clock.now += 1
    [ann] = await caller.query("ann")
    assert ann.state == OFFLINE
    assert ann.active_at.ToMilliseconds() == int((clock.now - 1) * 1000)


async def test_the_longer_lease_of_two_gates_counts(caller: Caller, clock: Clock) -> None:
    await caller.renew("gate-z", "ann")
    clock.now += 30
    await caller.renew("gate-a", "ann")
    clock.now += 40
    assert await caller.states("ann") == [ONLINE]
    clock.now += 20
    assert await caller.states("ann") == [OFFLINE]


async def test_leaving_what_one_was_never_on_does_no_harm(caller: Caller) -> None:
    await caller.renew("gate-1", left=("ann", "bob"))
    assert await caller.states("ann", "bob") == [OFFLINE, OFFLINE]


async def test_answers_come_in_the_order_of_the_request(caller: Caller) -> None:
    users = [f"user{number}" for number in range(200)]
    await caller.renew("gate-1", *users[::2])
    presences = await caller.query(*users, *[])
    assert [presence.user_id for presence in presences] == users
    assert [presence.state for presence in presences] == [ONLINE, OFFLINE] * 100
    assert await caller.states("user1", "user0", "user1") == [OFFLINE, ONLINE, OFFLINE]


async def test_a_gate_is_listed_while_it_renews(caller: Caller, clock: Clock) -> None:
    await caller.renew("gate-1", "ann")
    await caller.renew("gate-2")
    assert await caller.gates() == {"gate-1": 0, "gate-2": 0}
    clock.now += LEASE_SECONDS - 1
    await caller.renew("gate-2")
    clock.now += 2
    assert await caller.gates() == {"gate-2": 0}


async def test_a_gate_that_stops_is_not_listed_and_its_users_are_there(
    status: StatusPod, caller: Caller, clock: Clock
) -> None:
    await caller.renew("gate-2")
    async with grpc.aio.insecure_channel(status.target) as channel:
        presence = Presence(
            channel,
            "gate-1",
            INTERNAL_KEY,
            user_ids=lambda: ["ann"],
            session_count=lambda: 1,
            now=clock,
        )
        running = asyncio.create_task(presence.run())
        async with asyncio.timeout(10):
            while await caller.gates() != {"gate-1": 1, "gate-2": 0}:
                await asyncio.sleep(0.002)
        await presence.leave()
        assert await caller.gates() == {"gate-2": 0}
        assert await caller.states("ann") == [ONLINE]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_somebody_never_seen_is_offline_without_a_time(caller: Caller) -> None:
    [stranger] = await caller.query("stranger")
    assert stranger.state == OFFLINE
    assert not stranger.HasField("active_at")


async def test_a_gate_renews_a_thousand_users_in_one_call(caller: Caller) -> None:
    users = [f"user{number}" for number in range(1_000)]
    await caller.renew("gate-1", *users)
    assert await caller.states(*users[:200]) == [ONLINE] * 200


async def test_nothing_is_kept_for_ever(caller: Caller, redis: RedisCluster) -> None:
    await caller.renew("gate-1", "ann")
    for key in await redis.keys("*"):
        assert 0 < await redis.ttl(key) <= 86_400


async def test_keys_of_one_user_are_in_one_slot(caller: Caller, redis: RedisCluster) -> None:
    await caller.renew("gate-1", "ann")
    keys = await redis.keys("{user:*")
    assert len(keys) == 2
    assert len({redis.keyslot(key) for key in keys}) == 1


@pytest.mark.parametrize(
    ("user_ids", "field"),
    [([], "user_ids"), (["a"] * 201, "user_ids"), (["a", "b c"], "user_ids[1]")],
    ids=["none", "too many", "no id"],
)
async def test_a_wrong_query_names_its_field(
    caller: Caller, user_ids: list[str], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await caller.query(*user_ids)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(refused.value.details())


async def test_while_redis_is_away_presence_is_not_known_and_then_heals(
    mortal_valkey: Valkey, verify: Verify
) -> None:
    client = cluster.connect(mortal_valkey.settings)
    pod = await StatusPod(verify, free_port(), client).start()
    async with grpc.aio.insecure_channel(pod.target) as channel:
        caller = Caller(channel, verify.token("eve"))
        await caller.renew("gate-1", "ann")
        mortal_valkey.stop()
        started = time.monotonic()
        assert await caller.states("ann", "bob") == [State.PRESENCE_STATE_UNSPECIFIED] * 2
        assert time.monotonic() - started < 5
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller.renew("gate-1", "ann")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        mortal_valkey.start()
        async with asyncio.timeout(10):
            while (await caller.states("ann"))[0] == State.PRESENCE_STATE_UNSPECIFIED:
                pass
        assert await caller.states("ann") == [OFFLINE]
        await caller.renew("gate-1", "ann")
        assert await caller.states("ann") == [ONLINE]
    await pod.stop()
    await client.aclose()


async def test_a_redis_that_never_was_there_is_not_known_either(verify: Verify) -> None:
    client = cluster.connect(Valkey.nowhere())
    pod = await StatusPod(verify, free_port(), client).start()
    async with grpc.aio.insecure_channel(pod.target) as channel:
        caller = Caller(channel, verify.token("eve"))
        assert await caller.states("ann") == [State.PRESENCE_STATE_UNSPECIFIED]
    await pod.stop()
    await client.aclose()


async def test_a_gate_tells_who_came_and_who_left_and_heals_after_a_loss(
    status: StatusPod,
    caller: Caller,
    redis: RedisCluster,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    monkeypatch.setattr("services.gate.presence.CHANGES_SECONDS", 0.005)
    here: list[str] = []
    async with grpc.aio.insecure_channel(status.target) as channel:
        presence = Presence(
            channel,
            "gate-1",
            INTERNAL_KEY,
            user_ids=lambda: list(here),
            session_count=lambda: 2 * len(here),
            now=clock,
        )
        running = asyncio.create_task(presence.run())

        async def wait_for(*states: int) -> None:
            async with asyncio.timeout(10):
                while await caller.states("ann", "bob") != list(states):
                    await asyncio.sleep(0.002)

        here[:] = ["ann", "bob"]
        await wait_for(ONLINE, ONLINE)
        async with asyncio.timeout(10):
            while await caller.gates() != {"gate-1": 4}:
                await asyncio.sleep(0.002)
        here[:] = ["bob"]
        await wait_for(OFFLINE, ONLINE)
        await redis.flushall()
        await wait_for(OFFLINE, OFFLINE)
        clock.now += LEASE_SECONDS / 3 + 1
        await wait_for(OFFLINE, ONLINE)
        await status.stop()
        here[:] = ["ann"]
        await status.start()
        await wait_for(ONLINE, OFFLINE)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await presence.drop_all()
        await wait_for(OFFLINE, OFFLINE)


async def test_what_was_told_without_an_answer_is_dropped_too(
    status: StatusPod, caller: Caller, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    async with grpc.aio.insecure_channel(status.target) as channel:
        presence = Presence(
            channel,
            "gate-1",
            INTERNAL_KEY,
            user_ids=lambda: ["ann"],
            session_count=lambda: 1,
            now=clock,
        )
        tell = presence._tell
        stored = asyncio.Event()

        async def tell_and_hang(here: set[str], left: set[str], *, due: bool) -> None:
            await tell(here, left, due=due)
            stored.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(presence, "_tell", tell_and_hang)
        running = asyncio.create_task(presence.run())
        await stored.wait()
        assert await caller.states("ann") == [ONLINE]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        monkeypatch.undo()
        await presence.drop_all()
        assert await caller.states("ann") == [OFFLINE]
