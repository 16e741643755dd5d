"""The app's own picture, drawn from the icon font: for the window, the tray and its count."""

import os
from functools import lru_cache
from pathlib import Path

from fonticon_mdi7 import MDI7
from PIL import Image, ImageDraw, ImageFont

from app import fonts
from app.theme import LIGHT

# Drawn larger and made smaller, for soft edges.
FINER = 4
MOST = 99


@lru_cache(maxsize=32)
def draw(side: int, count: int = 0) -> Image.Image:
    """Returns the picture as RGBA, with a red spot and how much is unread."""
    large = side * FINER
    image = Image.new("RGBA", (large, large))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, large - 1, large - 1), large * 0.25, fill=LIGHT["strong"])
    bird = ImageFont.truetype(MDI7.__font_file__, int(large * 0.66))
    middle = (large / 2, large / 2)
    pen.text(middle, fonts.icon("bird"), fill=LIGHT["strong_text"], font=bird, anchor="mm")
    if count:
        radius = large * 0.3
        spot = (large - radius, radius)
        pen.ellipse((spot[0] - radius, 0, large - 1, spot[1] + radius), fill=LIGHT["badge"])
        if side >= 32:
            _write(pen, spot, str(count) if count <= MOST else f"{MOST}+", radius)
    return image.resize((side, side), Image.Resampling.LANCZOS)


def _write(pen: ImageDraw.ImageDraw, spot: tuple[float, float], text: str, radius: float) -> None:
    letters = ImageFont.load_default(size=radius * (1.35 if len(text) < 2 else 1.05))
    pen.text(spot, text, fill=LIGHT["badge_text"], font=letters, anchor="mm")


def file() -> Path:
    """Returns the picture as a file, made once."""
    path = fonts.cache_folder().parent / "icon.png"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}.part")
        draw(128).save(part, "PNG")
        os.replace(part, path)
    return path


def argb(side: int, count: int = 0) -> bytes:
    """Returns the points as a tray wants them: alpha, red, green, blue."""
    red, green, blue, alpha = draw(side, count).split()
    return Image.merge("RGBA", (alpha, red, green, blue)).tobytes()
