"""Two who talk in the app's tests: one uses the app, the other a client."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.faults.people import Device, Town


@dataclass
class Talkers:
    """The one who uses the app, another device of theirs, and the other one."""

    robot: Any
    me: Device
    bo: Device
    id: str

    @classmethod
    async def friends(cls, robot: Any, me: Device, town: Town) -> "Talkers":
        """Makes a friend; returns both with their chat."""
        bo = await _friend(me, town, "bo", "波波")
        conversation = await me.client.open_direct(bo.client.user_id)
        return cls(robot, me, bo, conversation.conversation_id)

    @classmethod
    async def group(
        cls, robot: Any, me: Device, town: Town, *, mine: bool = True, name: str = "爬山群"
    ) -> "Talkers":
        """Makes a group of the two, whose owner is one of them."""
        bo = await _friend(me, town, "bo", "波波")
        owner, other = (me, bo) if mine else (bo, me)
        made = await owner.client.create_group(name, [other.client.user_id])
        return cls(robot, me, bo, made.conversation_id)

    @property
    def chat(self) -> Any:
        """The screen."""
        return self.robot.app.desk.chat

    @property
    def view(self) -> Any:
        """Its rows."""
        return self.chat.view

    @property
    def input(self) -> Any:
        """Its field."""
        return self.chat.composer.ids.input

    async def bo_says(self, text: str, **options: Any) -> int:
        """Has the other one say something; returns its seq."""
        return await _say(self.bo, self.id, text, **options)

    async def i_say(self, text: str, **options: Any) -> int:
        """Says something on the other device; returns its seq."""
        return await _say(self.me, self.id, text, **options)

    async def open(self) -> None:
        """Opens the chat in the app, once it knows all of it."""
        client = self.robot.app.session.client
        async with asyncio.timeout(30):
            while not self._is_here(client):
                await asyncio.sleep(0.02)
        self.robot.app.open_chat(self.id)
        await self.robot.frames(3)

    def _is_here(self, client: Any) -> bool:
        known = client.conversation(self.id)
        newest = self.bo.client.conversation(self.id) or self.me.client.conversation(self.id)
        return known is not None and newest is not None and known.last_seq >= newest.last_seq

    async def while_away(self, work: Awaitable[None]) -> None:
        """Has something done while the app is logged out: it does not draw each part of it."""
        email = (await self.me.client.me()).email
        await self.robot.be("")
        await work
        await self.robot.be(email)

    async def write_and_send(self, text: str) -> None:
        """Writes in the app and presses the button."""
        await self.robot.write(self.input, text)
        await self.robot.press(self.robot.app.words("button.send"))


async def _friend(me: Device, town: Town, name: str, called: str) -> Device:
    bo = await town.newcomer(name, in_flight=64)
    await bo.client.update_me(display_name=called)
    await me.client.request_contact(bo.client.user_id)
    await bo.client.accept_contact(me.client.user_id)
    return bo


async def _say(device: Device, id: str, text: str, **options: Any) -> int:
    sent = await device.client.send(id, text, **options)
    return (await device.client.settled(sent.client_message_id)).seq


def row(robot: Any, text: str, kind: str = "MessageRow") -> Any:
    """Returns the row that shows a text, None when there is none in sight."""
    return next((it for it in robot.named(kind) if it.text == text), None)


def texts_of(robot: Any) -> list[str]:
    """Returns what the rows in sight say."""
    return [it.text for it in robot.named("MessageRow")]


async def ask(robot: Any, text: str) -> None:
    """Presses a message with the right button, and waits for the menu."""
    async with asyncio.timeout(60):
        while not robot.app.menu.is_open:
            await robot.frames(2)
            if shown := row(robot, text):
                await robot.click(shown.ids["bubble"], button="right")


def colour_at(picture: Path, x: float, y: float) -> list[int]:
    """Returns the colour of a picture of the window at a place, counted from below."""
    with Image.open(picture) as image:
        found = image.convert("RGB").getpixel((round(x), image.height - 1 - round(y)))
    assert isinstance(found, tuple)
    return list(found)
