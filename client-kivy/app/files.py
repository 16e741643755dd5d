"""Files that a person chooses, and where what is saved goes: the system's own dialogs where there
are some, else a page of the app and the folder of downloads."""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.utils import platform


async def choose(title: str, suffixes: Sequence[str]) -> Path | None:
    """Asks for a file with one of the suffixes; None when none was chosen."""
    if not has_dialogs():
        chosen = await App.get_running_app().pick("files", title=title, suffixes=tuple(suffixes))
        return Path(chosen) if chosen else None
    filters = [[title, *(f"*{it}" for it in suffixes)]]
    return await _ask("open_file", title=title, filters=filters)


async def save(name: str, data: bytes) -> Path | None:
    """Writes a file where the person says; without dialogs among the downloads, under a name
    that is free. None when it was given up. Raises OSError when it cannot be written."""
    path = await place(name)
    if path is not None:
        await asyncio.to_thread(_write, path, data)
    return path


async def place(name: str) -> Path | None:
    """Returns where a file is to be written, as `save` finds it; nothing is written yet."""
    if not has_dialogs():
        return await asyncio.to_thread(free, downloads() / name)
    path = await _ask("save_file", title=name, path=str(downloads() / name))
    if path is not None and not path.suffix:
        path = path.with_suffix(Path(name).suffix)
    return path


def has_dialogs() -> bool:
    """Returns whether the system has dialogs for files that the app can open."""
    return platform in ("win", "macosx", "android", "ios") or bool(_linux_dialogs())


def _linux_dialogs() -> str:
    """Returns which of plyer's kinds of dialogs a Linux has; "" when it has none."""
    desktop = os.environ.get("XDG_CURRENT_DESKTOP", "").lower()
    if "kde" in desktop and shutil.which("kdialog"):
        return "kde"
    return next((kind for program, kind in PROGRAMS if shutil.which(program)), "")


PROGRAMS = (("zenity", "gnome"), ("yad", "yad"))


async def _ask(what: str, **options: Any) -> Path | None:
    """Opens a dialog of the system's, and waits for what is chosen."""
    from plyer import filechooser  # noqa: PLC0415 - loads what the platform has

    loop = asyncio.get_running_loop()
    chosen: asyncio.Future[Path | None] = loop.create_future()

    def tell(paths: Sequence[str] | None) -> None:
        if not chosen.done():
            chosen.set_result(Path(paths[0]) if paths and paths[0] else None)

    def selected(paths: Sequence[str] | None) -> None:
        loop.call_soon_threadsafe(tell, paths)

    if platform == "linux":
        options["desktop_override"] = _linux_dialogs()
    work: Callable[..., Any] = getattr(filechooser, what)
    if platform in ("linux", "win"):
        # The dialog blocks who opened it; the app goes on meanwhile.
        selected(await asyncio.to_thread(work, **options))
    else:
        # macOS wants its dialogs in the first thread; phones answer by the call.
        work(on_selection=selected, **options)
    return await chosen


def downloads() -> Path:
    """Returns the folder of what was downloaded."""
    folder = Path.home() / "Downloads"
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    named = configured / "user-dirs.dirs"
    if platform == "linux" and named.is_file():
        for line in named.read_text(encoding="utf-8").splitlines():
            if line.startswith("XDG_DOWNLOAD_DIR="):
                said = line.partition("=")[2].strip().strip('"')
                return Path(said.replace("$HOME", str(Path.home())))
    if platform == "android":
        from plyer import storagepath  # noqa: PLC0415

        return Path(storagepath.get_downloads_dir())
    return folder


def free(path: Path) -> Path:
    """Returns a path beside a path that is not taken: a.png, a (1).png, a (2).png."""
    number, tried = 0, path
    while tried.exists():
        number += 1
        tried = path.with_stem(f"{path.stem} ({number})")
    return tried


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
