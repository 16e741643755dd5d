"""Codes as pictures: a link as a QR code, made anywhere, and read where there is a reader."""

import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING

import segno

from hongyan_client.errors import HongyanError

if TYPE_CHECKING:  # making codes needs no Pillow
    from PIL import Image

READER = "zxingcpp"


class NoReader(HongyanError):
    """Codes in pictures cannot be read on this device."""


def in_terminal(link: str) -> str:
    """Returns a link's QR code in block characters, dark on light."""
    rows = [list(row) for row in segno.make(link, error="m").matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    glyphs = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    return "\n".join(
        "".join(glyphs[bool(upper), bool(lower)] for upper, lower in zip(*pair, strict=True))
        for pair in zip(rows[::2], rows[1::2], strict=True)
    )


def save(link: str, path: Path) -> None:
    """Writes a link's QR code as a picture: PNG or SVG, as the name says."""
    segno.make(link, error="m").save(str(path), scale=8, border=4)


def png(link: str) -> bytes:
    """Returns a link's QR code as the content of a PNG file."""
    written = io.BytesIO()
    segno.make(link, error="m").save(written, kind="png", scale=8, border=4)
    return written.getvalue()


def can_read() -> bool:
    """Says whether `read` works here: its library is compiled, and there is none for phones."""
    return importlib.util.find_spec(READER) is not None


def read(path: Path) -> str:
    """Returns what the first QR code in a picture's file says; "" when there is none.

    Raises NoReader where codes cannot be read, see `can_read`.
    """
    from PIL import Image  # noqa: PLC0415

    with Image.open(path) as picture:
        return find(picture)


def find(picture: "Image.Image") -> str:
    """Returns what the first QR code in a picture says, as `read` does."""
    if not can_read():
        raise NoReader("there is no reader of codes for this device")
    import zxingcpp  # noqa: PLC0415 - not on every device

    found = zxingcpp.read_barcodes(_on_white(picture))
    return found[0].text if found else ""


def _on_white(picture: "Image.Image") -> "Image.Image":
    """Returns a picture without its transparency: a code may be drawn on nothing at all."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    from PIL import Image  # noqa: PLC0415

    over = picture.convert("RGBA")
    ground = Image.new("RGBA", over.size, "white")
    return Image.alpha_composite(ground, over).convert("RGB")
