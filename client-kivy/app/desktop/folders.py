"""Folders as the system shows them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


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
