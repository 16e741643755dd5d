"""How users and groups look: a picture, the first letter on a colour, and the mosaic of a group."""

import contextlib
import hashlib
import importlib.util
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Rgb = tuple[int, int, int]
Font = ImageFont.FreeTypeFont

WHITE: Rgb = (255, 255, 255)
GROUND: Rgb = (222, 222, 224)
# White on each has a contrast of 4.5 or more.
COLOURS: tuple[Rgb, ...] = (
    (192, 57, 43),
    (176, 74, 16),
    (138, 98, 0),
    (84, 116, 20),
    (32, 124, 66),
    (0, 121, 107),
    (0, 114, 143),
    (25, 105, 190),
    (63, 81, 181),
    (103, 77, 190),
    (142, 60, 165),
    (190, 45, 110),
    (121, 85, 72),
    (84, 110, 122),
)
ROWS = {
    1: (1,),
    2: (2,),
    3: (1, 2),
    4: (2, 2),
    5: (2, 3),
    6: (3, 3),
    7: (1, 3, 3),
    8: (2, 3, 3),
    9: (3, 3, 3),
}
"""How many pictures each row of a mosaic has, by the number of all."""
FONT_FOLDERS = {
    "darwin": ("/System/Library/Fonts", "/Library/Fonts"),
    "win32": (os.path.join(os.environ.get("WINDIR", "C:\\Windows"), "Fonts"),),
}.get(sys.platform, ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts"))
# Noto Sans CJK as a package, under the SIL Open Font License 1.1; nothing needs it.
FONT_PACKAGE = "manimgx_fonts_cjk"
# Fonts with Han characters, the best first; sans-serif, as letters are on screens.
FONTS = (
    "NotoSansCJK*",
    "NotoSansSC*",
    "SourceHanSans*",
    "PingFang*",
    "Hiragino Sans GB*",
    "msyh*",
    "wqy-*",
    "DroidSansFallback*",
    "simhei*",
    "STHeiti*",
    "LXGW*",
)


@dataclass(frozen=True, slots=True)
class Face:
    """Who is to be drawn: `picture` is an image file, empty when there is none."""

    user_id: str
    name: str
    picture: bytes = b""


def user(face: Face, size: int) -> Image.Image:
    """Returns a user's picture; without one, or a broken one, the letter."""
    if face.picture:
        try:
            with Image.open(io.BytesIO(face.picture)) as image:
                picture = image.convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError):
            return letter(face.user_id, face.name, size)
        if picture.size != (size, size):
            picture = picture.resize((size, size), Image.Resampling.LANCZOS)
        return picture
    return letter(face.user_id, face.name, size)


def group(faces: Sequence[Face], size: int) -> Image.Image:
    """Returns the mosaic of up to nine faces; of none, an empty ground."""
    picture = Image.new("RGB", (size, size), GROUND)
    faces = faces[: max(ROWS)]
    for face, (left, top, side) in zip(faces, places(len(faces), size), strict=True):
        picture.paste(user(face, side), (left, top))
    return picture


def places(count: int, size: int) -> list[tuple[int, int, int]]:
    """Returns left, top and side of each picture of a mosaic, row by row, each row centred."""
    if not count:
        return []
    rows = ROWS[count]
    columns = max(rows)
    # Even, so that one, two and three of them stand exactly in the middle of an even size.
    gap = max(2, size // 48 // 2 * 2)
    side = (size - gap * (columns + 1)) // columns // 2 * 2
    found = []
    top = (size - len(rows) * (side + gap) + gap) // 2
    for row in rows:
        left = (size - row * (side + gap) + gap) // 2
        found += [(left + place * (side + gap), top, side) for place in range(row)]
        top += side + gap
    return found


def letter(user_id: str, name: str, size: int) -> Image.Image:
    """Returns the first letter of a name on the user's colour; a figure when no font has it."""
    picture = Image.new("RGB", (size, size), colour(user_id))
    character = initial(name)
    font = font_for(character, size) if character else None
    if font is None:
        _draw_figure(picture)
        return picture
    # Centred by what is inked: fonts leave other spaces on the left than on the right.
    mask = Image.new("L", (size * 2, size * 2))
    ImageDraw.Draw(mask).text((size // 2, size // 2), character, 255, font)
    ink = mask.crop(mask.getbbox())
    picture.paste(WHITE, ((size - ink.width) // 2, (size - ink.height) // 2), ink)
    return picture


def colour(user_id: str) -> Rgb:
    """Returns the colour of a user: the same on every device, whatever the name."""
    return COLOURS[int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:8]) % len(COLOURS)]


def initial(name: str) -> str:
    """Returns the first letter, Han character or digit of a name; "" when there is none."""
    first = next((it for it in name if it.isalnum()), "")
    return first.upper() if len(first.upper()) == 1 else first


def has_font(name: str) -> bool:
    """Returns whether a font here has the first letter of a name."""
    character = initial(name)
    return not character or font_for(character, 96) is not None


def font_for(character: str, size: int) -> Font | None:
    """Returns the first font that has a character, in the size that fits a picture."""
    points = round(size * (0.56 if ord(character) >= 0x2E80 else 0.58))
    return next((it for it in _fonts(points) if _has(it, character)), None)


def _has(font: Font, character: str) -> bool:
    """Returns whether a font draws a character otherwise than one that there is not."""
    drawn = font.getmask(character)
    missing = font.getmask("\uffff")
    return drawn.getbbox() is not None and (drawn.size, bytes(drawn)) != (
        missing.size,
        bytes(missing),
    )


def _fonts(points: int) -> Iterator[Font]:
    for path in font_paths():
        font = _load(path, points)
        if font is not None:
            yield font
    # Pillow's own one, for letters of the West.
    own = ImageFont.load_default(points)
    if isinstance(own, ImageFont.FreeTypeFont):
        yield own


@lru_cache(maxsize=64)
def _load(path: Path, points: int) -> Font | None:
    # Noto's collections begin with Japanese; the third is simplified Chinese.
    index = 2 if path.name.startswith("NotoSansCJK") and path.suffix == ".ttc" else 0
    try:
        font = ImageFont.truetype(path, points, index)
    except OSError:
        return None
    # A font of many weights begins with the thinnest.
    with contextlib.suppress(OSError):
        if b"Medium" in font.get_variation_names():
            font.set_variation_by_name(b"Medium")
    return font


@lru_cache(maxsize=1)
def font_paths() -> tuple[Path, ...]:
    """Returns the font that HONGYAN_FONT names, then those of this machine with Han characters."""
    found = [Path(it) for it in (os.environ.get("HONGYAN_FONT"),) if it]
    files: dict[str, Path] = {}
    for folder in (*FONT_FOLDERS, *_package_folders()):
        for path in sorted(Path(folder).expanduser().rglob("*")):
            if path.suffix.lower() in (".ttf", ".ttc", ".otf"):
                files.setdefault(path.name, path)
    for pattern in FONTS:
        # Of one family the plain weight first.
        names = sorted(
            (it for it in files if Path(it).match(pattern)),
            key=lambda it: ("Medium" not in it, "Regular" not in it, it),
        )
        found += [files[it] for it in names]
    return tuple(found)


def _package_folders() -> list[str]:
    """Returns where the package of FONT_PACKAGE lies, if it is installed."""
    spec = importlib.util.find_spec(FONT_PACKAGE)
    return list(spec.submodule_search_locations or ()) if spec else []


def _draw_figure(picture: Image.Image) -> None:
    """Draws a head and shoulders, smooth, by drawing them four times as large."""
    size = picture.width * 4
    mask = Image.new("L", (size, size), 0)
    draw = ImageDraw.Draw(mask)
    draw.ellipse((size * 0.345, size * 0.2, size * 0.655, size * 0.51), 255)
    draw.ellipse((size * 0.2, size * 0.57, size * 0.8, size * 1.17), 255)
    small = mask.resize(picture.size, Image.Resampling.LANCZOS)
    picture.paste(WHITE, (0, 0, *picture.size), small)
