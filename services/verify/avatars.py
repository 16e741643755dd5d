"""Pictures of users: what is accepted, and how it is made anew."""

import asyncio
import hashlib
import io
from dataclasses import dataclass

from PIL import Image, ImageOps

from services.common.errors import Invalid

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
SIZES = (96, 480)
MAX_PIXELS = 40_000_000
QUALITY = 80


@dataclass(frozen=True, slots=True)
class Square:
    """A part of the upright picture, in pixels."""

    left: int
    top: int
    side: int


class Painter:
    """Makes pictures in a thread, one at a time: a large one takes much memory."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def paint(self, image: bytes, square: Square | None) -> dict[int, bytes]:
        """Returns a picture as WebP in each size; raises Invalid."""
        async with self._turn:
            return await asyncio.to_thread(paint, image, square)


def paint(image: bytes, square: Square | None) -> dict[int, bytes]:
    """Returns a picture as WebP in each size, by its side; raises Invalid."""
    upright = _upright(image)
    part = upright.crop(_box(upright.size, square))
    part = part.convert("RGBA" if part.has_transparency_data else "RGB")
    return {size: _webp(part, size) for size in SIZES}


def avatar_id(images: dict[int, bytes]) -> str:
    """Returns the id of a picture: other bytes, another id."""
    digest = hashlib.sha256()
    for size in sorted(images):
        digest.update(hashlib.sha256(images[size]).digest())
    return digest.hexdigest()


def size_for(wanted: int) -> int:
    """Returns the least size that is not smaller, or the greatest."""
    return next((size for size in SIZES if size >= wanted), SIZES[-1])


def _upright(image: bytes) -> Image.Image:
    try:
        # This reads the head only; nothing is decoded before the pixels are counted.
        opened = Image.open(io.BytesIO(image), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _refused(f"has more than {MAX_PIXELS} pixels") from None
    except Exception:  # a broken file makes Pillow raise errors of many kinds
        raise _refused("is no JPEG, PNG, WebP or GIF") from None
    if opened.width * opened.height > MAX_PIXELS:
        raise _refused(f"has more than {MAX_PIXELS} pixels")
    try:
        opened.load()
        ImageOps.exif_transpose(opened, in_place=True)
    except Exception:  # as above
        raise _refused("is broken") from None
    return opened


def _box(size: tuple[int, int], square: Square | None) -> tuple[int, int, int, int]:
    width, height = size
    if square is None:
        side = min(size)
        square = Square((width - side) // 2, (height - side) // 2, side)
    right, bottom = square.left + square.side, square.top + square.side
    if right > width or bottom > height:
        problem = f"is not inside of the picture, {width} by {height} pixels"
        raise Invalid("INVALID_FIELD", f"square: {problem}", fields={"square": problem})
    return square.left, square.top, right, bottom


def _webp(part: Image.Image, size: int) -> bytes:
    small = part.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)
    # What the file said besides, such as a colour profile, would be written again.
    small.info = {}
    out = io.BytesIO()
    small.save(out, "WEBP", quality=QUALITY)
    return out.getvalue()


def _refused(problem: str) -> Invalid:
    return Invalid("IMAGE_INVALID", f"image: {problem}", fields={"image": problem})
