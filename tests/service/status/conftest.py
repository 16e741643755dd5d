"""A status pod on the cluster, with a clock that tests move."""

import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.cluster import RedisCluster

from tests.service.conftest import free_port
from tests.service.gate.world import Verify
from tests.service.status.world import StatusPod


class Clock:
    """Unix time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verify() -> Verify:
    return Verify()


@pytest.fixture
async def status(verify: Verify, redis: RedisCluster, clock: Clock) -> AsyncIterator[StatusPod]:
    pod = await StatusPod(verify, free_port(), redis, clock).start()
    yield pod
    await pod.stop()
