"""`make bench`: what a message costs, in CPU of every server process, on each kind of stores."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from pydantic import SecretStr

from loadtest.accounts import OPEN_LIMITS, LoggedIn, make_accounts, sign_idle_sessions
from loadtest.growth import fill_conversations, fill_messages
from loadtest.report import show
from loadtest.rooms import make_room
from loadtest.servers import mariadb, redis_cluster
from services.common.database import sync_url
from services.embedded.settings import Settings
from services.embedded.system import System

PAIRS = 50
BYTES = 128
HISTORY_MESSAGES = 100_000
IDLE = (500, 2_000)
STORES = ("embedded", "mariadb")
SCENARIOS = (
    "cold-start",
    "idle",
    "closed-1",
    "closed-16",
    "open-200",
    "open-200-receipts",
    "room-200-w1",
    "room-200-w4",
    "room-2000",
    "history",
)
# Only when they are asked for: they take minutes, and the tables are large after them.
GROWTH = ("growth-conversations", "growth-messages", "growth-sessions")
GROWN_CONVERSATIONS = 100_000
GROWN_DOUBLINGS = 10
GROWN_SESSIONS = 5_000
ROOM = 200
RESULT = Path(".hongyan") / "bench.json"

Pids = Callable[[], dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class Running:
    """A system under test."""

    system: System
    pids: Pids
    start: dict[str, Any]
    signing_key: Path


@asynccontextmanager
async def run_system(stores: str, measure_start: bool) -> AsyncIterator[Running]:
    """Starts the system on embedded stores, or on MariaDB and a six-node Redis Cluster."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hongyan-bench-")))
        url = nodes = ""
        own: Pids = dict
        if stores != "embedded":
            database = await stack.enter_async_context(mariadb())
            redis = await stack.enter_async_context(redis_cluster())
            url, nodes = database.url, redis.nodes
            own = lambda: {"mariadb": database.pids(), "redis": redis.pids()}  # noqa: E731
        settings = Settings(home=home, port=0, database_url=SecretStr(url), redis_nodes=nodes)
        start = {}
        if measure_start:
            # The first start makes keys and tables; the second is what people wait for.
            await cold_start(settings)
            start = await cold_start(settings)
        system = await stack.enter_async_context(System(settings, environment=OPEN_LIMITS))
        yield Running(
            system, lambda: {**system.pids(), **own()}, start, home / "keys" / "signing.pem"
        )


class Driver:
    """The load process: takes a plan, tells when the load begins and ends."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._process: asyncio.subprocess.Process
        self._cpu_at_begin = 0.0

    async def begin(self) -> None:
        """Starts the process and waits until everybody is connected."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "loadtest.driver"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdin
        self._process.stdin.write(json.dumps(self._plan).encode() + b"\n")
        await self._process.stdin.drain()
        self._cpu_at_begin = (await self._line("begin"))["client_cpu_seconds"]

    async def end(self) -> dict[str, Any]:
        """Waits for the figures; a load that only waits is told to end."""
        assert self._process.stdin
        self._process.stdin.close()
        figures = await self._line("end")
        figures["client_cpu_seconds"] -= self._cpu_at_begin
        await self._process.wait()
        return figures

    async def _line(self, event: str) -> dict[str, Any]:
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load process ended with code {await self._process.wait()}")
        said: dict[str, Any] = json.loads(line)
        assert said["event"] == event, said
        return said


def cpu_seconds(pids: dict[str, list[int]]) -> dict[str, float]:
    """Returns the CPU time, user and system, that each part has used so far."""
    times = {
        name: [psutil.Process(pid).cpu_times() for pid in group] for name, group in pids.items()
    }
    return {name: sum(one.user + one.system for one in group) for name, group in times.items()}


def memory_kb(pids: dict[str, list[int]], names: tuple[str, ...]) -> float:
    """Returns the resident memory of some parts."""
    return sum(psutil.Process(pid).memory_info().rss / 1024 for name in names for pid in pids[name])


async def measure(running: Running, plan: dict[str, Any], *, each: bool = True) -> dict[str, Any]:
    """Runs a load and adds what it cost; `each`: every message is delivered once."""
    driver = Driver({"address": running.system.address, "bytes": BYTES, **plan})
    await driver.begin()
    before = cpu_seconds(running.pids())
    figures = await driver.end()
    after = cpu_seconds(running.pids())
    used = {name: after[name] - before[name] for name in after}
    figures["cpu_seconds"] = used
    if delivered := figures.get("delivered"):
        per_1000 = {name: 1000 * value / delivered for name, value in used.items()}
        figures["cpu_seconds_per_1000"] = sum(per_1000.values())
        figures["cpu_seconds_per_1000_by_part"] = per_1000
        figures["client_cpu_seconds_per_1000"] = 1000 * figures["client_cpu_seconds"] / delivered
        figures["messages_per_second"] = delivered / figures["seconds"]
        faults = (
            each and delivered != figures["acked"],
            figures["refused"],
            figures["pairs_wrong"],
        )
        if any(faults):
            raise AssertionError(f"the load was not delivered whole: {figures}")
    return figures


async def closed(
    running: Running, users: list[LoggedIn], window: int, seconds: float
) -> dict[str, Any]:
    """Closed loop of 50 pairs."""
    return await measure(
        running, {"load": "closed", "window": window, "seconds": seconds, "users": _plain(users)}
    )


async def opened(
    running: Running, users: list[LoggedIn], seconds: float, *, receipts: bool = False
) -> dict[str, Any]:
    """200 messages a second, measured from the time at which each was due."""
    plan = {"load": "open", "rate": 200, "seconds": seconds, "receipts": receipts}
    figures = await measure(running, plan | {"users": _plain(users)})
    return _flat(figures, "ack", "receive")


async def history(running: Running, users: list[LoggedIn], seconds: float) -> dict[str, Any]:
    """Pages of 50 of a conversation of 100,000."""
    figures = await measure(
        running,
        {
            "load": "history",
            "messages": HISTORY_MESSAGES,
            "seconds": seconds,
            "users": _plain(users[:2]),
        },
    )
    figures["pages_per_second"] = figures["pages"] / figures["seconds"]
    return _flat(figures, "page")


async def room(running: Running, users: list[LoggedIn], window: int, seconds: float) -> Any:
    """A room of 200: what each delivery costs."""
    return await _room(running, users, window, seconds, listeners=ROOM - 1, members=ROOM)


async def large_room(running: Running, users: list[LoggedIn], seconds: float) -> dict[str, Any]:
    """A room of 2,000, of which 200 are connected and 20 show it."""
    return await _room(running, users, 1, seconds, listeners=200, members=2_000, focused=20)


async def _room(
    running: Running,
    users: list[LoggedIn],
    window: int,
    seconds: float,
    *,
    listeners: int,
    members: int,
    focused: int = 0,
) -> dict[str, Any]:
    names = [f"listener-{number}" for number in range(listeners)]
    connected = [users[0], *sign_idle_sessions(running.signing_key, names, listeners)]
    room_id = make_room(running.system.database_url, [one.user_id for one in connected], members)
    figures = await measure(
        running,
        {
            "load": "room",
            "room": room_id,
            "window": window,
            "focused": focused,
            "seconds": seconds,
            "users": _plain(connected),
        },
        each=False,
    )
    deliveries = max(figures["delivered"], 1)
    used = sum(figures["cpu_seconds"].values())
    figures["cpu_us_per_delivery"] = 1e6 * used / deliveries
    figures["cpu_ms_per_message"] = 1e3 * used / figures["acked"]
    return _flat(figures, "ack")


async def growth(running: Running, users: list[LoggedIn], what: str, seconds: float) -> Any:
    """What a message costs, 16 in flight, with little and with much of something."""
    url = running.system.database_url
    before = (await closed(running, users, 16, seconds))["cpu_seconds_per_1000"]
    idle_driver = None
    if what == "conversations":
        await asyncio.to_thread(fill_conversations, url, GROWN_CONVERSATIONS)
    elif what == "messages":
        await asyncio.to_thread(fill_messages, url, GROWN_DOUBLINGS)
    else:
        names = [f"idle-{number}" for number in range(GROWN_SESSIONS)]
        tokens = sign_idle_sessions(running.signing_key, names, GROWN_SESSIONS)
        idle_driver = Driver(
            {"load": "idle", "address": running.system.address, "users": _plain(tokens)}
        )
        await idle_driver.begin()
    after = (await closed(running, users, 16, seconds))["cpu_seconds_per_1000"]
    if idle_driver:
        await idle_driver.end()
    return {"before": before, "after": after, "ratio": after / before}


async def idle(running: Running, users: list[LoggedIn]) -> dict[str, Any]:
    """Memory of gate and gateway for each stream that says nothing."""
    names = ("gate", "gateway")
    # One start for all counts: what the first streams have left free serves the next ones.
    before = memory_kb(running.pids(), names)
    sizes: dict[int, float] = {}
    for count in IDLE:
        tokens = sign_idle_sessions(running.signing_key, [one.user_id for one in users], count)
        driver = Driver(
            {"load": "idle", "address": running.system.address, "users": _plain(tokens)}
        )
        await driver.begin()
        sizes[count] = (memory_kb(running.pids(), names) - before) / count
        await driver.end()
    return {
        "kb_per_session": max(sizes.values()),
        **{f"kb_per_session_of_{count}": size for count, size in sizes.items()},
    }


async def cold_start(settings: Settings) -> dict[str, Any]:
    """From nothing to "ready", by the very command of `make run`, when the tables are there."""
    environment = {
        **os.environ,
        "HONGYAN_HOME": str(settings.home),
        "HONGYAN_PORT": "0",
        "HONGYAN_DATABASE_URL": settings.database_url.get_secret_value(),
        "HONGYAN_REDIS_NODES": settings.redis_nodes,
    }
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.embedded.main"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    said = b""
    while b" is ready " not in said:
        line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"the system did not start:\n{said.decode()}")
        said += line
    seconds = time.perf_counter() - started
    process.terminate()
    await process.communicate()
    return {"seconds": seconds}


def count_stored(url: str) -> int:
    """Returns how many messages there are; fails when a conversation's numbers have a hole."""
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT c.id, c.last_seq, MAX(m.seq) AS greatest, COUNT(m.seq) AS messages "
                "FROM conversation c JOIN message m ON m.conversation_id = c.id "
                "GROUP BY c.id, c.last_seq"
            )
        ).all()
    engine.dispose()
    broken = [row for row in rows if not row.last_seq == row.greatest == row.messages]
    if broken:
        raise AssertionError(f"conversations with holes: {broken}")
    return sum(row.messages for row in rows)


def _flat(figures: dict[str, Any], *names: str) -> dict[str, Any]:
    """Gives each percentile a name of its own."""
    for name in names:
        for part, value in figures.pop(f"{name}_ms").items():
            figures[f"{name}_{part}_ms"] = value
    return figures


def _plain(users: list[LoggedIn]) -> list[dict[str, str]]:
    return [{"user_id": user.user_id, "token": user.token} for user in users]


async def bench(stores: str, seconds: float, wanted: list[str]) -> dict[str, Any]:
    """Runs the wanted scenarios on one kind of stores."""
    say(f"{stores}: starting")
    async with run_system(stores, "cold-start" in wanted) as running:
        say(f"{stores}: making {2 * PAIRS} accounts")
        users = await make_accounts(running.system.address, running.system.mail_folder, 2 * PAIRS)
        scenarios: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
            "idle": lambda: idle(running, users),
            "closed-1": lambda: closed(running, users, 1, seconds),
            "closed-16": lambda: closed(running, users, 16, seconds),
            "open-200": lambda: opened(running, users, seconds),
            "open-200-receipts": lambda: opened(running, users, seconds, receipts=True),
            "room-200-w1": lambda: room(running, users, 1, seconds),
            "room-200-w4": lambda: room(running, users, 4, seconds),
            "room-2000": lambda: large_room(running, users, seconds),
            "history": lambda: history(running, users, seconds),
            "growth-conversations": lambda: growth(running, users, "conversations", seconds),
            "growth-messages": lambda: growth(running, users, "messages", seconds),
            "growth-sessions": lambda: growth(running, users, "sessions", seconds),
        }
        results: dict[str, Any] = {"cold-start": running.start}
        for name, scenario in scenarios.items():
            if name in wanted:
                say(f"{stores}: {name}")
                results[name] = await scenario()
        acked = sum(one.get("acked", 0) for one in results.values())
        stored = await asyncio.to_thread(count_stored, running.system.database_url)
        if stored != acked and not set(wanted) & set(GROWTH):
            raise AssertionError(f"{acked} messages were acknowledged and {stored} are stored")
        results["stored"] = {"acked": acked, "stored": stored, "conversations_with_holes": 0}
        return results


def say(text: str) -> None:
    """Tells who waits what happens."""
    print(f"· {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench BENCH='…'",
        description="Measures what durable one-to-one messages cost: CPU of every server process, "
        "through the real gateway, from a load process of its own.",
    )
    parser.add_argument(
        "--stores", default=",".join(STORES), help="embedded,mariadb (with six Redis nodes)"
    )
    parser.add_argument(
        "--scenarios",
        default=",".join(SCENARIOS),
        help=f"some of {', '.join((*SCENARIOS, *GROWTH))}",
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each load lasts (8)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    stores, wanted = arguments.stores.split(","), arguments.scenarios.split(",")
    if unknown := (set(stores) - set(STORES)) | (set(wanted) - {*SCENARIOS, *GROWTH}):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    results = {name: asyncio.run(bench(name, arguments.seconds, wanted)) for name in stores}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=2) + "\n")
    if arguments.json:
        print(json.dumps(results))
    else:
        show(results)
        say(f"written to {RESULT}")


if __name__ == "__main__":
    main()
