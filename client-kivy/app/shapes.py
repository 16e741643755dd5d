"""Rounded shapes as textures: as smooth as drawn ones, and as cheap as plain rectangles.

Kivy's smooth shapes have a mesh for the corners and a line around it. Where there is no graphics
card they cost five times as much as a rectangle with a texture, and a chat has fifty of them.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from kivy.factory import Factory
from kivy.graphics import BorderImage, Rectangle
from kivy.graphics.texture import Texture
from PIL import Image, ImageDraw

# Corners are drawn so many times as large and made small again, which smooths them.
FINER = 8


class RoundRect(BorderImage):
    """A rectangle with round corners, in Kivy's order: top left, top right, bottom right, bottom
    left; one radius is for all. Without a radius it is as round as it can be."""

    def __init__(self, radius: Sequence[float] = (), **options: Any) -> None:
        self._radius = tuple(radius)
        self._drawn: tuple[int, ...] | None = None
        super().__init__(**options)
        self._drawn = None  # Kivy sets its own border after the size
        self._shape()

    @property
    def radius(self) -> tuple[float, ...]:
        """The radii of its corners in pixels."""
        return self._radius

    @radius.setter
    def radius(self, radius: Sequence[float]) -> None:
        self._radius = tuple(radius)
        self._shape()

    @property
    def size(self) -> tuple[float, float]:
        """Its width and height."""
        width, height = BorderImage.size.__get__(self)
        return width, height

    @size.setter
    def size(self, size: tuple[float, float]) -> None:
        BorderImage.size.__set__(self, size)
        self._shape()

    def _shape(self) -> None:
        most = max(0, int(min(self.size) / 2))
        radius = self._radius or (most,)
        corners = tuple(min(most, round(it)) for it in radius * (4 // len(radius)))
        if corners != self._drawn:
            self._drawn = corners
            self.texture = _corners(corners)
            self.border = [max(corners)] * 4


def begin() -> None:
    """Makes rules know the shape, and fills of one colour cheaper."""
    import kivy.core.window  # noqa: F401, PLC0415 - a texture needs one, and this opens it

    Factory.register("RoundRect", cls=RoundRect)
    # What fills them is a white texture, of which there is nothing to smooth.
    white = Rectangle().texture
    white.min_filter = white.mag_filter = "nearest"


@lru_cache(maxsize=512)
def _corners(radii: tuple[int, ...]) -> Texture:
    """Returns a white texture of four corners with one pixel between them."""
    image = rounded((2 * max(radii) + 1,) * 2, radii)
    data = Image.merge("RGBA", [Image.new("L", image.size, 255)] * 3 + [image])
    pixels = data.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes()
    texture = Texture.create(size=image.size, colorfmt="rgba")
    texture.min_filter = texture.mag_filter = "nearest"  # it is drawn as large as it is

    def fill(of: Texture) -> None:
        of.blit_buffer(pixels, colorfmt="rgba", bufferfmt="ubyte")

    fill(texture)
    texture.add_reload_observer(fill)
    return texture


def rounded(size: tuple[int, int], radii: Sequence[float]) -> Image.Image:
    """Returns how much of each pixel is inside of a rectangle with round corners."""
    wide, high = size
    large = Image.new("L", (wide * FINER, high * FINER), 255)
    # One corner after the other, each turned to the top left.
    for index, radius in enumerate(radii):
        if radius:
            side = radius * FINER
            corner = Image.new("L", (round(side),) * 2, 0)
            ImageDraw.Draw(corner).ellipse((0, 0, 2 * side - 1, 2 * side - 1), fill=255)
            corner = corner.rotate(-90 * index)
            left = 0 if index in (0, 3) else large.width - corner.width
            top = 0 if index in (0, 1) else large.height - corner.height
            large.paste(corner, (left, top))
    return large.resize(size, Image.Resampling.BOX)
