"""Limits in Redis: a model of tokens, many clients at once, and what happens without Redis."""

import asyncio
import time

import pytest
from redis.asyncio.cluster import RedisCluster

from services.common import cluster
from services.common.errors import Exhausted, Unavailable
from services.common.limits import Limit, SharedLimits
from tests.service.conftest import Valkey


async def taken(limits: SharedLimits, limit: Limit, key: str) -> bool:
    try:
        await limits.take(limit, key, closed_without_redis=True)
    except Exhausted:
        return False
    return True


async def test_a_bucket_holds_its_size_whoever_takes(redis: RedisCluster) -> None:
    limit = Limit("test", 7, 100)
    pods = [SharedLimits(redis) for _ in range(3)]
    answers = await asyncio.gather(*(taken(pods[n % 3], limit, "ann") for n in range(30)))
    assert sum(answers) == 7
    assert await taken(pods[0], limit, "bob")


async def test_a_token_comes_back_after_the_delay_that_was_told(redis: RedisCluster) -> None:
    limits, limit = SharedLimits(redis), Limit("test", 2, 0.2)
    assert await taken(limits, limit, "ann")
    assert await taken(limits, limit, "ann")
    with pytest.raises(Exhausted) as refused:
        await limits.take(limit, "ann", closed_without_redis=True)
    assert refused.value.retry_seconds
    assert 0 < refused.value.retry_seconds <= 0.2
    deadline = time.monotonic() + refused.value.retry_seconds
    async with asyncio.timeout(5):
        while not await taken(limits, limit, "ann"):
            await asyncio.sleep(0.005)
    assert time.monotonic() >= deadline - 0.02
    assert not await taken(limits, limit, "ann")


async def test_a_bucket_that_is_full_again_leaves_no_key(redis: RedisCluster) -> None:
    limits, limit = SharedLimits(redis), Limit("test", 5, 0.02)
    await taken(limits, limit, "ann")
    [key] = await redis.keys("*")
    assert await redis.pttl(key) <= 20
    async with asyncio.timeout(5):
        while await redis.keys("*"):
            await asyncio.sleep(0.005)


async def test_limits_of_other_names_do_not_share(redis: RedisCluster) -> None:
    limits = SharedLimits(redis)
    assert await taken(limits, Limit("one", 1, 100), "ann")
    assert await taken(limits, Limit("two", 1, 100), "ann")
    assert not await taken(limits, Limit("one", 1, 100), "ann")


@pytest.mark.parametrize("ever", [True, False], ids=["died", "never was"])
async def test_without_redis_a_limit_is_open_or_closed_as_its_use_says(
    mortal_valkey: Valkey, ever: bool
) -> None:
    client = cluster.connect(mortal_valkey.settings if ever else Valkey.nowhere())
    limits, limit = SharedLimits(client), Limit("test", 1, 100)
    if ever:
        assert await taken(limits, limit, "ann")
        mortal_valkey.stop()
    started = time.monotonic()
    for _ in range(3):
        await limits.take(limit, "ann", closed_without_redis=False)
    with pytest.raises(Unavailable) as refused:
        await limits.take(limit, "ann", closed_without_redis=True)
    assert refused.value.retry_seconds
    # A device that connects meanwhile waits for this.
    assert (time.monotonic() - started) / 4 < 2
    await client.aclose()
