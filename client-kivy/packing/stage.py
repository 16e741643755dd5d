"""Lays out what a phone gets: the app, its library, the contract, fonts and pictures.

`python -m packing.stage [GATEWAY]` in client-kivy fills dist/phone, from which buildozer and
kivy-ios build.
"""

import shutil
import sys
from pathlib import Path

from packing import fonts

CLIENT = Path(__file__).resolve().parent.parent
CONTRACT = CLIENT.parent / "proto" / "gen"
DIST = CLIENT.parent / "dist"
PHONE = DIST / "phone"
FONTS = DIST / "fonts"
# The second are types, the third what grpcio makes services of.
NEVER = ("__pycache__", "*.pyi", "*_pb2_grpc.py")
# What goes with the app, and from where: the terminal's commands stay at home.
PARTS = (
    (CLIENT, "app", ()),
    (CLIENT, "hongyan_client", ("terminal",)),
    (CONTRACT, "hongyan", ()),
    (CONTRACT, "buf", ()),
)


def lay_out(folder: Path, gateway: str = "") -> None:
    """Fills a folder with all that is Python, and pictures; a gateway is noted if one is named."""
    shutil.rmtree(folder, ignore_errors=True)
    for source, name, left_out in PARTS:
        ignore = shutil.ignore_patterns(*NEVER, *left_out)
        shutil.copytree(source / name, folder / name, ignore=ignore)
    shutil.copyfile(CLIENT / "main.py", folder / "main.py")
    if gateway:
        (folder / "gateway").write_text(gateway + "\n", encoding="utf-8")


def make_fonts() -> None:
    """Makes the fonts of a bundle, once for each choice of letters."""
    last = FONTS / fonts.LICENCE.name  # it is written when they are
    if not last.exists() or last.stat().st_mtime < Path(fonts.__file__).stat().st_mtime:
        fonts.make(FONTS)


def add_fonts(folder: Path) -> None:
    """Adds the fonts to what is laid out."""
    make_fonts()
    shutil.copytree(FONTS, folder / "app" / "data" / "fonts", dirs_exist_ok=True)


if __name__ == "__main__":
    lay_out(PHONE, sys.argv[1] if len(sys.argv) > 1 else "")
    add_fonts(PHONE)
    size = sum(it.stat().st_size for it in PHONE.rglob("*") if it.is_file()) / 1024 / 1024
    sys.stdout.write(f"{PHONE}: {size:.1f} MB\n")
