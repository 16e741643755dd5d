"""The app as a process of its own that does what lines of its standard input say.

    python -m tests.app.measured --address URL --home FOLDER --fonts FOLDER

`times` tells when the window and the chats were there, `open ID` opens a chat, `frames` begins to
note frames, `tell` tells how long they took, `scroll SECONDS` scrolls up, `write TEXT` and `send`
use the field, `sees TEXT` waits for the newest message, `picture FILE` takes one. Each is answered
by a line of JSON; it ends with its input.
"""

import argparse
import asyncio
import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()

from app import fonts  # noqa: E402 - how long it takes counts
from app.main import HongyanApp  # noqa: E402


class Measured(HongyanApp):
    """The app with a clock at its frames, and an ear at its standard input."""

    def __init__(self, address: str, home: Path) -> None:
        super().__init__(address, home)
        self.ticks: list[float] = []
        self.times: dict[str, float] = {}

    def on_start(self) -> None:
        from kivy.clock import Clock  # noqa: PLC0415
        from kivy.core.window import Window  # noqa: PLC0415

        self.times["window"] = time.perf_counter() - STARTED
        Clock.schedule_interval(self._tick, 0)
        Window.bind(on_flip=self._flip)
        super().on_start()
        self.session.spawn(self._listen())

    def _tick(self, _: float) -> None:
        self.ticks.append(time.perf_counter())

    def _flip(self, *_: Any) -> None:
        rows = self.desk.chats.ids.list.data if self.session.signed_in else []
        if rows and "shown" not in self.times:
            self.times["shown"] = time.perf_counter() - STARTED

    async def _listen(self) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := (await reader.readline()).decode().strip():
            verb, _, given = line.partition(" ")
            print(json.dumps(await self._do(verb, given)), flush=True)
        self.stop()

    async def _do(self, verb: str, given: str) -> dict[str, Any]:
        chat = self.desk.chat
        match verb:
            case "times":
                while "shown" not in self.times:
                    await asyncio.sleep(0.05)
                return self.times
            case "open":
                self.open_chat(given)
                await self._frames(12)
            case "frames":
                self.ticks.clear()
            case "tell":
                return spread(self.ticks)
            case "scroll":
                await self._scroll(float(given))
                return spread(self.ticks)
            case "write":
                chat.composer.ids.input.text = given
                await self._frames(4)
            case "send":
                chat.send()
                await self._frames(8)
            case "sees":
                known = self.session.client.known_messages
                while given not in [it.text for it in known(chat.conversation_id, 3)]:
                    await asyncio.sleep(0.02)
                await self._frames(12)
            case "picture":
                from kivy.core.window import Window  # noqa: PLC0415

                self.wake()
                await self._frames(3)
                return {"file": Window.screenshot(name=given)}
        return {}

    async def _frames(self, count: int) -> None:
        from kivy.clock import Clock  # noqa: PLC0415

        ends = Clock.frames + count
        while Clock.frames < ends:
            await asyncio.sleep(0.005)

    async def _scroll(self, seconds: float) -> None:
        """Scrolls as a wheel does, all the way up through what is older."""
        from kivy.clock import Clock  # noqa: PLC0415

        view = self.desk.chat.view
        self.ticks.clear()
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            self.wake()
            view.scroll_by(-60)
            seen = Clock.frames
            while Clock.frames == seen:
                await asyncio.sleep(0)


def spread(ticks: list[float]) -> dict[str, Any]:
    """Returns how long frames took, in milliseconds: the middle, of a hundred the worst, of all."""
    gaps = sorted((later - earlier) * 1_000 for earlier, later in pairwise(ticks))
    if not gaps:
        return {"frames": 0}
    return {
        "frames": len(gaps),
        "p50": round(gaps[len(gaps) // 2], 1),
        "p99": round(gaps[int(len(gaps) * 0.99)], 1),
        "max": round(gaps[-1], 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The app as a process that is measured.")
    parser.add_argument("--address", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, default=fonts.BUNDLED, help="those of a bundle")
    chosen = parser.parse_args()
    fonts.BUNDLED = chosen.fonts
    asyncio.run(Measured(chosen.address, chosen.home).run_until_closed())
