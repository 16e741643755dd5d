"""Reading a QR code: from a file, from the clipboard, from what is dropped, from a camera."""

import asyncio
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.clipboard import Clipboard
from kivy.core.window import Window
from kivy.properties import BooleanProperty, ObjectProperty
from PIL import Image

from app import camera, files, images, kv
from app.links import open_link
from app.widgets.page import Page
from hongyan_client import codes

# How often a frame of the camera is looked at.
LOOK_SECONDS = 0.3
SCHEME = "hongyan://"


class Scan(Page):
    """What a code says is followed as a link."""

    has_camera = BooleanProperty(False)
    watching = BooleanProperty(False)
    """Whether the camera runs."""
    texture = ObjectProperty(None, allownone=True)
    """The camera's frame."""
    busy = BooleanProperty(False)

    def __init__(self, **options: Any) -> None:
        super().__init__(has_camera=camera.has_camera(), **options)
        self._camera: camera.Camera | None = None
        self._looking = Clock.schedule_interval(self._look, LOOK_SECONDS)
        self._looking.cancel()

    def entered(self) -> None:
        Window.fbind("on_drop_file", self._dropped)

    def left(self) -> None:
        Window.funbind("on_drop_file", self._dropped)
        self.stop()

    def _dropped(self, _: Any, name: bytes, *__: Any) -> bool:
        self.read_file(Path(name.decode("utf-8", "surrogateescape")))
        return True

    # Pictures

    def choose(self) -> None:
        """Asks for a file with a code."""
        self.session.spawn(self._choose())

    async def _choose(self) -> None:
        title = App.get_running_app().words("scan.choose")
        path = await files.choose(title, images.SUFFIXES)
        if path:
            await self._read(await images.opened(path))

    def read_file(self, path: Path) -> None:
        """Reads the code in a picture's file."""

        async def read() -> None:
            await self._read(await images.opened(path))

        self.session.spawn(read())

    def paste(self) -> None:
        """Reads the code in the clipboard's picture, or follows the link that it holds."""
        self.session.spawn(self._paste())

    async def _paste(self) -> None:
        image = await asyncio.to_thread(images.from_clipboard)
        if image is not None:
            await self._read(image)
            return
        text = str(Clipboard.paste() or "").strip()
        if text.startswith(SCHEME):
            self._found(text)
        else:
            App.get_running_app().tell("scan.no_picture")

    async def _read(self, image: Image.Image | None) -> None:
        app = App.get_running_app()
        if image is None:
            app.tell("picture.unreadable")
            return
        self.busy = True
        try:
            link = await asyncio.to_thread(codes.find, image)
        finally:
            self.busy = False
        if link:
            self._found(link)
        else:
            app.tell("scan.nothing")

    def _found(self, link: str) -> None:
        self.done()
        open_link(link)

    # The camera

    def start(self) -> None:
        """Starts the camera."""
        self._camera = camera.Camera(self.framed)
        self.watching = True
        self._looking()

    def stop(self) -> None:
        """Stops the camera."""
        self._looking.cancel()
        if self._camera:
            self._camera.stop()
        self._camera, self.watching, self.texture = None, False, None

    def framed(self, texture: Any) -> None:
        """Takes a frame of the camera."""
        self.texture = texture
        self.ids.view.canvas.ask_update()

    def _look(self, *_: Any) -> None:
        if self.texture and not self.busy:
            self.session.spawn(self.look(camera.picture_of(self.texture)))

    async def look(self, frame: Image.Image) -> None:
        """Looks for a code in a frame; most have none."""
        self.busy = True
        try:
            link = await asyncio.to_thread(codes.find, frame)
        finally:
            self.busy = False
        if link and self in App.get_running_app().desk.pages:
            self._found(link)


kv.load(__file__)
