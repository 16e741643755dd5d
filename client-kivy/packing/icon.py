"""Draws the app's icon: the bird of Material Design Icons (Apache-2.0), white on the theme's green.

`python -m packing.icon` in client-kivy writes the pictures in app/data again.
"""

from pathlib import Path

from fonticon_mdi7 import MDI7
from PIL import Image, ImageDraw, ImageFont

from app.theme import LIGHT

DATA = Path(__file__).resolve().parent.parent / "app" / "data"
SIZE = 512
# Drawn larger and made small, since Pillow draws corners without smoothing.
FINER = 4
WHITE = "#FFFFFF"


def icon(size: int = SIZE, corner: float = 0.22) -> Image.Image:
    """Returns the bird on a green square with round corners, a part of its side."""
    side = size * FINER
    picture = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, side - 1, side - 1), corner * side, LIGHT["strong"])
    _draw_bird(draw, side, 0.62)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def presplash(size: int = SIZE) -> Image.Image:
    """Returns the bird alone: what Android shows while Python starts, and lays on its own shape."""
    picture = Image.new("RGBA", (size * FINER, size * FINER))
    _draw_bird(ImageDraw.Draw(picture), size * FINER, 0.4)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def _draw_bird(draw: ImageDraw.ImageDraw, side: int, part: float) -> None:
    font = ImageFont.truetype(MDI7.__font_file__, round(side * part))
    # Centred by its ink: the glyph does not stand in the middle of its box.
    left, top, right, bottom = font.getbbox(character := MDI7.bird.partition(".")[2])
    place = ((side - left - right) / 2, (side - top - bottom) / 2)
    draw.text(place, character, WHITE, font)


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    icon().save(DATA / "icon.png", optimize=True)
    presplash().save(DATA / "presplash.png", optimize=True)
    Image.new("RGB", (64, 64), LIGHT["strong"]).save(DATA / "ground.png", optimize=True)
