"""`make bench`: what a message costs, in CPU of every server process, on each kind of stores."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from loadtest.accounts import OPEN_LIMITS, LoggedIn, make_accounts, sign_idle_sessions
from loadtest.servers import mariadb, redis_cluster
from services.embedded.settings import Settings
from services.embedded.system import System

PAIRS = 50
BYTES = 128
HISTORY_MESSAGES = 100_000
IDLE = (500, 2_000)
STORES = ("embedded", "mariadb")
RESULT = Path(".hongyan") / "bench.json"

Pids = Callable[[], dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class Goal:
    """What docs/performance.md asks of a figure; `at_least` turns the comparison round."""

    must: float
    goal: float
    at_least: bool = False

    def met(self, value: float) -> str:
        """Says which of the two a value meets."""

        def reaches(bound: float) -> bool:
            return value >= bound if self.at_least else value <= bound

        return "goal" if reaches(self.goal) else "must" if reaches(self.must) else "missed"


# Against ejabberd with MariaDB on the machine on which the goals were set; see docs/performance.md.
GOALS = {
    "closed-16 cpu_seconds_per_1000": Goal(0.285, 0.086),
    "closed-1 cpu_seconds_per_1000": Goal(0.59, 0.295),
    "open-200 cpu_seconds_per_1000": Goal(2.03, 1.25),
    "closed-16 messages_per_second": Goal(5715, 15240, at_least=True),
    "open-200 receive_p99_ms": Goal(25, 10),
    "idle kb_per_session": Goal(90, 50),
    "history pages_per_second": Goal(420, 1050, at_least=True),
    "history page_p50_ms": Goal(3, 3),
    "cold_start seconds": Goal(10, 4),
}


@dataclass(frozen=True, slots=True)
class Running:
    """A system under test."""

    system: System
    pids: Pids
    start_seconds: float
    signing_key: Path


@asynccontextmanager
async def run_system(stores: str) -> AsyncIterator[Running]:
    """Starts the system on embedded stores, or on MariaDB and a six-node Redis Cluster."""
    with tempfile.TemporaryDirectory(prefix="hongyan-bench-") as folder:
        home = Path(folder)
        if stores == "embedded":
            settings = Settings(home=home, port=0, database_url=SecretStr(""), redis_nodes="")
            async with _started(settings, dict, home) as running:
                yield running
            return
        async with mariadb() as database, redis_cluster() as redis:
            settings = Settings(
                home=home,
                port=0,
                database_url=SecretStr(database.url),
                redis_nodes=redis.nodes,
            )
            own = lambda: {"mariadb": database.pids(), "redis": redis.pids()}  # noqa: E731
            async with _started(settings, own, home) as running:
                yield running


@asynccontextmanager
async def _started(settings: Settings, own: Pids, home: Path) -> AsyncIterator[Running]:
    # The first start makes keys and tables; the second is what people wait for.
    async with System(settings, environment=OPEN_LIMITS):
        pass
    started = time.perf_counter()
    async with System(settings, environment=OPEN_LIMITS) as system:
        yield Running(
            system,
            lambda: {**system.pids(), **own()},
            time.perf_counter() - started,
            home / "keys" / "signing.pem",
        )


class Driver:
    """The load process: takes a plan, tells when the load begins and ends."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._process: asyncio.subprocess.Process

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
        await self._line("begin")

    async def end(self) -> dict[str, Any]:
        """Waits for the figures; a load that only waits is told to end."""
        assert self._process.stdin
        self._process.stdin.close()
        figures = await self._line("end")
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


async def measure(running: Running, plan: dict[str, Any]) -> dict[str, Any]:
    """Runs a load and adds what it cost."""
    driver = Driver({"address": running.system.address, "bytes": BYTES, **plan})
    await driver.begin()
    before = cpu_seconds(running.pids())
    figures = await driver.end()
    after = cpu_seconds(running.pids())
    used = {name: after[name] - before[name] for name in after}
    if delivered := figures.get("delivered"):
        per_1000 = {name: 1000 * value / delivered for name, value in used.items()}
        figures["cpu_seconds_per_1000"] = sum(per_1000.values())
        figures["cpu_seconds_per_1000_by_part"] = per_1000
        figures["messages_per_second"] = delivered / figures["seconds"]
        faults = (delivered != figures["acked"], figures["refused"], figures["pairs_wrong"])
        if any(faults):
            raise AssertionError(f"the load was not delivered whole: {figures}")
    return figures


async def closed(running: Running, users: list[LoggedIn], window: int, seconds: float) -> Any:
    """Closed loop of 50 pairs."""
    return await measure(
        running, {"load": "closed", "window": window, "seconds": seconds, "users": _plain(users)}
    )


async def opened(running: Running, users: list[LoggedIn], seconds: float) -> Any:
    """200 messages a second, measured from the time at which each was due."""
    figures = await measure(
        running, {"load": "open", "rate": 200, "seconds": seconds, "users": _plain(users)}
    )
    figures["receive_p99_ms"] = figures["receive_ms"]["p99"]
    return figures


async def history(running: Running, users: list[LoggedIn], seconds: float) -> Any:
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
    figures["page_p50_ms"] = figures["page_ms"]["p50"]
    return figures


async def idle(running: Running, users: list[LoggedIn]) -> Any:
    """Memory of gate and gateway for each stream that says nothing."""
    names = ("gate", "gateway")
    sizes: dict[int, float] = {}
    for count in IDLE:
        tokens = sign_idle_sessions(running.signing_key, [one.user_id for one in users], count)
        driver = Driver(
            {"load": "idle", "address": running.system.address, "users": _plain(tokens)}
        )
        before = memory_kb(running.pids(), names)
        await driver.begin()
        sizes[count] = (memory_kb(running.pids(), names) - before) / count
        await driver.end()
    return {"kb_per_session": max(sizes.values()), "kb_per_session_by_count": sizes}


def _plain(users: list[LoggedIn]) -> list[dict[str, str]]:
    return [{"user_id": user.user_id, "token": user.token} for user in users]


async def bench(stores: str, seconds: float, wanted: list[str]) -> dict[str, Any]:
    """Runs the wanted scenarios on one kind of stores."""
    async with run_system(stores) as running:
        results: dict[str, Any] = {"cold_start": {"seconds": running.start_seconds}}
        say(f"{stores}: making {2 * PAIRS} accounts")
        users = await make_accounts(running.system.address, running.system.mail_folder, 2 * PAIRS)
        scenarios: dict[str, Callable[[], Any]] = {
            "idle": lambda: idle(running, users),
            "closed-1": lambda: closed(running, users, 1, seconds),
            "closed-16": lambda: closed(running, users, 16, seconds),
            "open-200": lambda: opened(running, users, seconds),
            "history": lambda: history(running, users, seconds),
        }
        for name in wanted:
            say(f"{stores}: {name}")
            results[name] = await scenarios[name]()
        return results


def say(text: str) -> None:
    """Tells who waits what happens."""
    print(f"· {text}", file=sys.stderr, flush=True)


def show(results: dict[str, dict[str, Any]]) -> None:
    """Prints the figures beside what is asked of them, and the CPU of each part."""
    console = Console(width=110)
    table = Table(title="Hongyan: figures of this machine", title_justify="left")
    for column in ("figure", *results, "must", "goal"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for key, goal in GOALS.items():
        scenario, figure = key.split()
        values = [result.get(scenario, {}).get(figure) for result in results.values()]
        if any(value is not None for value in values):
            cells = [
                "–" if value is None else f"{value:,.3g} {goal.met(value)}" for value in values
            ]
            sign = "≥" if goal.at_least else "≤"
            table.add_row(key, *cells, f"{sign} {goal.must:g}", f"{sign} {goal.goal:g}")
    console.print(table)
    for stores, result in results.items():
        loads = {name: one for name, one in result.items() if "cpu_seconds_per_1000" in one}
        if not loads:
            continue
        parts = Table(title=f"CPU seconds per 1,000 delivered, {stores}", title_justify="left")
        parts.add_column("part")
        names = list(next(iter(loads.values()))["cpu_seconds_per_1000_by_part"])
        for name in loads:
            parts.add_column(name, justify="right")
        for part in names:
            shares = [one["cpu_seconds_per_1000_by_part"][part] for one in loads.values()]
            parts.add_row(part, *(f"{share:.3f}" for share in shares))
        totals = [one["cpu_seconds_per_1000"] for one in loads.values()]
        parts.add_row("all", *(f"{total:.3f}" for total in totals), style="bold")
        console.print(parts)


def main() -> None:
    names = ("idle", "closed-1", "closed-16", "open-200", "history")
    parser = argparse.ArgumentParser(
        prog="make bench BENCH='…'",
        description="Measures what durable one-to-one messages cost: CPU of every server process, "
        "through the real gateway, from a load process of its own.",
    )
    parser.add_argument(
        "--stores", default=",".join(STORES), help="embedded,mariadb (with six Redis nodes)"
    )
    parser.add_argument("--scenarios", default=",".join(names), help=f"some of {', '.join(names)}")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each load lasts (8)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    stores, wanted = arguments.stores.split(","), arguments.scenarios.split(",")
    if unknown := (set(stores) - set(STORES)) | (set(wanted) - set(names)):
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
