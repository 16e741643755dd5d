"""The ground of the first screens: `scene`, drawn for the size and the theme of the window."""

import asyncio
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.graphics.texture import Texture
from kivy.properties import ObjectProperty
from kivy.uix.widget import Widget

from app import kv, scene

QUIET_SECONDS = 0.15
"""How long a window must keep its size before the scene is drawn for it."""
FAR = 1.3
"""How much a scene is stretched at most until it is drawn anew."""
MOST = 2_400_000
"""How many pixels are drawn at most; a larger window has them stretched."""


class Scenery(Widget):
    """Shows the scene; until it is drawn, the colour of the ground."""

    texture = ObjectProperty(None, allownone=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._drawing: asyncio.Task[None] | None = None
        self._drawn: Any = None
        self._soon = Clock.create_trigger(self._draw, QUIET_SECONDS)
        theme = App.get_running_app().theme
        self.bind(size=self._change, parent=self._soon)
        theme.bind(dark=self._change)

    @property
    def is_drawn(self) -> bool:
        """Whether it shows what it should, not what was drawn for another size or theme."""
        return self.texture is not None and self._drawn == self._wanted()

    def _wanted(self) -> tuple[int, int, bool]:
        smaller = min(1.0, (MOST / max(1.0, self.width * self.height)) ** 0.5)
        size = round(self.width * smaller), round(self.height * smaller)
        return (*size, App.get_running_app().theme.dark)

    def _change(self, *_: Any) -> None:
        """Has it drawn anew; the other theme's, or one far too small, is not shown till then."""
        if self._drawn:
            width, height, dark = self._wanted()
            far = max(width / self._drawn[0], height / self._drawn[1]) > FAR
            if far or dark != self._drawn[2]:
                self.texture = None
        self._soon()

    def _draw(self, *_: Any) -> None:
        if not self.parent or (self._drawing and not self._drawing.done()):
            return
        wanted = self._wanted()
        if min(wanted[:2]) > 1 and wanted != self._drawn:
            self._drawing = asyncio.create_task(self._show(wanted, _palette()))

    async def _show(self, wanted: tuple[int, int, bool], palette: scene.Palette) -> None:
        image = await asyncio.to_thread(scene.draw, wanted[0], wanted[1], palette)
        texture = Texture.create(size=image.size, colorfmt="rgb")
        texture.blit_buffer(image.tobytes(), colorfmt="rgb", bufferfmt="ubyte")
        texture.flip_vertical()
        texture.mag_filter = "linear"
        self._drawn, self.texture = wanted, texture
        self._change()


def _palette() -> scene.Palette:
    theme = App.get_running_app().theme

    def colour(name: str) -> scene.Colour:
        red, green, blue = (round(255 * it) for it in getattr(theme, name)[:3])
        return red, green, blue

    return scene.Palette(
        colour("sky_high"),
        colour("sky_low"),
        colour("sun"),
        colour("hill"),
        colour("reed"),
        colour("goose"),
    )


kv.load(__file__)
