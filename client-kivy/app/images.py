"""Image files and what is drawn of them: decoded beside the screen, never larger than it can."""

import asyncio
import io
from pathlib import Path

from kivy.graphics.texture import Texture
from PIL import Image, ImageGrab, ImageOps

# The longest side that every graphics driver takes as one texture.
PIXELS = 4096
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")


async def opened(source: bytes | Path) -> Image.Image | None:
    """Returns a picture as it is looked at, upright; None when it is none that can be used."""
    return await asyncio.to_thread(_opened, source)


def _opened(source: bytes | Path) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


async def texture_of(image: Image.Image) -> Texture:
    """Returns what is drawn of a picture."""
    drawn = image
    if max(image.size) > PIXELS:
        drawn = image.copy()
        await asyncio.to_thread(drawn.thumbnail, (PIXELS, PIXELS))
    points = await asyncio.to_thread(drawn.convert("RGBA").tobytes)
    texture = Texture.create(size=drawn.size, colorfmt="rgba")
    texture.blit_buffer(points, colorfmt="rgba", bufferfmt="ubyte")
    texture.flip_vertical()
    return texture


def image_of(texture: Texture) -> Image.Image:
    """Returns what a texture shows."""
    image = Image.frombytes("RGBA", texture.size, texture.pixels)
    # Textures begin at the bottom, unless they are drawn the other way round.
    return image if texture.tex_coords[1] else ImageOps.flip(image)


def png(image: Image.Image) -> bytes:
    """Returns a picture as the content of a file."""
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def suffix_of(data: bytes) -> str:
    """Returns the end of the name that fits an image file's content."""
    with Image.open(io.BytesIO(data)) as image:
        return {"JPEG": ".jpg"}.get(image.format or "", f".{(image.format or 'png').lower()}")


def from_clipboard() -> Image.Image | None:
    """Returns the picture on the clipboard, made for a thread; None when there is none."""
    try:
        found = ImageGrab.grabclipboard()
    except (OSError, ValueError, NotImplementedError, SyntaxError):
        # No picture there, or nothing that could ask the clipboard.
        return None
    if isinstance(found, list):  # files that were copied
        return _opened(Path(found[0])) if found else None
    return found.convert("RGBA") if found is not None else None
