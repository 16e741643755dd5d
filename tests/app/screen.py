"""A screen that nobody sees: an X server of memory alone, which ends with this process."""

import atexit
import os
import shutil
import subprocess


def start_screen(size: str = "1400x1400", density: int = 1) -> None:
    """Starts one and makes it this process's; Kivy looks for it when it is imported."""
    if not (program := shutil.which("Xvfb")):
        raise RuntimeError("the app's tests need Xvfb: run tests/install-servers")
    reader, writer = os.pipe()
    screen = subprocess.Popen(
        [program, "-displayfd", str(writer), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    atexit.register(screen.terminate)
    os.close(writer)
    with os.fdopen(reader) as told:
        os.environ["DISPLAY"] = f":{told.readline().strip()}"
    os.environ |= {
        "LANG": "zh_CN.UTF-8",
        "KIVY_DPI": "96",
        "KIVY_METRICS_DENSITY": str(density),
    }
