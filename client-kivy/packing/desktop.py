"""Builds the app for this desktop, starts it, and looks whether its first window is drawn.

`python -m packing.desktop` fills dist/hongyan. The look is taken on a screen of memory alone,
where there is Xvfb, with no server to talk to.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageColor

from app.theme import LIGHT
from packing import stage

PROGRAM = "hongyan"
BUNDLE = stage.DIST / PROGRAM
SCREEN = (1280, 800)
WINDOW_SECONDS = 60.0
# The first window has the green of the theme, and letters with smooth edges: many colours.
GREEN_PIXELS, COLOURS = 2000, 30


def build() -> Path:
    """Builds the program and returns it; PyInstaller's own words come when it fails."""
    shutil.rmtree(BUNDLE, ignore_errors=True)
    stage.make_fonts()
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=WARN"]
    folders = [f"--distpath={stage.DIST}", f"--workpath={stage.DIST / 'pyinstaller'}"]
    # Kivy is imported while it is looked through: it shall not take the command line for its own.
    done = subprocess.run(
        [*command, *folders, str(stage.CLIENT / "hongyan.spec")],
        env=os.environ | {"KIVY_NO_ARGS": "1", "KIVY_NO_FILELOG": "1", "KIVY_NO_CONFIG": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit("PyInstaller failed")
    if sys.platform == "linux":
        shutil.copyfile(stage.CLIENT / "hongyan.desktop", BUNDLE / "hongyan.desktop")
        shutil.copyfile(stage.CLIENT / "app" / "data" / "icon.png", BUNDLE / "hongyan.png")
    return BUNDLE / (PROGRAM + (".exe" if sys.platform == "win32" else ""))


def size_of(folder: Path) -> int:
    """Returns the bytes of all files; what is linked to counts once."""
    return sum(it.lstat().st_size for it in folder.rglob("*") if not it.is_dir())


@contextlib.contextmanager
def screen(folder: Path) -> Iterator[tuple[str, Path]]:
    """Starts an X server in memory; gives its name, and the file in which its pixels are."""
    reader, writer = os.pipe()
    shape = "x".join(map(str, (*SCREEN, 24)))
    server = subprocess.Popen(
        [
            *("Xvfb", "-displayfd", str(writer), "-screen", "0", shape),
            *("-fbdir", str(folder), "-nolisten", "tcp"),
        ],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(writer)
        with os.fdopen(reader) as told:
            yield f":{told.readline().strip()}", folder / "Xvfb_screen0"
    finally:
        server.terminate()
        server.wait()


def pixels(file: Path) -> Image.Image:
    """Returns what is on the screen: an XWD file of version 7, 32 bits a pixel, blue first."""
    content = file.read_bytes()
    header, colours = (int.from_bytes(content[at : at + 4]) for at in (0, 76))
    start = header + colours * 12
    return Image.frombuffer("RGB", SCREEN, content[start:], "raw", "BGRX", SCREEN[0] * 4, 1)


def is_first_window(picture: Image.Image) -> bool:
    """Says whether the app has drawn itself: with its green, and letters."""
    counts = picture.getcolors(SCREEN[0] * SCREEN[1]) or ()
    found = {colour: count for count, colour in counts}
    return found.get(ImageColor.getrgb(LIGHT["strong"]), 0) > GREEN_PIXELS and len(found) > COLOURS


def look(command: Sequence[str], picture: Path | None = None) -> float:
    """Starts a program and returns after how many seconds its window is drawn.

    Raises TimeoutError when it is not, or the program ends before; the picture is kept.
    """
    with tempfile.TemporaryDirectory() as home, screen(Path(home)) as (display, file):
        begun = time.monotonic()
        environment = {
            "DISPLAY": display,
            "HOME": home,
            "XDG_RUNTIME_DIR": home,
            "LANG": "zh_CN.UTF-8",
            "PATH": os.environ["PATH"],
            "HONGYAN_ADDRESS_URL": "http://127.0.0.1:9",
        }
        running = subprocess.Popen(command, env=environment, cwd=home)
        try:
            return _wait(running, file, begun)
        finally:
            if picture:
                pixels(file).save(picture)
            running.send_signal(signal.SIGTERM)
            running.wait(10)


def _wait(running: subprocess.Popen[bytes], file: Path, begun: float) -> float:
    while (passed := time.monotonic() - begun) < WINDOW_SECONDS:
        if is_first_window(pixels(file)):
            return passed
        if running.poll() is not None:
            raise TimeoutError(f"the program ended with {running.returncode}, without a window")
        time.sleep(0.1)
    raise TimeoutError(f"no window in {WINDOW_SECONDS:.0f} s")


def main() -> None:
    """Builds, looks, and says what it came to."""
    begun = time.monotonic()
    program = build()
    seconds = time.monotonic() - begun
    size = size_of(BUNDLE) / 1024 / 1024
    sys.stdout.write(f"built {BUNDLE} in {seconds:.0f} s: {size:.0f} MB\n")
    if not shutil.which("Xvfb"):
        sys.stdout.write("there is no Xvfb: start it to see whether its window comes\n")
        return
    picture = stage.DIST / "first-window.png"
    sys.stdout.write(
        f"its window is there after {look([str(program)], picture):.1f} s: {picture}\n"
    )


if __name__ == "__main__":
    main()
