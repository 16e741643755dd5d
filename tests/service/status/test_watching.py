"""What devices are told of others' presence: changes, late good-byes, and no storm."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest
from hongyan.gate.v1 import gate_pb2
from hongyan.status.v1 import presence_pb2
from redis.asyncio.cluster import RedisCluster

from services.common import identity
from services.common.errors import Unavailable
from services.gate.session import Bounds, Session
from services.gate.watching import Watching
from services.status.rules import Seen
from tests.service.gate.world import INTERNAL_KEY, Verify
from tests.service.status.conftest import Clock
from tests.service.status.test_presence import Caller
from tests.service.status.world import OFFLINE_SECONDS, StatusPod

State = presence_pb2.PresenceState
ONLINE, OFFLINE = State.PRESENCE_STATE_ONLINE, State.PRESENCE_STATE_OFFLINE
DEBOUNCE = OFFLINE_SECONDS


@dataclass
class Post:
    """A gate's watches, and the devices that it has."""

    watching: Watching
    clock: Clock

    def device(self, name: str, *watches: str) -> Session:
        session = Session(identity.Caller(name, name), Bounds(100, 100_000), self.clock)
        session.end_sync()
        self.watching.watch(session, watches)
        return session


def told(session: Session) -> list[dict[str, int]]:
    """Takes what a device was told: a dictionary for each frame of presences."""
    frame = gate_pb2.ConnectResponse.FromString(session.take())
    return [{it.user_id: it.state for it in event.presences.presences} for event in frame.events]


@pytest.fixture
async def caller(status: StatusPod, verify: Verify) -> AsyncIterator[Caller]:
    async with grpc.aio.insecure_channel(status.target) as channel:
        yield Caller(channel, verify.token("eve"))


@pytest.fixture
async def post(status: StatusPod, clock: Clock) -> AsyncIterator[Post]:
    async with grpc.aio.insecure_channel(status.target) as channel:
        yield Post(Watching(channel, INTERNAL_KEY, clock), clock)


async def test_a_device_is_told_of_all_at_once_and_then_of_changes(
    post: Post, caller: Caller
) -> None:
    await caller.renew("gate-1", "ann")
    eve = post.device("eve", "ann", "bob")
    await post.watching.look()
    assert told(eve) == [{"ann": ONLINE, "bob": OFFLINE}]
    await post.watching.look()
    assert told(eve) == []
    await caller.renew("gate-1", "ann", "bob")
    await post.watching.look()
    assert told(eve) == [{"bob": ONLINE}]


async def test_going_offline_is_told_late_and_coming_back_meanwhile_not_at_all(
    post: Post, caller: Caller, clock: Clock
) -> None:
    await caller.renew("gate-1", "ann", "bob")
    eve = post.device("eve", "ann", "bob")
    await post.watching.look()
    told(eve)
    await caller.renew("gate-1", left=("ann", "bob"))
    await post.watching.look()
    clock.now += DEBOUNCE - 1
    await caller.renew("gate-2", "bob")
    await post.watching.look()
    assert told(eve) == []
    clock.now += 1
    await post.watching.look()
    assert told(eve) == [{"ann": OFFLINE}]


async def test_half_of_all_reconnecting_is_no_storm(
    post: Post, caller: Caller, clock: Clock
) -> None:
    users = [f"user{number}" for number in range(200)]
    await caller.renew("gate-1", *users)
    devices = [post.device(user, *users) for user in users]
    await post.watching.look()
    assert all(len(told(device)) == 1 for device in devices)
    await caller.renew("gate-1", left=tuple(users[:100]))
    for _ in range(5):
        await post.watching.look()
        clock.now += 2
    await caller.renew("gate-2", *users[:100])
    await caller.renew("gate-1", *users[100:])
    clock.now += DEBOUNCE
    await post.watching.look()
    assert [told(device) for device in devices] == [[]] * 200
    # Those who stay away are one frame for each device.
    await caller.renew("gate-1", left=tuple(users[100:]))
    await post.watching.look()
    clock.now += DEBOUNCE
    await post.watching.look()
    assert all(told(device) == [dict.fromkeys(users[100:], OFFLINE)] for device in devices)


async def test_a_new_watch_takes_the_place_of_the_one_before(post: Post, caller: Caller) -> None:
    await caller.renew("gate-1", "ann")
    eve = post.device("eve", "ann")
    await post.watching.look()
    told(eve)
    post.watching.watch(eve, ["bob"])
    await caller.renew("gate-1", "bob", left=("ann",))
    await post.watching.look()
    assert told(eve) == [{"bob": ONLINE}]
    post.watching.forget(eve)
    await post.watching.look()
    assert told(eve) == []


async def test_without_redis_nothing_is_told_twice_and_it_heals(
    post: Post, caller: Caller, redis: RedisCluster, clock: Clock
) -> None:
    await caller.renew("gate-1", "ann")
    eve = post.device("eve", "ann")
    await post.watching.look()
    told(eve)
    # All leases are lost, and renewed before anybody was told.
    await redis.flushall()
    await post.watching.look()
    await caller.renew("gate-1", "ann")
    clock.now += 20
    await post.watching.look()
    assert told(eve) == []
    await caller.renew("gate-1", "ann")
    assert (await caller.states("ann")) == [ONLINE]


async def test_who_hides_sees_themself_and_of_others_no_times(
    post: Post, caller: Caller, verify: Verify
) -> None:
    verify.hidden.add("eve")
    await caller.renew("gate-1", "ann", "eve")
    eve, bob = post.device("eve", "ann", "eve"), post.device("bob", "ann", "eve")
    await post.watching.look()
    assert shown(eve) == {"ann": (ONLINE, False), "eve": (ONLINE, True)}
    assert shown(bob) == {"ann": (ONLINE, True), "eve": (OFFLINE, False)}


async def test_nobody_learns_by_a_frame_when_who_hides_comes_and_goes(
    post: Post, caller: Caller, verify: Verify, clock: Clock
) -> None:
    verify.hidden.add("eve")
    eve, bob = post.device("eve", "eve"), post.device("bob", "eve")
    await post.watching.look()
    assert (told(eve), told(bob)) == ([{"eve": OFFLINE}], [{"eve": OFFLINE}])
    await caller.renew("gate-1", "eve")
    await post.watching.look()
    assert (told(eve), told(bob)) == ([{"eve": ONLINE}], [])
    # Who shows it again is told of at once.
    verify.hidden.clear()
    await post.watching.look()
    assert told(bob) == [{"eve": ONLINE}]
    verify.hidden.add("eve")
    await post.watching.look()
    assert told(bob) == [{"eve": OFFLINE}]
    assert all(frame == {"eve": ONLINE} for frame in told(eve))


async def test_all_are_cut_with_those_who_watch_them_and_come_back(
    post: Post, caller: Caller, clock: Clock
) -> None:
    users = [f"user{number}" for number in range(200)]
    await caller.renew("gate-1", *users)
    devices = [post.device(user, *users) for user in users]
    await post.watching.look()
    for device in devices:
        told(device)
        post.watching.forget(device)
    await caller.renew("gate-1", left=tuple(users))
    await post.watching.look()
    back = []
    for start in range(0, 200, 20):
        part = users[start : start + 20]
        await caller.renew("gate-1", *part)
        back += [post.device(user, *users) for user in part]
        await post.watching.look()
        clock.now += 1
    frames = [frame for device in back for frame in told(device)]
    assert len(frames) == 200
    assert all(set(frame.values()) == {ONLINE} for frame in frames)


async def test_what_is_not_known_is_told_once_and_changes_nothing_that_was_told(
    post: Post, caller: Caller, status: StatusPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    await caller.renew("gate-1", "ann")
    eve = post.device("eve", "ann")
    await post.watching.look()
    told(eve)

    async def away(*_: object) -> list[Seen]:
        raise Unavailable("REDIS_AWAY", "away")

    with monkeypatch.context() as patch:
        patch.setattr(status.store, "look", away)
        bob = post.device("bob", "ann", "carl")
        await post.watching.look()
        assert told(eve) == []
        assert told(bob) == [{"ann": ONLINE, "carl": State.PRESENCE_STATE_UNSPECIFIED}]
    await post.watching.look()
    assert told(eve) == []
    assert told(bob) == [{"carl": OFFLINE}]


def shown(session: Session) -> dict[str, tuple[int, bool]]:
    """Takes what a device was told: the state of each user, and whether there is a time."""
    frame = gate_pb2.ConnectResponse.FromString(session.take())
    return {
        it.user_id: (it.state, it.HasField("active_at"))
        for event in frame.events
        for it in event.presences.presences
    }
