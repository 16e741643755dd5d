"""A verify pod on a database, a cluster and a folder of mails."""

import functools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import argon2
import grpc
import pytest
from redis.asyncio.cluster import RedisCluster

from services.common import migrations
from services.verify import passwords
from tests.service.conftest import free_port
from tests.service.verify.world import EMAIL, WIDE, Client, VerifyPod

NewClient = Callable[..., Client]
Joined = Callable[..., Awaitable[Client]]


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id that takes a millisecond."""
    cheap = functools.partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "PasswordHasher", cheap)


@pytest.fixture(scope="session")
def migrated_verify(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "verify.db"
    migrations.upgrade("verify", f"sqlite:///{path}")
    return path


@pytest.fixture
def verify_database(migrated_verify: Path, tmp_path: Path) -> str:
    """The URL of a database with verify's tables and nothing in them."""
    return f"sqlite:///{shutil.copy(migrated_verify, tmp_path / 'verify.db')}"


@pytest.fixture
async def pod(
    verify_database: str, redis: RedisCluster, tmp_path: Path
) -> AsyncIterator[VerifyPod]:
    """A pod whose limits nobody reaches."""
    started = VerifyPod(free_port(), verify_database, redis, tmp_path / "mail", **WIDE)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def limited_pod(
    verify_database: str, redis: RedisCluster, tmp_path: Path
) -> AsyncIterator[VerifyPod]:
    """A pod with the limits that it has unless one is set."""
    started = VerifyPod(free_port(), verify_database, redis, tmp_path / "mail")
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def new_client() -> AsyncIterator[NewClient]:
    """Makes clients of a pod."""
    async with AsyncExitStack() as stack:
        channels: list[grpc.aio.Channel] = []

        def make(pod: VerifyPod, ip: str = "") -> Client:
            channels.append(grpc.aio.insecure_channel(pod.target))
            return Client(channels[-1], ip)

        yield make
        for channel in channels:
            await stack.enter_async_context(channel)


@pytest.fixture
def joined(new_client: NewClient) -> Joined:
    """Makes an account and a client that is logged in to it."""

    async def join(pod: VerifyPod, address: str = EMAIL, device: str = "phone-0001") -> Client:
        client = new_client(pod, "198.51.100.250")
        await client.send_code(address)
        await client.register(await pod.code(address), address)
        client.token = (await client.login(address, device=device)).access_token
        return client

    return join
