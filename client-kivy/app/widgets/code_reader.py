"""A page that reads a QR code: from a picture's file, from what is dropped, from a camera."""

import asyncio
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.properties import BooleanProperty, ObjectProperty
from PIL import Image

from app import camera, images
from app.widgets.page import Page
from hongyan_client import codes

# How often a frame of the camera is looked at.
LOOK_SECONDS = 0.3


class CodeReader(Page):
    """Finds codes; what one says is for the page that this is."""

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

    def found(self, link: str) -> None:
        """A code says something."""
        raise NotImplementedError

    def entered(self) -> None:
        Window.fbind("on_drop_file", self._dropped)

    def left(self) -> None:
        Window.funbind("on_drop_file", self._dropped)
        self.stop()

    # Pictures

    def _dropped(self, _: Any, name: bytes, *__: Any) -> bool:
        self.read_file(Path(name.decode("utf-8", "surrogateescape")))
        return True

    def read_file(self, path: Path) -> None:
        """Reads the code in a picture's file."""

        async def read() -> None:
            await self.read(await images.opened(path))

        self.session.spawn(read())

    async def read(self, image: Image.Image | None) -> None:
        """Reads the code in a picture; says so when there is no picture, or no code in it."""
        app = App.get_running_app()
        if image is None:
            app.tell("picture.unreadable")
        elif link := await self._find(image):
            self.found(link)
        else:
            app.tell("scan.nothing")

    async def _find(self, image: Image.Image) -> str:
        self.busy = True
        try:
            return await asyncio.to_thread(codes.find, image)
        finally:
            self.busy = False

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
        link = await self._find(frame)
        if link and self.parent:  # it has not been left meanwhile
            self.found(link)
