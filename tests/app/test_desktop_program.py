"""The program as people start it: one a profile, a place that is kept, a link handed over."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.desktop import single

pytestmark = pytest.mark.asyncio(loop_scope="session")
NOWHERE = "http://127.0.0.1:1"


class Programs:
    """Starts the program on one profile, and ends what it has started."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._started: list[asyncio.subprocess.Process] = []

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from app.desktop.command import run; run()",
            "--address",
            NOWHERE,
            "--home",
            str(self.home),
            *arguments,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=asyncio.subprocess.PIPE,
        )
        self._started.append(program)
        return program

    async def close(self) -> None:
        for program in self._started:
            if program.returncode is None:
                program.kill()
            await program.communicate()


@pytest_asyncio.fixture(loop_scope="session")
async def programs(tmp_path: Path) -> AsyncIterator[Programs]:
    made = Programs(tmp_path / "p")
    yield made
    await made.close()


async def hand(*command: object) -> str:
    """Uses xdotool, and returns what it says."""
    program = shutil.which("xdotool")
    assert program, "run tests/install-servers"
    process = await asyncio.create_subprocess_exec(
        program, *map(str, command), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, command
    return said.decode().strip()


async def window_of(program: asyncio.subprocess.Process) -> str:
    found = await hand("search", "--sync", "--onlyvisible", "--pid", program.pid)
    return found.splitlines()[-1]


async def place(window: str) -> dict[str, int]:
    """Returns where a window is: X, Y, WIDTH, HEIGHT."""
    lines = (await hand("getwindowgeometry", "--shell", window)).splitlines()
    found = dict(it.split("=") for it in lines)
    return {it: int(found[it]) for it in ("X", "Y", "WIDTH", "HEIGHT")}


async def until_kept(home: Path, **wanted: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                kept = json.loads((home / "preferences.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                kept = {}
            if wanted.items() <= kept.get("window", {}).items():
                return
            await asyncio.sleep(0.05)


async def test_the_window_comes_back_where_it_was(programs: Programs) -> None:
    first = await programs.start()
    window = await window_of(first)
    await hand("windowsize", "--sync", window, 900, 640)
    await hand("windowmove", "--sync", window, 120, 90)
    await until_kept(programs.home, left=120, top=90, width=900, height=640)
    first.terminate()
    assert await asyncio.wait_for(first.wait(), 30) == 0
    assert not (programs.home / single.PORT).exists()
    second = await programs.start()
    there = await place(await window_of(second))
    assert there == {"X": 120, "Y": 90, "WIDTH": 900, "HEIGHT": 640}


async def test_a_window_that_was_on_a_screen_that_is_gone_comes_to_this_one(
    programs: Programs,
) -> None:
    programs.home.mkdir()
    gone = {"window": {"left": 5_000, "top": 4_000, "width": 5_000, "height": 700}}
    (programs.home / "preferences.json").write_text(json.dumps(gone))
    window = await window_of(await programs.start())
    async with asyncio.timeout(30):
        while True:
            there = await place(window)
            if there["X"] + there["WIDTH"] <= 1_400 and there["Y"] + there["HEIGHT"] <= 1_400:
                break
            await asyncio.sleep(0.05)
    assert there["X"] >= 0
    assert there["Y"] >= 0


async def test_a_second_start_hands_over_its_link_and_ends(programs: Programs) -> None:
    first = await programs.start()
    await window_of(first)
    second = await programs.start("hongyan://login/not-a-code")
    assert await asyncio.wait_for(second.wait(), 60) == 0
    assert first.returncode is None
    third = await programs.start("https://example.org")
    assert await asyncio.wait_for(third.wait(), 60) == 2
    first.kill()
    await first.wait()
    # What the killed one left does not keep the next from starting.
    fourth = await programs.start()
    await window_of(fourth)
    fourth.terminate()
    assert await asyncio.wait_for(fourth.wait(), 30) == 0
