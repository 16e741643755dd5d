"""A chat pod, a gate and a status pod, and channels to them."""

from collections.abc import AsyncIterator

import grpc
import pytest
from redis.asyncio.cluster import RedisCluster

from tests.service.conftest import free_port
from tests.service.gate.world import ChatPod, GatePod, Verify
from tests.service.status.world import StatusPod


@pytest.fixture
def verify() -> Verify:
    return Verify()


@pytest.fixture
async def chat(verify: Verify, chat_database: str) -> AsyncIterator[ChatPod]:
    pod = await ChatPod(verify, free_port(), chat_database).start()
    yield pod
    await pod.stop()


@pytest.fixture
async def gate(verify: Verify, chat: ChatPod) -> AsyncIterator[GatePod]:
    pod = await GatePod(verify, free_port(), chat.target).start()
    yield pod
    await pod.stop()


@pytest.fixture
async def status(verify: Verify, redis: RedisCluster) -> AsyncIterator[StatusPod]:
    pod = await StatusPod(verify, free_port(), redis).start()
    yield pod
    await pod.stop()


@pytest.fixture
async def channels(
    chat: ChatPod, gate: GatePod, status: StatusPod
) -> AsyncIterator[dict[str, grpc.aio.Channel]]:
    """Channels by the package of the contract."""
    opened = {
        name: grpc.aio.insecure_channel(pod.target)
        for name, pod in (("chat", chat), ("gate", gate), ("status", status))
    }
    yield opened
    for channel in opened.values():
        await channel.close()
