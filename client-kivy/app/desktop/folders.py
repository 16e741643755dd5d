"""Folders of the system that the app writes to or shows: downloads, and how one is opened."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def downloads() -> Path:
    """Returns where a user looks for what was downloaded; the home folder where there is none."""
    named = _named_by_xdg() if sys.platform.startswith("linux") else None
    found = named or Path("~/Downloads").expanduser()
    return found if found.is_dir() else Path.home()


def _named_by_xdg() -> Path | None:
    """Returns the folder that the desktop calls Downloads, by its own file of such names."""
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    try:
        lines = (base / "user-dirs.dirs").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition("=")
        if name.strip() == "XDG_DOWNLOAD_DIR":
            return Path(value.strip().strip('"').replace("$HOME", str(Path.home())))
    return None


def unused(path: Path) -> Path:
    """Returns the path, or one with a number if there is such a file already."""
    number, found = 2, path
    while found.exists():
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return found


def show(folder: Path) -> bool:
    """Opens a folder in the system's window for files; False: there is no way to."""
    if sys.platform == "win32":
        os.startfile(folder)  # noqa: S606
        return True
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if opener is None:
        return False
    subprocess.Popen(  # noqa: S603 - the system's own program, and a path that exists
        [opener, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return True
