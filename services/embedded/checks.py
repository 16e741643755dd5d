"""How the local run finds out whether something is there and works."""

import asyncio
import base64
import http.client
import json
import os
from collections.abc import Mapping, Set
from typing import Any
from urllib.parse import urlsplit

from services.embedded.home import CannotStart

REACH_SECONDS = 5.0
DATABASES = ("sqlite", "mysql", "mariadb")
MYSQL_PORT = 3306

# A token with our issuer and audience that nobody has signed: it is refused for its signature
# only once the gateway has the keys, and for want of keys before.
_PARTS = (
    {"alg": "EdDSA", "kid": "nobody", "typ": "at+jwt"},
    {"iss": "hongyan", "aud": "hongyan", "sub": "nobody", "exp": 4_102_444_800},
)
UNSIGNED_TOKEN = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (*(json.dumps(part).encode() for part in _PARTS), b"\0" * 64)
)


async def service_healthy(address: str, service: str) -> bool:
    """Asks a service's standard health check."""
    import grpc  # noqa: PLC0415  # the launcher starts its children before it needs this
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    async with grpc.aio.insecure_channel(address) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=1
            )
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def gateway_ready(port: int, admin_port: int, addresses: Set[str]) -> bool:
    """Says whether Envoy listens, sees these services healthy, and has verify's keys."""
    if await get(admin_port, "/ready") is None or await get(port, "/healthz") is None:
        return False
    if not await sees(admin_port, addresses):
        return False
    headers = {"authorization": f"Bearer {UNSIGNED_TOKEN}"}
    refusal = await get(port, "/v1/me", headers, any_status=True)
    return refusal is not None and b"TOKEN_INVALID" in refusal and b"fetch" not in refusal


async def sees(admin_port: int, addresses: Set[str]) -> bool:
    """Says whether Envoy's health checks find these addresses (host:port) healthy."""
    listing = await get(admin_port, "/clusters?format=json")
    if listing is None:
        return False
    healthy = set()
    for cluster in json.loads(listing)["cluster_statuses"]:
        for host in cluster.get("host_statuses", ()):
            if not host["health_status"].get("failed_active_health_check"):
                address = host["address"]["socket_address"]
                healthy.add(f"{address['address']}:{address['port_value']}")
    return healthy.issuperset(addresses)


async def health_successes(admin_port: int, cluster: str) -> int:
    """Returns how many of Envoy's health checks of a cluster have succeeded so far."""
    text = await get(admin_port, f"/stats?filter=^cluster.{cluster}.health_check.success$")
    return int((text or b"").partition(b":")[2] or 0)


async def get(
    port: int,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    any_status: bool = False,
) -> bytes | None:
    """Returns the body of a local page; None when it cannot be had."""
    return await asyncio.to_thread(_get_in_thread, port, path, headers or {}, method, any_status)


def _get_in_thread(
    port: int, path: str, headers: Mapping[str, str], method: str, any_status: bool
) -> bytes | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if any_status or answer.status == 200 else None


def without_password(url: str) -> str:
    """Returns a URL that may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:***@{host}").geturl()


async def check_database(url: str) -> None:
    """Raises CannotStart when nothing listens where a database should."""
    try:
        parts = urlsplit(url)
        kind, host, port = parts.scheme.partition("+")[0], parts.hostname, parts.port
    except ValueError as error:
        raise CannotStart(f"HONGYAN_DATABASE_URL: {error}") from None
    if kind not in DATABASES:
        raise CannotStart(f"HONGYAN_DATABASE_URL begins with one of {', '.join(DATABASES)}")
    if not host:
        return  # SQLite: its file is made when it is needed
    try:
        async with asyncio.timeout(REACH_SECONDS):
            _, writer = await asyncio.open_connection(host, port or MYSQL_PORT)
    except (OSError, TimeoutError) as error:
        where = without_password(url)
        raise CannotStart(
            f"HONGYAN_DATABASE_URL: {where} cannot be reached: {_why(error)}"
        ) from error
    writer.close()


async def check_redis(nodes: str, password: str) -> None:
    """Raises CannotStart when none of the nodes is one of a Redis Cluster that works."""
    addresses = [node.strip().rpartition(":") for node in nodes.split(",")]
    if not all(host and port.isdigit() for host, _, port in addresses):
        raise CannotStart("HONGYAN_REDIS_NODES must be host:port,host:port")
    problems = await asyncio.gather(
        *(_redis_problem(host, int(port), password) for host, _, port in addresses)
    )
    if all(problems):
        raise CannotStart(f"HONGYAN_REDIS_NODES: {nodes}: {problems[0]}")


async def _redis_problem(host: str, port: int, password: str) -> str:
    """Says why a node cannot be used; nothing when it can."""
    from redis.asyncio import Redis  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    client = Redis(
        host=host,
        port=port,
        password=password or None,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=REACH_SECONDS,
        socket_connect_timeout=REACH_SECONDS,
    )
    try:
        info: Any = await client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
    except (RedisError, OSError, TimeoutError) as error:
        return _why(error)
    finally:
        await client.aclose()
    return "" if info["cluster_state"] == "ok" else f"the cluster is in state {info}"


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or f"no answer within {REACH_SECONDS:.0f} s"
