"""Notifications of Windows and macOS, as plyer shows them: they cannot be withdrawn or pressed."""

import asyncio
import logging
import sys

log = logging.getLogger("hongyan_app")
SECONDS = 8


class PlyerNotifier:
    """Shows notifications; a system that cannot is told once and left in peace."""

    async def start(self) -> bool:
        """Returns whether this system has a way that works without a service of its own."""
        return sys.platform in ("win32", "darwin")

    async def show(self, key: str, title: str, text: str, *, sound: bool, action: str) -> bool:
        """Shows a notification; false when the system could not."""
        return await asyncio.to_thread(self._show, title, text)

    @staticmethod
    def _show(title: str, text: str) -> bool:
        try:
            from plyer import notification  # noqa: PLC0415 - loads what the platform has

            notification.notify(title=title, message=text, app_name="鸿雁", timeout=SECONDS)
        except (ImportError, NotImplementedError, OSError, RuntimeError) as error:
            log.warning("no notification can be shown: %s", error)
            return False
        return True

    async def withdraw(self, key: str) -> None:
        """There is no way to; it goes by itself."""
