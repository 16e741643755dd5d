"""People: real clients of a running system, and what they do and see."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hongyan_client.client import Client
from hongyan_client.model import Message, MessageAdded, MessageState, MessageStateChanged
from loadtest.accounts import PASSWORD, mailed_code
from services.embedded.system import System
from tests.faults.history import History, Row, Sent

SECONDS = 60.0
# Stands in what the fault tests write: it must never be in a log.
CANARY = "canary-7f3a91"


async def until(condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Waits for a condition; fails by name when it does not come true in time."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not in {seconds:.0f} s: {what}") from None


async def code_for(system: System, client: Client, email: str, purpose: str) -> str:
    """Asks for a code and reads it from the mail folder."""
    before = mailed_code(system.mail_folder, email)
    await client.send_code(email, purpose)
    await until(lambda: mailed_code(system.mail_folder, email) not in (None, before), "a mail", 10)
    code = mailed_code(system.mail_folder, email)
    assert code
    return code


class Device:
    """One device of one person: a client, and the history of what it showed."""

    def __init__(
        self, system: System, home: Path, name: str, history: History, **options: Any
    ) -> None:
        self.name = name
        self._make = lambda: Client(system.address, home, **options)
        self.client = self._make()
        self.history = history
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Device":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Connects, and notes from now on what comes."""
        events = self.client.events()

        async def listen() -> None:
            async for event in events:
                if isinstance(event, MessageAdded):
                    self._show(event.message)
                elif isinstance(event, MessageStateChanged) and not event.gone:
                    self._state(event.message)

        self._listener = asyncio.create_task(listen())
        await self.client.start()
        await self.client.caught_up(SECONDS)

    def _show(self, message: Message) -> None:
        self.history.shown[self.name].append(
            Row(
                message.conversation_id,
                message.seq,
                message.sender_id,
                message.client_message_id,
                message.text,
            )
        )

    def _state(self, message: Message) -> None:
        if message.state is MessageState.STORED:
            self.history.acked.append((message.client_message_id, message.seq))
        elif message.state is MessageState.FAILED:
            self.history.failed.append((message.client_message_id, message.failure))

    async def send(self, conversation_id: str, text: str) -> Message:
        """Puts a message into the outbox."""
        message = await self.client.send(conversation_id, text)
        self.history.sent.append(
            Sent(conversation_id, message.sender_id, message.client_message_id, text)
        )
        return message

    def texts(self, conversation_id: str) -> list[str]:
        """Returns what this device showed of a conversation."""
        return [
            row.text
            for row in self.history.shown[self.name]
            if row.conversation_id == conversation_id
        ]

    async def restart(self) -> None:
        """Ends the client and starts another one of the same profile."""
        await self.close()
        self.client = self._make()
        await self.start()

    async def close(self) -> None:
        """Ends the client, and notes what it had told before."""
        await self.client.close()
        if self._listener:
            await self._listener
            self._listener = None


class Town:
    """Makes people of a system, and ends all their devices at the end."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.history = History()
        self.codes: set[str] = set()
        """The codes that were mailed."""
        self._folder = folder
        self._devices: list[Device] = []

    async def __aenter__(self) -> "Town":
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(device.close() for device in self._devices))

    def device(self, name: str, home: Path | None = None, **options: Any) -> Device:
        """Returns a device: a new one that has not logged in, or one that has a home already."""
        home = home or self._folder / f"{name}-{secrets.token_hex(4)}"
        name = f"{name}-{len(self._devices)}"
        device = Device(self.system, home, name, self.history, **options)
        self._devices.append(device)
        return device

    async def newcomer(self, name: str, *, start: bool = True, **options: Any) -> Device:
        """Returns the first device of a person who has just registered."""
        device = self.device(name, **options)
        email = f"{name}-{secrets.token_hex(4)}@example.org"
        code = await code_for(self.system, device.client, email, "register")
        self.codes.add(code)
        await device.client.register(email, code, PASSWORD, name)
        await device.client.login(email, PASSWORD, device_name=device.name, platform="test")
        if start:
            await device.start()
        return device

    async def second_device(self, first: Device, *, start: bool = True) -> Device:
        """Returns another device of the same person."""
        device = self.device(first.name.partition("-")[0])
        email = (await first.client.me()).email
        await device.client.login(email, PASSWORD, device_name=device.name, platform="test")
        if start:
            await device.start()
        return device

    async def pair(self, one: str, other: str) -> tuple[Device, Device, str]:
        """Returns two new people and their direct conversation."""
        first, second = await asyncio.gather(self.newcomer(one), self.newcomer(other))
        conversation = await first.client.open_direct(second.client.user_id)
        self.history.members[conversation.conversation_id] = {first.name, second.name}
        return first, second, conversation.conversation_id
