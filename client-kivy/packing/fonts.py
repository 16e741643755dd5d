"""Makes the fonts of a bundle: the letters that people write, out of a font with all of them.

Noto Sans CJK has 65,535 glyphs in 16 MB a weight. Kept are simplified Han letters after
GB 2312, the frequent traditional ones after Big5, kana, Latin, Greek, Cyrillic, and signs.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

from app.fonts import EMOJI_FILES, FACE
from hongyan_client import pictures

LICENCE = Path(__file__).with_name("OFL.txt")
WEIGHTS = ("Regular", "Bold")
NAME = "HongyanHan-{}.otf"
EMOJI_NAME = "NotoColorEmoji.ttf"
# First and last of each block, after Unicode.
BLOCKS = (
    (0x0020, 0x024F),  # Latin
    (0x0370, 0x052F),  # Greek and Cyrillic
    (0x1E00, 0x1EFF),  # Vietnamese
    (0x2000, 0x206F),  # punctuation
    (0x20A0, 0x20CF),  # currencies
    (0x2100, 0x22FF),  # letter-like, numbers, arrows, mathematics
    (0x2460, 0x27BF),  # in circles, frames, shapes, signs
    (0x3000, 0x30FF),  # Han punctuation, kana
    (0xFF00, 0xFFEF),  # full width
)
# Rows of a two-byte code that hold letters: its codec, lead bytes, trail bytes.
CODES = (
    ("gb2312", range(0xB0, 0xF8), range(0xA1, 0xFF)),
    ("big5", range(0xA4, 0xC7), (*range(0x40, 0x7F), *range(0xA1, 0xFF))),
)


@dataclass(frozen=True, slots=True)
class Made:
    """What was made, and of what."""

    path: Path
    source: Path
    copyright: str


def letters() -> set[int]:
    """Returns every character that a bundle's font has, as far as the source has it."""
    found = {code for first, last in BLOCKS for code in range(first, last + 1)}
    for codec, leads, trails in CODES:
        for lead in leads:
            for trail in trails:
                found.update(map(ord, bytes((lead, trail)).decode(codec, "ignore")))
    return found


def make(folder: Path) -> list[Made]:
    """Writes fonts and their licence into a folder; raises OSError where there is no source."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [_source(weight) for weight in WEIGHTS]
    with ProcessPoolExecutor(len(WEIGHTS)) as pool:
        made = list(pool.map(_subset, sources, [folder / NAME.format(it) for it in WEIGHTS]))
    emoji = next((Path(it) for it in EMOJI_FILES if os.path.exists(it)), None)
    if emoji and emoji.name == EMOJI_NAME:  # the others may not be given on
        made.append(_copy(emoji, folder / EMOJI_NAME))
    _write_licence(folder, made)
    return made


def _source(weight: str) -> Path:
    """Returns a file of Noto Sans CJK in a weight."""
    for path in pictures.font_paths():
        if path.stem in (
            f"NotoSansCJK-{weight}",
            f"NotoSansCJKsc-{weight}",
            f"NotoSansSC-{weight}",
        ):
            return path
    raise FileNotFoundError(
        f"no Noto Sans CJK {weight} here: install fonts-noto-cjk, or pip install "
        f"manimgx-fonts-cjk, which has it too"
    )


def _faces(path: Path) -> Iterator[TTFont]:
    if path.suffix.lower() == ".ttc":
        yield from TTCollection(str(path), lazy=True).fonts
    else:
        yield TTFont(path, lazy=True)


def _subset(source: Path, path: Path) -> Made:
    faces = list(_faces(source))
    face = next((it for it in faces if str(it["name"].getDebugName(1)).startswith(FACE)), faces[0])
    options = subset.Options()
    options.layout_features = ["kern", "palt"]
    options.hinting = False
    options.notdef_outline = True
    options.name_IDs = ["*"]
    options.drop_tables += ["vhea", "vmtx", "VORG"]  # nothing is written from top to bottom
    # Boxes of the whole font are right for a part of it, and cost half of the time.
    face.recalcBBoxes = False
    maker = subset.Subsetter(options)
    maker.populate(unicodes=letters())
    maker.subset(face)
    face.save(path)
    return Made(path, source, str(face["name"].getDebugName(0)))


def _copy(source: Path, path: Path) -> Made:
    shutil.copyfile(source, path)
    with TTFont(path, lazy=True) as font:
        return Made(path, source, str(font["name"].getDebugName(0)))


def _write_licence(folder: Path, made: list[Made]) -> None:
    lines = [
        "These fonts are made of Noto fonts and stand under the SIL Open Font License 1.1, below.",
        *(f"{it.path.name}: of {it.source.name}. {it.copyright}" for it in made),
    ]
    text = "\n".join(lines) + "\n\n" + LICENCE.read_text(encoding="utf-8")
    (folder / LICENCE.name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for it in make(Path(sys.argv[1])):
        size = it.path.stat().st_size / 1024 / 1024
        sys.stdout.write(f"{it.path.name}: {size:.1f} MB of {it.source}\n")
