"""Load while something breaks: pairs of people that write to each other all the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from loadtest.accounts import OPEN_LIMITS
from services.embedded.settings import Settings
from services.embedded.system import System
from tests.faults.people import CANARY, Device, Town, until
from tests.faults.scale import scaled

PAIRS = 3
# A device that is refused again and again waits longer each time, up to twenty seconds.
PATIENCE_SECONDS = scaled(90, 300)


@asynccontextmanager
async def running(home: Path, **settings: Any) -> AsyncIterator[System]:
    """Runs a system of our own: these tests break it."""
    replicas = settings.pop("replicas", {})
    defaults = {"database_url": SecretStr(""), "redis_nodes": ""}
    chosen = Settings(home=home, port=0, **{**defaults, **settings})
    async with System(chosen, environment=OPEN_LIMITS, replicas=replicas) as system:
        yield system


class Load:
    """Pairs of people that write to each other all the time."""

    def __init__(self, town: Town, pairs: int = PAIRS) -> None:
        self._town = town
        self._count = pairs
        self._writers: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self.pairs: list[tuple[Device, Device, str]] = []

    async def start(self) -> "Load":
        """Makes the people and lets them write."""
        for place in range(self._count):
            self.pairs.append(await self._town.pair(f"ling{place}", f"bo{place}"))
        self.go_on()
        return self

    def go_on(self) -> None:
        """Lets everybody write, again after `finish`."""
        self._stop.clear()
        for first, second, conversation_id in self.pairs:
            for device in (first, second):
                writer = asyncio.create_task(self._write(device, conversation_id))
                self._writers.append(writer)

    async def _write(self, device: Device, conversation_id: str) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            text = f"{CANARY} {device.name} 第 {number} 条 😀"
            message = await device.send(conversation_id, text)
            await device.client.settled(message.client_message_id, PATIENCE_SECONDS)

    @property
    def acked(self) -> int:
        """How many messages were acknowledged so far."""
        return len(self._town.history.acked)

    async def progress(self, count: int = 20, seconds: float = 60) -> None:
        """Waits until so many more messages are acknowledged: the load runs."""
        goal = self.acked + count
        await until(lambda: self.acked >= goal, f"{count} more acks", seconds)

    async def everybody_writes(self, seconds: float = 60) -> None:
        """Waits until everybody has written something from here on."""
        history = self._town.history
        start = len(history.acked)
        devices = [device for first, second, _ in self.pairs for device in (first, second)]

        def written() -> bool:
            ids = {id for id, _ in history.acked[start:]}
            authors = {sent.sender_id for sent in history.sent if sent.client_message_id in ids}
            return all(device.client.user_id in authors for device in devices)

        # Twice, since what is acknowledged next may have been sent before.
        for _ in range(2):
            await until(written, "everybody has written", seconds)
            start = len(history.acked)

    async def finish(self) -> None:
        """Lets everybody finish their sentence, and everything arrive."""
        self._stop.set()
        await asyncio.gather(*self._writers)
        self._writers.clear()
        for first, second, conversation_id in self.pairs:
            await all_shown(self._town, conversation_id, first, second)


async def all_shown(town: Town, conversation_id: str, *devices: Device) -> None:
    """Waits until devices have shown as many messages as were sent in a conversation."""
    count = sum(one.conversation_id == conversation_id for one in town.history.sent)
    for device in devices:
        await until(
            lambda device=device: len(device.texts(conversation_id)) >= count,
            f"{device.name} shows {count} messages",
        )
