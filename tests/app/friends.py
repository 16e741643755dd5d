"""Other people for the one who uses the app: strangers, friends, and how pages are looked at."""

import asyncio
import secrets
from typing import Any

from hongyan_client.model import ContactRequest
from tests.app.robot import PHONE, WIDE
from tests.faults.people import Device, Town

# Passwords are hashed slowly on purpose: more at once would only wait.
AT_ONCE = 3


async def stranger(town: Town, called: str, **profile: str) -> Device:
    """Returns a device of somebody who uses no app."""
    device = await town.newcomer("p")
    await device.client.update_me(display_name=called, **profile)
    return device


async def friend(town: Town, me: Device, called: str, **profile: str) -> Device:
    """Returns a device of a friend."""
    device = await stranger(town, called, **profile)
    await device.client.request_contact(me.client.user_id)
    await me.client.accept_contact(device.client.user_id)
    return device


async def friends(town: Town, me: Device, names: list[str]) -> list[Device]:
    """Returns connected devices of several friends."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Device:
        async with gate:
            return await friend(town, me, name)

    return list(await asyncio.gather(*(one(it) for it in names)))


class Neighbours:
    """Many people who are registered once for all tests, each under one name."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._people: dict[str, Device] = {}

    async def befriend(self, me: Device, names: list[str]) -> list[Device]:
        """Makes people of these names friends of somebody new, and returns their devices, which
        are not connected."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> Device:
            async with gate:
                if name not in self._people:
                    self._people[name] = await self._town.newcomer("n", start=False)
                    await self._people[name].client.update_me(display_name=name)
                device = self._people[name]
                await device.client.request_contact(me.client.user_id)
                await me.client.accept_contact(device.client.user_id)
                return device

        return list(await asyncio.gather(*(one(it) for it in names)))


def handle(name: str) -> str:
    """Returns a handle that nobody has."""
    return f"{name}_{secrets.token_hex(4)}"


def request_of(device: Device, user_id: str) -> ContactRequest | None:
    """Returns the request between a device's account and a user, as the device knows it."""
    found = device.client._open().cache.contact_requests()
    return next((it for it in found if it.user_id == user_id), None)


async def fits(robot: Any, *texts: str) -> None:
    """Sees to it that nothing is cut off: wide and on a phone, in both languages, and that what
    is on the page is still there."""
    for size in (WIDE, PHONE):
        await robot.resize(*size)
        for language in ("en", "zh"):
            robot.app.preferences.language = language
            await robot.frames(6)
            assert robot.outside() == [], (size, language)
        for text in texts:
            await robot.sees(text)
    await robot.resize(*WIDE)


async def row(robot: Any, title: str, inside: Any = None) -> Any:
    """Waits for a row of a list, on the screen or inside of a part of it, and returns it."""
    from tests.app.robot import until  # noqa: PLC0415

    def found() -> Any:
        return next((it for it in robot.shown(inside) if getattr(it, "title", "") == title), None)

    return await until(found, title)
