"""What the app keeps on this device, and how it is thrown away."""

import asyncio
from pathlib import Path

from kivy.app import App
from kivy.properties import BooleanProperty, NumericProperty, StringProperty

from app import fonts, kv
from app.widgets.page import Page

UNITS = ("B", "KB", "MB", "GB")


class StoragePage(Page):
    """Sizes, and two ways to make room; what is not sent yet is never thrown away."""

    messages = StringProperty("…")
    pictures = StringProperty("…")
    letters = StringProperty("…")
    total = StringProperty("")
    picture_bytes = NumericProperty(0)
    busy = BooleanProperty(False)

    def entered(self) -> None:
        self.session.spawn(self._measure())

    async def _measure(self) -> None:
        home = self.session.client.home
        places = (home / "accounts", home / "pictures", fonts.cache_folder())
        sizes = await asyncio.to_thread(lambda: [size_of(it) for it in places])
        self.messages, self.pictures, self.letters = (in_words(it) for it in sizes)
        self.picture_bytes = sizes[1]
        self.total = in_words(sum(sizes))

    def clear_pictures(self) -> None:
        """Throws the pictures away."""
        self.session.spawn(self._clear_pictures())

    async def _clear_pictures(self) -> None:
        await self.session.client.clear_pictures()
        App.get_running_app().tell("storage.cleared")
        await self._measure()

    def ask_clear(self) -> None:
        """Throws messages and pictures away, if that is meant."""
        if not self.busy:
            self.session.spawn(self._ask_clear())

    async def _ask_clear(self) -> None:
        app = App.get_running_app()
        if not await app.dialogs.confirm(
            app.words("storage.clear_all_ask"),
            app.words("storage.clear_all_text"),
            yes=app.words("storage.clear"),
            danger=True,
        ):
            return
        self.busy = True
        try:
            await self.session.client.clear_pictures()
            await self.session.client.clear_cache()
        finally:
            self.busy = False
        app.tell("storage.cleared")
        await self._measure()


def size_of(folder: Path) -> int:
    """Returns how many bytes the files below a folder have; 0 when there is none."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # gone while it was looked at
    return total


def in_words(size: float) -> str:
    """Returns a size as people say it: 0 B, 12 KB, 3.4 MB."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {UNITS[unit]}" if unit > 1 and size < 100 else f"{size:.0f} {UNITS[unit]}"


kv.load(__file__)
