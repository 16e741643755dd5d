"""Notifications of a Linux desktop: org.freedesktop.Notifications, replaced, withdrawn, clicked."""

import html
from collections.abc import Callable
from typing import Any

from app.desktop.bus import Bus, BusError

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
SERVICE = (NAME, PATH, NAME)
PROGRAM = "hongyan"
SOUND = "message-new-instant"
# As long as the desktop likes.
OWN_TIME = -1


class BusNotifier:
    """Shows one notification a key; `clicked` is told which was pressed."""

    def __init__(self, bus: Bus, clicked: Callable[[str], None]) -> None:
        self._bus = bus
        self._clicked = clicked
        self._numbers: dict[str, int] = {}
        self._marks_up = False

    async def start(self) -> bool:
        """Listens; returns whether there is such a service, or will be when it is called."""
        try:
            (capabilities,) = await self._bus.call(SERVICE, "GetCapabilities")
        except BusError:
            return False
        self._marks_up = "body-markup" in capabilities
        await self._bus.listen(PATH, NAME, "ActionInvoked", self._pressed)
        await self._bus.listen(PATH, NAME, "NotificationClosed", self._closed)
        return True

    async def show(self, key: str, title: str, text: str, *, sound: bool, action: str) -> bool:
        """Shows a notification in the place of the key's last one; `action` names the press."""
        hints: dict[str, Any] = {
            "desktop-entry": ("s", PROGRAM),
            "category": ("s", "im.received"),
            "sound-name" if sound else "suppress-sound": ("s", SOUND) if sound else ("b", True),
        }
        values = (
            "鸿雁",
            self._numbers.get(key, 0),
            PROGRAM,
            title,
            html.escape(text, quote=False) if self._marks_up else text,
            ["default", action],
            hints,
            OWN_TIME,
        )
        try:
            (number,) = await self._bus.call(SERVICE, "Notify", "susssasa{sv}i", *values)
        except BusError:
            return False
        self._numbers[key] = number
        return True

    async def withdraw(self, key: str) -> None:
        """Takes a notification away; one that is gone already is no matter."""
        if number := self._numbers.pop(key, 0):
            try:
                await self._bus.call(SERVICE, "CloseNotification", "u", number)
            except BusError:
                return

    def _key(self, number: int) -> str | None:
        return next((key for key, it in self._numbers.items() if it == number), None)

    def _pressed(self, values: tuple[Any, ...]) -> None:
        key = self._key(values[0])
        if key is not None:
            self._clicked(key)

    def _closed(self, values: tuple[Any, ...]) -> None:
        key = self._key(values[0])
        if key is not None:
            del self._numbers[key]
