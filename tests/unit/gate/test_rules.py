"""A device is synced when every chat pod knows of its user; the links here only take notes."""

import pytest
from hongyan.chat.v1 import link_pb2
from hongyan.gate.v1 import gate_pb2

from services.common.identity import Caller
from services.common.limits import Limit, LocalLimit
from services.gate.rules import Gate, Limits
from services.gate.session import Bounds

OPEN = Limit("send", 1000, 0.001)


class Notes:
    """The far end of a link: notes what is asked, in order."""

    def __init__(self):
        self.pending = {}
        self.asked = []

    def ask(self, request, asked):
        self.asked.append(request.WhichOneof("request"))
        request.number = len(self.asked)
        if asked:
            self.pending[request.number] = asked


class Pods:
    """All links: the first is chosen for everything."""

    def __init__(self, count):
        self.links = [Notes() for _ in range(count)]

    def choose(self, conversation_id):
        return self.links[0] if self.links else None

    def live(self):
        return list(self.links)

    def arrived(self, user_id):
        pass

    def left(self, user_id):
        pass


class Nobody:
    def watch(self, session, user_ids):
        pass

    def forget(self, session):
        pass


@pytest.fixture
def pods():
    return Pods(3)


@pytest.fixture
def gate(pods):
    limit = LocalLimit(OPEN, now=lambda: 0.0)
    return Gate(
        pods,
        bounds=Bounds(100, 100_000),
        now=lambda: 0.0,
        watching=Nobody(),
        limits=Limits(limit, limit, limit, limit),
        idle_seconds=90,
        slow_seconds=10,
    )


def answer(gate, link):
    gate.deliver(link, link_pb2.Delivery(answered_numbers=list(link.pending)))


async def test_the_difference_is_asked_when_the_other_pods_have_answered(gate, pods):
    first, second, third = pods.links
    gate.hello(gate.open(Caller("ling", "s1")), gate_pb2.Sync())
    assert (first.asked, second.asked, third.asked) == ([], ["arrival"], ["arrival"])
    answer(gate, second)
    assert first.asked == []
    answer(gate, third)
    assert first.asked == ["sync"]


async def test_a_pod_that_is_lost_is_not_waited_for(gate, pods):
    first, second, third = pods.links
    gate.hello(gate.open(Caller("ling", "s1")), gate_pb2.Sync())
    answer(gate, second)
    pods.links.remove(third)
    gate.link_lost(third)
    assert first.asked == ["sync"]


async def test_with_one_pod_nothing_is_waited_for(gate, pods):
    (first,) = pods.links = pods.links[:1]
    gate.hello(gate.open(Caller("ling", "s1")), gate_pb2.Sync())
    assert first.asked == ["sync"]


async def test_without_pods_a_sync_waits_for_the_first_one(gate, pods):
    (first, *_), pods.links = pods.links, []
    gate.hello(gate.open(Caller("ling", "s1")), gate_pb2.Sync())
    pods.links = [first]
    gate.link_up()
    assert first.asked == ["sync"]
