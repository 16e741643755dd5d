"""Which font has a letter: the app's own, or one of the system's for what that one lacks.

Kivy takes one font for a text. So a text is cut where the font changes, and letters that must be
joined or turned round (Arabic, Hebrew, the scripts of India) are drawn by Pillow with HarfBuzz.
"""

import json
import os
import re
import unicodedata
from array import array
from bisect import bisect_right
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from kivy.core.text import LabelBase
from kivy.graphics.texture import Texture
from PIL import Image, ImageDraw, ImageFont, features

from app import fonts
from app.bidi import RIGHT_TO_LEFT
from app.fonts import UI
from hongyan_client import pictures

# What every font with Han letters has; nothing is looked up for it. That of a bundle has the
# frequent ones alone.
COMMON = "\x00-\x7f\xa0-\xff\u2010-\u2027\u3000-\u303f\u3040-\u30ff\uff01-\uff5e"
ORDINARY = {
    True: re.compile(f"[{COMMON}]*"),
    False: re.compile(f"[{COMMON}\u4e00-\u9fa5\uac00-\ud7a3]*"),
}
HAN = ("CJK", "HANGUL")
COMPLEX = re.compile(
    "[\u0590-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff\ufb1d-\ufdff\ufe70-\ufeff]"
)
# Fonts with many scripts, where there is none for the one that is needed.
BROAD = (
    "NotoSans-Regular",
    "segoeui",
    "Arial Unicode",
    "NotoSansSymbols2-Regular",
    "NotoSansSymbols-Regular",
    "seguisym",
    "Apple Symbols",
    "LeelawUI",
    "Nirmala",
    "Thonburi",
    "DejaVuSans",
    "FreeSans",
    "FreeSerif",
    "Roboto-Regular",
)


@cache
def _files() -> dict[str, Path]:
    """Returns the font files of the system by their names."""
    found: dict[str, Path] = {}
    for folder in pictures.FONT_FOLDERS:
        for path in sorted(Path(folder).expanduser().rglob("*")):
            if path.suffix.lower() in (".ttf", ".otf", ".ttc"):
                found.setdefault(path.stem, path)
    return found


@cache
def _ranges(path: Path) -> "tuple[array[int], array[int]]":
    """Returns where the runs of letters that a font has begin and end; kept beside its copy, for
    reading a large font takes a tenth of a second."""
    kept = fonts._cache() / f"{path.stem}.{path.stat().st_size}.ranges"
    try:
        first, last = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        first, last = _read_ranges(path)
        part = kept.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps([first, last]), encoding="utf-8")
        os.replace(part, kept)
    return array("I", first), array("I", last)


def _read_ranges(path: Path) -> tuple[list[int], list[int]]:
    from fontTools.ttLib import TTFont, TTLibError  # noqa: PLC0415 - once for each font

    try:
        with TTFont(str(path), lazy=True, fontNumber=0) as font:
            codes = sorted(font.getBestCmap() or {})
    except (OSError, TTLibError):
        return [], []
    first: list[int] = []
    last: list[int] = []
    for code in codes:
        if last and code == last[-1] + 1:
            last[-1] = code
        else:
            first.append(code)
            last.append(code)
    return first, last


def _has(path: Path, code: int) -> bool:
    first, last = _ranges(path)
    at = bisect_right(first, code) - 1
    return at >= 0 and code <= last[at]


@cache
def _own() -> Path | None:
    return fonts.own()


@cache
def _ordinary() -> re.Pattern[str]:
    own = _own()
    return ORDINARY[own is not None and own.parent == fonts.BUNDLED]


def is_ordinary(text: str) -> bool:
    """Says whether the app's own font is known to have all of a text."""
    return _ordinary().fullmatch(text) is not None


@lru_cache(maxsize=4_096)
def font_of(char: str) -> str:
    """Returns the name of a font that has a letter; the app's own when none has it."""
    if is_ordinary(char) or unicodedata.category(char) in ("Cf", "Mn", "Cc"):
        return UI
    own = _own()
    if own is None or _has(own, ord(char)):
        return UI
    name = unicodedata.name(char, "").partition(" ")[0]
    if name in HAN and (han := fonts.system_han()) and _has(han, ord(char)):
        return _registered(han)
    files = _files()
    script = name.title()
    narrow = [
        it
        for it in files
        if script and it.startswith((f"NotoSans{script}-R", f"NotoNaskh{script}-R"))
    ]
    for name in (*narrow, *BROAD):
        if name in files and _has(files[name], ord(char)):
            return _registered(files[name])
    return UI


@cache
def _registered(path: Path) -> str:
    name = f"FALLBACK {path.stem}"
    LabelBase.register(name, str(path))
    _PATHS[name] = path
    return name


_PATHS: dict[str, Path] = {}


def spread(text: str) -> list[tuple[str, str]]:
    """Cuts a text where the font changes; marks stay with the letter that they stand on."""
    if is_ordinary(text):
        return [(text, UI)]
    found: list[tuple[str, str]] = []
    for char in text:
        joins = found and (char == " " or unicodedata.category(char) in ("Cf", "Mn", "Mc"))
        name = found[-1][1] if joins else font_of(char)
        if found and found[-1][1] == name:
            found[-1] = (found[-1][0] + char, name)
        else:
            found.append((char, name))
    return found


def is_complex(text: str, font: str) -> bool:
    """Says whether a text must be drawn by `drawn`."""
    return font in _PATHS and COMPLEX.search(text) is not None


@lru_cache(maxsize=64)
def _pillow(font: str, size: int) -> Any:
    shapes = features.check("raqm")
    engine = ImageFont.Layout.RAQM if shapes else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(_PATHS[font]), size, layout_engine=engine)


def _as_written(text: str) -> tuple[str, dict[str, Any]]:
    """Returns what Pillow is told; without HarfBuzz letters are at least turned round."""
    if features.check("raqm"):
        return text, {"direction": "rtl" if RIGHT_TO_LEFT.search(text) else "ltr"}
    return (text[::-1] if RIGHT_TO_LEFT.search(text) else text), {}


def complex_width(text: str, size: int, font: str) -> float:
    """Returns how wide such a text is."""
    told, options = _as_written(text)
    return float(_pillow(font, size).getlength(told, **options))


def drawn(text: str, size: int, color: tuple[float, ...], font: str) -> Any:
    """Returns such a text as a texture."""
    told, options = _as_written(text)
    chosen = _pillow(font, size)
    ascent, descent = chosen.getmetrics()
    width = max(1, round(chosen.getlength(told, **options)))
    shape = tuple(round(it * 255) for it in color[:3])
    image = Image.new("RGBA", (width, ascent + descent), (*shape, 0))
    alpha = Image.new("L", image.size, 0)
    ImageDraw.Draw(alpha).text((0, 0), told, font=chosen, fill=255, **options)
    image.putalpha(alpha)
    texture = Texture.create(size=image.size, colorfmt="rgba")
    texture.blit_buffer(image.tobytes(), colorfmt="rgba", bufferfmt="ubyte")
    texture.flip_vertical()
    return texture
