"""The fonts of the app: those of its bundle, else of the system and packages."""

import os
import sys
from functools import cache
from pathlib import Path

from fonticon_mdi7 import MDI7
from kivy.core.text import LabelBase

from hongyan_client import pictures

UI, BOLD, EMOJI, ICON = "UI", "UI", "EMOJI", "ICON"
# Where a bundle has its fonts; in a checkout there are none.
BUNDLED = Path(__file__).with_name("data") / "fonts"
EMOJI_FILES = (
    str(BUNDLED / "NotoColorEmoji.ttf"),
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/System/Library/Fonts/Apple Color Emoji.ttc",
    "C:/Windows/Fonts/seguiemj.ttf",
    "/system/fonts/NotoColorEmoji.ttf",
)
FACE = "Noto Sans CJK SC"


def register() -> None:
    """Registers every font under its name; without Han letters the system's default stays."""
    regular, bold = _bundled() or _han()
    if regular:
        for name in (UI, "Roboto"):  # Roboto is what Kivy takes when nobody says anything
            LabelBase.register(name, str(regular), fn_bold=str(bold or regular))
    else:
        LabelBase.register(UI, "data/fonts/Roboto-Regular.ttf", "data/fonts/Roboto-Bold.ttf")
    LabelBase.register(ICON, MDI7.__font_file__)
    if emoji := next((it for it in EMOJI_FILES if os.path.exists(it)), ""):
        LabelBase.register(EMOJI, emoji)
    else:
        LabelBase.register(EMOJI, MDI7.__font_file__)


@cache
def has_emoji() -> bool:
    """Says whether there is a font with coloured emoji."""
    return any(os.path.exists(it) for it in EMOJI_FILES)


def icon(name: str) -> str:
    """Returns the character of an icon, by its name in Material Design Icons."""
    return str(getattr(MDI7, name)).partition(".")[2]


def _bundled() -> tuple[Path, Path] | None:
    """Returns the bundle's fonts, regular and bold; pictures of letters are drawn with them too."""
    regular, bold = (BUNDLED / f"HongyanHan-{it}.otf" for it in ("Regular", "Bold"))
    if not regular.exists() or not bold.exists():
        return None
    os.environ.setdefault("HONGYAN_FONT", str(regular))
    return regular, bold


def own() -> Path | None:
    """Returns the file of the app's own letters."""
    return (_bundled() or _han())[0]


def system_han() -> Path | None:
    """Returns a file of the system with Han letters: it has the rare ones that a bundle lacks."""
    return _han()[0]


def _han() -> tuple[Path | None, Path | None]:
    """Returns files of the system with Han letters, regular and bold."""
    found = [it for it in pictures.font_paths() if it.parent != BUNDLED]
    regular = next((it for it in found if "Regular" in it.name or "wqy" in it.name), None)
    regular = regular or (found[0] if found else None)
    bold = next((it for it in found if "Bold" in it.name and "Semi" not in it.name), None)
    return _face(regular), _face(bold)


def _face(path: Path | None) -> Path | None:
    """Returns a file of the Chinese face alone: Kivy opens the first one of a collection,
    which has the Japanese forms."""
    if path is None or path.suffix.lower() != ".ttc":
        return path
    kept = _cache() / f"{path.stem}-SC.otf"
    if not kept.exists():
        # Once in the life of a machine, and never where there are fonts of a bundle.
        from fontTools.ttLib import TTCollection  # noqa: PLC0415

        with TTCollection(str(path), lazy=True) as fonts:
            chosen = next(
                (it for it in fonts.fonts if str(it["name"].getDebugName(1)).startswith(FACE)),
                fonts.fonts[0],
            )
            part = kept.with_suffix(f".{os.getpid()}.part")
            chosen.save(part)
        os.replace(part, kept)
    return kept


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or (
        "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    )
    folder = Path(base).expanduser() / "hongyan" / "fonts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_folder() -> Path:
    """Returns where fonts are kept that were cut out of collections."""
    return _cache()
