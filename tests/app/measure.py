"""How quick and how light the app is: start, frames while messages come, scrolling, idling.

    python -m tests.app.measure

prints a table and writes .hongyan/client.json. The system and the app run on this machine, the app
with the fonts of its bundle; with software rendering a frame costs more than with a graphics card.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

import packing.fonts
from loadtest.accounts import OPEN_LIMITS, PASSWORD
from services.embedded.settings import Settings
from services.embedded.system import System
from tests.app.screen import start_screen
from tests.faults.people import Device, Town

MANY, PER_SECOND, SECONDS = 10_000, 20, 15
IDLE_SECONDS = 20
REST_SECONDS = 15
"""After so long nothing moves: the cursor has blinked for ten seconds."""
MIB = 1024 * 1024


class App:
    """The app as a process of its own."""

    def __init__(self, address: str, home: Path) -> None:
        places = ("--home", str(home), "--fonts", str(home.parent / "fonts"))
        self._arguments = ["-m", "tests.app.measured", "--address", address, *places]

    async def __aenter__(self) -> "App":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self.process = psutil.Process(self._process.pid)
        return self

    async def ask(self, words: str) -> Any:
        """Says a line to it and returns its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{words}\n".encode())
        return json.loads(await asyncio.wait_for(self._process.stdout.readline(), 120))

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()


async def measure() -> dict[str, Any]:
    """Returns all figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        say("the fonts of a bundle are made")
        await asyncio.to_thread(packing.fonts.make, home / "fonts")
        settings = Settings(home=home / "system", port=0)
        async with System(settings, environment=OPEN_LIMITS) as system, Town(system, home) as town:
            return await _measure(system, town, home / "profile")


async def _measure(system: System, town: Town, profile: Path) -> dict[str, Any]:
    ling, bo = town.device("ling", profile), await town.newcomer("bo", in_flight=128)
    first = await town.newcomer("ling")
    await ling.client.login((await first.client.me()).email, PASSWORD, device_name="app")
    others = await asyncio.gather(*(town.newcomer(f"p{number}") for number in range(12)))
    for other in others:
        talk = await other.client.open_direct(first.client.user_id)
        await other.send(talk.conversation_id, f"你好，我是 {other.name} 👋")
    id = (await bo.client.open_direct(first.client.user_id)).conversation_id
    say(f"{MANY} messages are said")
    await fill(bo, id, MANY)
    say("the app starts")
    await ling.start()
    await ling.close()
    found: dict[str, Any] = {}
    async with App(system.address, profile) as app:
        found["start, connected"] = await app.ask("times")
        await app.ask(f"open {id}")
        await asyncio.sleep(3)
        await app.ask("frames")
        say(f"{PER_SECOND} messages a second for {SECONDS} s, then scrolling and idling")
        await trickle(bo, id)
        found[f"{PER_SECOND} messages a second"] = await app.ask("tell")
        found[f"scrolling {MANY} messages"] = await app.ask(f"scroll {SECONDS}")
        await asyncio.sleep(REST_SECONDS)
        found["idle"] = idle(app.process)
    async with App("http://127.0.0.1:9", profile) as app:
        found["start, offline"] = await app.ask("times")
    return found


def say(text: str) -> None:
    """Says how far it is."""
    print("·", text, file=sys.stderr)


async def fill(device: Device, conversation_id: str, count: int) -> None:
    """Says many things, and waits until they are stored."""
    for number in range(count):
        message = await device.client.send(
            conversation_id, f"第 {number} 条：今天天气不错 ☀️ " + "好" * (number % 60)
        )
        if number % 500 == 499:
            await device.client.settled(message.client_message_id, 120)


async def trickle(device: Device, conversation_id: str) -> None:
    """Says so much a second for a while."""
    begun = time.perf_counter()
    for number in range(PER_SECOND * SECONDS):
        await device.client.send(conversation_id, f"来了 {number} " + "新消息 " * (number % 9))
        await asyncio.sleep(max(0.0, begun + (number + 1) / PER_SECOND - time.perf_counter()))


def idle(process: psutil.Process) -> dict[str, Any]:
    """Returns what the app costs while nothing happens."""
    before = sum(process.cpu_times()[:2])
    begun = time.perf_counter()
    time.sleep(IDLE_SECONDS)
    spent = sum(process.cpu_times()[:2]) - before
    return {
        "cpu %": round(100 * spent / (time.perf_counter() - begun), 2),
        "rss MiB": round(process.memory_info().rss / MIB),
    }


def main() -> None:
    """Measures, prints and writes."""
    start_screen()
    found = asyncio.run(measure())
    for name, figures in found.items():
        print(f"{name:28}", "  ".join(f"{key} {value}" for key, value in figures.items()))
    out = Path(os.environ.get("HONGYAN_HOME", ".hongyan")) / "client.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
