"""Status's keys in Redis, and the only commands that touch them.

{user:ID}:gates   sorted set: gate id → Unix time at which its lease ends
{user:ID}:seen    string: Unix time at which the user was last known to be connected
{gates}:leases    sorted set: gate id → Unix time at which its lease ends
{gates}:sessions  hash: gate id → how many sessions it holds
"""

from collections.abc import Sequence

from redis.asyncio.cluster import RedisCluster

from services.common.cluster import redis_errors
from services.status.rules import Seen


class Store:
    """Leases in a Redis Cluster, one pipeline for each call."""

    def __init__(self, redis: RedisCluster, lease_seconds: float, keep_seconds: float) -> None:
        self._redis = redis
        self._lease_seconds = lease_seconds
        self._keep_seconds = int(keep_seconds)

    async def renew(self, gate_id: str, user_ids: Sequence[str], now: float) -> None:
        """Sets leases; a user's key goes when the last lease has ended."""
        with redis_errors():
            pipeline = self._redis.pipeline()
            for user_id in user_ids:
                key = f"{{user:{user_id}}}:gates"
                pipeline.zadd(key, {gate_id: now + self._lease_seconds})
                pipeline.zremrangebyscore(key, "-inf", now)
                pipeline.expire(key, int(self._lease_seconds) + 1)
                pipeline.set(f"{{user:{user_id}}}:seen", now, ex=self._keep_seconds)
            await pipeline.execute()

    async def drop(self, gate_id: str, user_ids: Sequence[str], now: float) -> None:
        """Ends leases."""
        with redis_errors():
            pipeline = self._redis.pipeline()
            for user_id in user_ids:
                pipeline.zrem(f"{{user:{user_id}}}:gates", gate_id)
                pipeline.set(f"{{user:{user_id}}}:seen", now, ex=self._keep_seconds)
            await pipeline.execute()

    async def look(self, user_ids: Sequence[str], now: float) -> list[Seen]:
        """Returns what is known of users, in the order of the ids."""
        with redis_errors():
            pipeline = self._redis.pipeline()
            for user_id in user_ids:
                pipeline.zrange(f"{{user:{user_id}}}:gates", -1, -1, withscores=True)
                pipeline.get(f"{{user:{user_id}}}:seen")
            answers = await pipeline.execute()
        return [
            Seen(float(gates[0][1]) if gates else 0.0, float(seen) if seen else None)
            for gates, seen in zip(answers[::2], answers[1::2], strict=True)
        ]

    async def count(self, gate_id: str, sessions: int, now: float) -> None:
        """Notes a gate and its sessions, and forgets gates whose lease has ended."""
        with redis_errors():
            ended = await self._redis.zrangebyscore("{gates}:leases", "-inf", now)
            pipeline = self._redis.pipeline()
            if ended:
                pipeline.zrem("{gates}:leases", *ended)
                pipeline.hdel("{gates}:sessions", *ended)
            pipeline.zadd("{gates}:leases", {gate_id: now + self._lease_seconds})
            pipeline.hset("{gates}:sessions", gate_id, str(sessions))
            pipeline.expire("{gates}:leases", self._keep_seconds)
            pipeline.expire("{gates}:sessions", self._keep_seconds)
            await pipeline.execute()

    async def forget(self, gate_id: str) -> None:
        """Takes a gate off the list."""
        with redis_errors():
            pipeline = self._redis.pipeline()
            pipeline.zrem("{gates}:leases", gate_id)
            pipeline.hdel("{gates}:sessions", gate_id)
            await pipeline.execute()

    async def gates(self, now: float) -> dict[str, int]:
        """Returns the gates that have a lease, and how many sessions each holds."""
        with redis_errors():
            live = await self._redis.zrangebyscore("{gates}:leases", now, "+inf")
            counts = await self._redis.hgetall("{gates}:sessions")
        return {str(gate): int(counts.get(str(gate), 0)) for gate in live}

    async def check(self) -> None:
        """Raises Unavailable when Redis does not answer."""
        with redis_errors():
            await self._redis.get("{status}:check")
