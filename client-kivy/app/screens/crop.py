"""Cropping a picture: it is drawn about and enlarged under a square that stays."""

from typing import Any

from kivy.app import App
from kivy.factory import Factory
from kivy.metrics import dp
from kivy.properties import ListProperty, ObjectProperty
from kivy.uix.widget import Widget
from PIL import Image

from app import images, kv
from app.widgets.page import Page


class CropFrame(Widget):
    """The square, and the dimness around it."""

    frame = ListProperty([0, 0, 1, 1])


class Crop(Page):
    """Its result is the square to take: left, top and side in pixels of the upright picture."""

    texture = ObjectProperty(None, allownone=True)
    frame = ListProperty([0, 0, 1, 1])

    def __init__(self, image: Image.Image, **options: Any) -> None:
        super().__init__(title=App.get_running_app().words("crop.title"), **options)
        self._image = image

        self.ids.room.bind(pos=self._measure, size=self._measure)

    def _measure(self, room: Any, _: Any) -> None:
        """Puts the square into the middle of the room."""
        side = max(1.0, min(room.width, room.height) - dp(40))
        self.frame = room.center_x - side / 2, room.center_y - side / 2, side, side

    def entered(self) -> None:
        self.session.spawn(self._load())

    async def _load(self) -> None:
        self.texture = await images.texture_of(self._image)

    def square(self) -> tuple[int, int, int]:
        """Returns what is inside of the frame."""
        zoom = self.ids.zoom
        left, bottom, side, _ = zoom.frame
        top = bottom + side
        # The texture is smaller than a picture that no graphics driver takes.
        ratio = self._image.width / self.texture.width / zoom.scale
        shown_left, shown_top = zoom.shown_pos[0], zoom.shown_pos[1] + zoom.shown_size[1]
        width, height = self._image.size
        taken = max(1, min(width, height, round(side * ratio)))
        x = min(width - taken, max(0, round((left - shown_left) * ratio)))
        y = min(height - taken, max(0, round((shown_top - top) * ratio)))
        return x, y, taken

    def finish(self) -> None:
        """Goes back with the square."""
        if self.texture:
            self.done(self.square())


Factory.register("CropFrame", cls=CropFrame)
kv.load(__file__)
