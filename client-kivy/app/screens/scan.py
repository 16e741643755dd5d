"""Following what a QR code says: of a picture, of the clipboard, before a camera."""

import asyncio

from kivy.app import App
from kivy.core.clipboard import Clipboard

from app import files, images, kv
from app.links import open_link
from app.widgets.code_reader import CodeReader

SCHEME = "hongyan://"


class Scan(CodeReader):
    """What a code says is followed as a link."""

    def found(self, link: str) -> None:
        self.done()
        open_link(link)

    def choose(self) -> None:
        """Asks for a file with a code."""
        self.session.spawn(self._choose())

    async def _choose(self) -> None:
        title = App.get_running_app().words("scan.choose")
        path = await files.choose(title, images.SUFFIXES)
        if path:
            await self.read(await images.opened(path))

    def paste(self) -> None:
        """Reads the code in the clipboard's picture, or follows the link that it holds."""
        self.session.spawn(self._paste())

    async def _paste(self) -> None:
        image = await asyncio.to_thread(images.from_clipboard)
        if image is not None:
            await self.read(image)
            return
        text = str(Clipboard.paste() or "").strip()
        if text.startswith(SCHEME):
            self.found(text)
        else:
            App.get_running_app().tell("scan.no_picture")


kv.load(__file__)
