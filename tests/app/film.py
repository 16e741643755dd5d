"""Makes the moving picture of the README: two windows of the app that talk through a gateway.

python -m tests.app.film [FILE]
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from PIL import Image

from loadtest.accounts import OPEN_LIMITS, PASSWORD
from services.embedded.settings import Settings
from services.embedded.system import System
from tests.app.measure import App
from tests.app.screen import start_screen
from tests.app.village import Village, settle
from tests.faults.people import Town

WINDOW, PHONE = (860, 620), (380, 620)
GAP, SCALE = 14, 0.78
# Who writes what, letter by letter in so many pictures.
SCRIPT = (
    ("ling", "到家了吗？"),
    ("bo", "刚到！今天玩得真开心 🏔️"),
    ("ling", "照片我晚点发群里 📷"),
    ("bo", "好，晚安 🌙"),
)


async def film(target: Path) -> None:
    """Takes the pictures and writes them as one GIF."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = Settings(home=home / "system", port=0)
        async with System(settings, environment=OPEN_LIMITS) as system, Town(system, home) as town:
            ling = await town.newcomer("ling")
            village = await settle(town, ling)
            homes = {"ling": home / "left", "bo": home / "right"}
            for who, size, looks in (("ling", WINDOW, "light"), ("bo", PHONE, "dark")):
                await log_in(village, who, homes[who], size, looks)
            async with (
                App(system.address, homes["ling"]) as left,
                App(system.address, homes["bo"]) as right,
            ):
                shots = await play({"ling": left, "bo": right}, village.direct, home)
            save(shots, target)


async def log_in(village: Village, who: str, home: Path, size: tuple[int, int], looks: str) -> None:
    """Makes the profile of a window: somebody is logged in, and it has its size and looks."""
    first = village.ling if who == "ling" else village.people[who]
    device = village.town.device(who, home)
    email = (await first.client.me()).email
    await device.client.login(email, PASSWORD, device_name="film", platform="linux")
    await device.start()
    await device.close()
    chosen = {
        "looks": looks,
        "language": "zh",
        "window": {"width": size[0], "height": size[1], "left": 10, "top": 10},
    }
    (home / "preferences.json").write_text(json.dumps(chosen), encoding="utf-8")


async def play(apps: dict[str, App], conversation_id: str, folder: Path) -> list[Image.Image]:
    """Has the two talk; returns what both windows showed, side by side."""
    shots: list[Image.Image] = []

    async def take(count: int = 1) -> None:
        taken = [await app.ask(f"picture {folder / who}.png") for who, app in apps.items()]
        shots.extend([beside(*(Path(it["file"]) for it in taken))] * count)

    for app in apps.values():
        await app.ask("times")
        await app.ask(f"open {conversation_id}")
    await take(2)
    for who, text in SCRIPT:
        half = max(1, len(text) // 2)
        for part in (text[:half], text):
            await apps[who].ask(f"write {part}")
            await take()
        await apps[who].ask("send")
        for app in apps.values():
            await app.ask(f"sees {text}")
        await take(2)
    await take(2)
    return shots


def beside(left: Path, right: Path) -> Image.Image:
    """Puts two windows on one ground."""
    with Image.open(left) as one, Image.open(right) as other:
        height = max(one.height, other.height)
        whole = Image.new("RGB", (one.width + other.width + 3 * GAP, height + 2 * GAP), "#dfe6e2")
        whole.paste(one.convert("RGB"), (GAP, GAP))
        whole.paste(other.convert("RGB"), (one.width + 2 * GAP, GAP))
    size = round(whole.width * SCALE), round(whole.height * SCALE)
    return whole.resize(size, Image.Resampling.LANCZOS)


def save(shots: list[Image.Image], target: Path) -> None:
    """Writes the pictures, each shown for most of a second, in one palette."""
    palette = shots[-1].quantize(160, Image.Quantize.MEDIANCUT)
    frames = [it.quantize(palette=palette, dither=Image.Dither.NONE) for it in shots]
    frames[0].save(
        target, save_all=True, append_images=frames[1:], duration=700, loop=0, optimize=True
    )
    print(f"{target}: {len(frames)} pictures, {target.stat().st_size // 1024} KB")


if __name__ == "__main__":
    start_screen()
    asyncio.run(film(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures/talk.gif")))
