"""The program as people start it, used from outside: by keys, the clipboard and the screen."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import ImageGrab

from loadtest.accounts import PASSWORD
from tests.faults.people import Device, Town
from tests.system.test_story_groups import befriend, say, words

# The red of a number, in both themes.
UNREAD = (0xD9, 0x36, 0x36)
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run(*command: object, given: str = "", may_fail: bool = False) -> str:
    """Runs a program to its end and returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await asyncio.wait_for(process.communicate(given.encode()), 30)
    assert may_fail or process.returncode == 0, command
    return printed.decode().strip()


def has_colour(colour: tuple[int, int, int]) -> bool:
    """Says whether a colour is on the screen."""
    seen = ImageGrab.grab(xdisplay=os.environ["DISPLAY"]).convert("RGB").getcolors(1_000_000)
    return any(it == colour for _, it in seen or ())


class Desktop:
    """A window on the screen, and hands that know nothing of what is inside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.window = ""

    async def appear(self) -> None:
        """Waits for the window."""
        found = await run(
            "xdotool", "search", "--sync", "--onlyvisible", "--pid", self._process.pid
        )
        self.window = found.splitlines()[-1]
        await run("xdotool", "windowfocus", "--sync", self.window)

    async def shows(self, colour: tuple[int, int, int], *, gone: bool = False) -> None:
        """Waits until a colour is on the screen, such as that of a number of unread messages, or
        is there no longer."""
        async with asyncio.timeout(60):
            while has_colour(colour) is gone:
                await asyncio.sleep(0.2)

    async def keys(self, *names: str) -> None:
        await run("xdotool", "key", "--clearmodifiers", *names)

    async def types(self, text: str) -> None:
        await run("xdotool", "type", "--delay", 20, text)

    async def pastes(self, text: str) -> None:
        """Puts a text on the clipboard, which lasts until the next one, and pastes it."""
        # xclip stays and serves the text, so that its end cannot be waited for.
        clip = await asyncio.create_subprocess_exec(
            "xclip", "-selection", "clipboard", "-in", "-quiet", stdin=asyncio.subprocess.PIPE
        )
        assert clip.stdin
        clip.stdin.write(text.encode())
        clip.stdin.close()
        async with asyncio.timeout(10):
            # Nobody has a clipboard until the program above has begun.
            while await run("xclip", "-selection", "clipboard", "-out", may_fail=True) != text:
                await asyncio.sleep(0.05)
        await self.keys("ctrl+v")
        self._clip = clip


@pytest_asyncio.fixture(loop_scope="session")
async def ling(town: Town, tmp_path: Path) -> AsyncIterator[Device]:
    """Somebody who has logged in with the profile that the program will use."""
    first = await town.newcomer("ling")
    device = town.device("ling", tmp_path / "profile")
    email = (await first.client.me()).email
    await device.client.login(email, PASSWORD, device_name="desktop", platform="linux")
    await device.close()
    yield first


async def test_a_person_writes_with_the_keyboard_and_pastes_chinese(
    town: Town, ling: Device, tmp_path: Path
) -> None:
    bo = await town.newcomer("bo")
    await befriend(ling, bo)
    id = (await bo.client.open_direct(ling.client.user_id)).conversation_id
    await say(bo, id, "在吗？")
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.main",
        "--address",
        town.system.address,
        "--home",
        str(tmp_path / "profile"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        desktop = Desktop(program)
        await desktop.appear()
        await desktop.shows(UNREAD)
        async with asyncio.timeout(30):
            while await run("xdotool", "getwindowname", desktop.window) != "(1) 鸿雁":
                await asyncio.sleep(0.1)
        await run("xdotool", "windowfocus", "--sync", desktop.window)
        await desktop.keys("alt+Down")  # the first chat
        await desktop.shows(UNREAD, gone=True)
        await desktop.types("hello from the keyboard")
        await desktop.keys("Return")
        async with asyncio.timeout(30):
            while "hello from the keyboard" not in words(bo, id):
                await asyncio.sleep(0.1)
        await desktop.pastes("粘贴的中文 😀")
        await desktop.keys("Return")
        async with asyncio.timeout(30):
            while "粘贴的中文 😀" not in words(bo, id):
                await asyncio.sleep(0.1)
    finally:
        program.terminate()
        await program.wait()
