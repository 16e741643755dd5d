"""Pictures of every screen: light and dark, desktop and phone, Chinese and English.

    python -m tests.app.shots [--only NAME …] [--out FOLDER]

writes .hongyan/shots/<form>-<looks>-<language>/<screen>.png and a contact sheet of each set. The
screens show a small world of a real system; the phone is one of 1080 × 2340 points at density 3.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from loadtest.accounts import OPEN_LIMITS
from services.embedded.settings import Settings
from services.embedded.system import System
from tests.app.scenes import SCENES, Stage
from tests.app.screen import start_screen
from tests.app.village import settle
from tests.faults.people import Town

LOOKS, LANGUAGES = ("light", "dark"), ("zh", "en")
SIZES = {"desktop": (1100, 720), "phone": (1080, 2340)}
DENSITY = {"desktop": 1, "phone": 3}
TILE = {"desktop": 366, "phone": 216}
COLUMNS = {"desktop": 5, "phone": 9}


async def take(form: str, out: Path, only: list[str], sets: list[tuple[str, str]]) -> int:
    """Takes all pictures of one form; returns how many."""
    import app  # noqa: F401, PLC0415 - it sets what Kivy reads when it is imported
    from app.main import HongyanApp  # noqa: PLC0415
    from tests.app.robot import Robot, until  # noqa: PLC0415

    count = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = Settings(home=home / "system", port=0)
        async with System(settings, environment=OPEN_LIMITS) as system, Town(system, home) as town:
            ling = await town.newcomer("ling")
            village = await settle(town, ling)
            started = HongyanApp(system.address, home / "profile")
            task = asyncio.create_task(started.run_until_closed())
            await until(lambda: started.root is not None and started.session is not None, "runs")
            stage = Stage(Robot(started, SIZES[form]), village)
            try:
                for door in (True, False):
                    await stage.robot.be("" if door else (await ling.client.me()).email)
                    count += await _round(stage, form, out, only, sets, door=door)
            finally:
                started.stop()
                await task
    return count


async def _round(
    stage: Stage,
    form: str,
    out: Path,
    only: list[str],
    sets: list[tuple[str, str]],
    *,
    door: bool,
) -> int:
    count, failed = 0, []
    for looks, language in sets:
        for name, show in SCENES.items():
            if name.startswith("door") != door or (only and name not in only):
                continue
            await stage.robot.tidy()
            stage.app.preferences.looks = looks
            stage.app.preferences.language = language
            try:
                await show(stage)
            except Exception as error:  # the other pictures are worth having all the same
                failed.append(f"{name}: {error!r}")
                continue
            await stage.robot.picture(out / f"{form}-{looks}-{language}" / f"{name}.png")
            count += 1
    if failed:
        print("no picture of", *sorted(set(failed)), sep="\n  ", file=sys.stderr)
    return count


def sheet(folder: Path, form: str) -> Path:
    """Puts all pictures of a folder on one sheet, with their names."""
    width = TILE[form]
    shots = sorted(folder.glob("*.png"))
    tall = round(width * SIZES[form][1] / SIZES[form][0])
    columns = COLUMNS[form]
    rows = -(-len(shots) // columns)
    page = Image.new("RGB", (columns * (width + 12) + 12, rows * (tall + 34) + 12), "#8a8a8a")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for number, path in enumerate(shots):
        left, top = 12 + number % columns * (width + 12), 12 + number // columns * (tall + 34)
        with Image.open(path) as image:
            small = image.convert("RGB").resize((width, tall), Image.Resampling.LANCZOS)
        page.paste(small, (left, top))
        draw.text((left, top + tall + 4), path.stem, "white", font)
    made = folder.parent / f"{folder.name}.png"
    page.save(made)
    return made


def main() -> None:
    """Takes the pictures of the desktop, then of the phone, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="make client-shots", description=(__doc__ or ""))
    home = Path(os.environ.get("HONGYAN_HOME", ".hongyan"))
    parser.add_argument("--out", type=Path, default=home / "shots", help="the folder")
    parser.add_argument("--only", nargs="*", default=[], help="screens, by their names")
    parser.add_argument("--looks", nargs="*", choices=LOOKS, default=LOOKS)
    parser.add_argument("--language", nargs="*", choices=LANGUAGES, default=LANGUAGES)
    parser.add_argument("--form", choices=list(SIZES), help="desktop or phone alone")
    given = parser.parse_args()
    if not given.form:
        for form in SIZES:
            again = [sys.executable, "-m", "tests.app.shots", *sys.argv[1:], "--form", form]
            subprocess.run(again, check=True)
        return
    begun = time.monotonic()
    width, height = SIZES[given.form]
    start_screen(f"{width + 100}x{height + 100}", DENSITY[given.form])
    sets = list(product(given.looks, given.language))
    count = asyncio.run(take(given.form, given.out, given.only, sets))
    for folder in sorted(given.out.glob(f"{given.form}-*")):
        if folder.is_dir():
            print(sheet(folder, given.form))
    print(f"{count} pictures of the {given.form} in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
