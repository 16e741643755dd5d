"""The Redis Cluster: one client, whose failures leave as Unavailable."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from services.common.errors import Unavailable
from services.common.settings import RedisSettings


def connect(settings: RedisSettings) -> RedisCluster:
    """Makes a client; it finds the nodes at the first command, and again after a failover."""
    nodes = [node.strip().rpartition(":") for node in settings.redis_nodes.split(",")]
    if not all(host and port.isdigit() for host, _, port in nodes):
        raise ValueError("HONGYAN_REDIS_NODES must be host:port,host:port")
    return RedisCluster(
        startup_nodes=[ClusterNode(host, int(port)) for host, _, port in nodes],
        password=settings.redis_password.get_secret_value() or None,
        socket_timeout=2,
        socket_connect_timeout=1,
        decode_responses=True,
    )


async def find_nodes(redis: RedisCluster) -> None:
    """Finds the cluster's nodes now, once: many first commands at once would each do it, and
    close the connections of the others. Without Redis the first command tries again.
    """
    with contextlib.suppress(Unavailable), redis_errors():
        await redis.initialize()


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turns what goes wrong with Redis into Unavailable."""
    try:
        yield
    except (RedisError, RedisClusterException, OSError, TimeoutError, RuntimeError) as error:
        # RuntimeError is what uvloop says of a connection that was closed under the client.
        raise _away() from error
    except AttributeError as error:
        # The client writes to a socket that another of its tasks has just taken away.
        if error.obj is not None:
            raise
        raise _away() from error


def _away() -> Unavailable:
    return Unavailable("REDIS_AWAY", "Redis does not answer", retry_seconds=1)
