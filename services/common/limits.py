"""Limits: token buckets in Redis for what all pods share, in memory for the message path.

A bucket holds `size` tokens and gets one back every `seconds`. What happens without Redis is
said at each use: credentials are closed, everything else is open.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from redis.asyncio.cluster import RedisCluster

from services.common.cluster import redis_errors
from services.common.errors import Exhausted, Unavailable

REFUSED = Counter("hongyan_limit_refused", "Calls that a limit refused.", ["limit"])

log = structlog.get_logger()

# Takes one token: the answer is 0, or the microseconds until there is one. The bucket is kept
# as the time at which it will be full again, so one number is the whole state.
TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local size, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = full + step - now - size * step
if wait > 0 then return math.ceil(wait) end
local life = math.ceil((full + step - now) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', full + step), 'PX', math.max(life, 1))
return 0
"""
MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket's name and measure."""

    name: str
    size: int
    seconds: float
    """The time in which one token comes back."""

    @classmethod
    def parse(cls, name: str, text: str) -> "Limit":
        """Reads "size/seconds", such as "60/1"; raises ValueError."""
        size, _, seconds = text.partition("/")
        try:
            limit = cls(name, int(size), float(seconds))
        except ValueError:
            raise ValueError(f"limit {name}: write size/seconds, such as 60/1") from None
        if limit.size < 1 or limit.seconds <= 0 or not math.isfinite(limit.seconds):
            raise ValueError(f"limit {name}: both numbers must be above zero")
        return limit


class SharedLimits:
    """Buckets in Redis, shared by all pods."""

    def __init__(self, redis: RedisCluster) -> None:
        self._redis = redis

    async def take(self, limit: Limit, key: str, *, closed_without_redis: bool) -> None:
        """Takes one token; raises Exhausted when there is none.

        Without Redis it raises Unavailable if `closed_without_redis`, else it lets through.
        """
        name = f"limit:{limit.name}:{{{key}}}"
        try:
            with redis_errors():
                wait = int(
                    await self._redis.eval(
                        TAKE, 1, name, limit.size, math.ceil(limit.seconds * MICROS)
                    )
                )
        except Unavailable:
            if closed_without_redis:
                raise
            log.warning("limit.open", limit=limit.name)
            return
        if wait:
            raise refused(limit, wait / MICROS)


class LocalLimit:
    """Buckets of one process, for the message path: no call leaves the process."""

    def __init__(self, limit: Limit, now: Callable[[], float], keys: int = 100_000) -> None:
        self._limit = limit
        self._now = now
        self._keys = keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str) -> None:
        """Takes one token; raises Exhausted when there is none."""
        now = self._now()
        full_at = max(self._full_at.get(key, now), now)
        wait = full_at + self._limit.seconds - now - self._limit.size * self._limit.seconds
        # A bucket is known by the time at which it is full: rounding must not refuse a token.
        if wait > 1e-9:
            raise refused(self._limit, wait)
        self._full_at[key] = full_at + self._limit.seconds
        # Who goes on stays: else others coming would empty a bucket that is in use.
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._keys:
            self._full_at.popitem(last=False)


def refused(limit: Limit, retry_seconds: float) -> Exhausted:
    """Says that a limit is reached, and counts it."""
    REFUSED.labels(limit.name).inc()
    return Exhausted(
        "LIMIT_REACHED", f"limit {limit.name}: try again later", retry_seconds=retry_seconds
    )
