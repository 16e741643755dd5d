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

WITH_DIALOGS = ("win", "macosx", "android", "ios")


async def choose(title: str, suffixes: Sequence[str]) -> Path | None:
    """Asks for a file with one of the suffixes; None when none was chosen."""
    patterns = [f"*{it}" for it in suffixes]
    if program := _program():
        return await _run(program, _opening(program, title, patterns))
    if platform in WITH_DIALOGS:
        return await _ask("open_file", title=title, filters=[[title, *patterns]])
    chosen = await App.get_running_app().pick("files", title=title, suffixes=tuple(suffixes))
    return Path(chosen) if chosen else None


async def save(name: str, data: bytes) -> Path | None:
    """Writes a file where the person says; without dialogs among the downloads, under a name
    that is free. None when it was given up. Raises OSError when it cannot be written."""
    path = await place(name)
    if path is not None:
        await asyncio.to_thread(_write, path, data)
    return path


async def place(name: str) -> Path | None:
    """Returns where a file is to be written, as `save` finds it; nothing is written yet."""
    offered = downloads() / name
    if program := _program():
        path = await _run(program, _saving(program, name, str(offered)))
    elif platform in WITH_DIALOGS:
        path = await _ask("save_file", title=name, path=str(offered))
    else:
        return await asyncio.to_thread(free, offered)
    if path is not None and not path.suffix:
        path = path.with_suffix(Path(name).suffix)
    return path


def has_dialogs() -> bool:
    """Returns whether the system has dialogs for files that the app can open."""
    return platform in WITH_DIALOGS or bool(_program())


def _program() -> str:
    """Returns the program that shows a Linux desktop's dialogs; "" when there is none."""
    if platform != "linux":
        return ""
    desktop = os.environ.get("XDG_CURRENT_DESKTOP", "").lower()
    programs = ("kdialog", "zenity", "yad") if "kde" in desktop else ("zenity", "yad", "kdialog")
    return next((it for it in programs if shutil.which(it)), "")


def _opening(program: str, title: str, patterns: Sequence[str]) -> list[str]:
    """Returns the arguments that ask for a file to open."""
    if program == "kdialog":
        wanted = f"{' '.join(patterns)}|{title}"
        return ["--title", title, "--getopenfilename", str(Path.home()), wanted]
    asked = "--file-selection" if program == "zenity" else "--file"
    return [asked, "--title", title, "--file-filter", f"{title} | {' '.join(patterns)}"]


def _saving(program: str, title: str, path: str) -> list[str]:
    """Returns the arguments that ask for a path to save to; the program asks before it names
    one that is taken."""
    if program == "kdialog":
        return ["--title", title, "--getsavefilename", path]
    asked = "--file-selection" if program == "zenity" else "--file"
    return [asked, "--save", "--confirm-overwrite", "--title", title, "--filename", path]


async def _run(program: str, arguments: Sequence[str]) -> Path | None:
    """Shows a dialog in a process of its own; None when it was given up."""
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        said, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        raise
    chosen = said.decode("utf-8", "surrogateescape").rstrip("\n")
    return Path(chosen) if process.returncode == 0 and chosen else None


async def _ask(what: str, **options: Any) -> Path | None:
    """Opens a dialog of Windows, macOS or a phone, and waits for what is chosen."""
    from plyer import filechooser  # noqa: PLC0415 - loads what the platform has

    loop = asyncio.get_running_loop()
    chosen: asyncio.Future[Path | None] = loop.create_future()

    def tell(paths: Sequence[str] | None) -> None:
        if not chosen.done():
            chosen.set_result(Path(paths[0]) if paths and paths[0] else None)

    def selected(paths: Sequence[str] | None) -> None:
        loop.call_soon_threadsafe(tell, paths)

    work: Callable[..., Any] = getattr(filechooser, what)
    if platform == "win":
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
