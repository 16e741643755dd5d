"""A simple page to choose a file, for systems without a dialog that the app can open."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.properties import StringProperty

from app import kv
from app.widgets.listing import row
from app.widgets.page import Page

UP = ".."


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder, or a file that may be chosen."""

    path: Path
    is_folder: bool
    size: int = 0


class Files(Page):
    """Folders and the files with one of the suffixes; its result is the path of a file."""

    folder = StringProperty("")

    def __init__(
        self, title: str = "", suffixes: Sequence[str] = (), start: str = "", **options: Any
    ) -> None:
        super().__init__(title=title, **options)
        self._suffixes = tuple(it.lower() for it in suffixes)
        self._start = self._wanted = Path(start) if start else Path.home()

    def entered(self) -> None:
        self.show(self._start)

    def show(self, folder: Path) -> None:
        """Shows what is in a folder."""
        self._wanted = folder
        self.session.spawn(self._show(folder))

    async def _show(self, folder: Path) -> None:
        app = App.get_running_app()
        try:
            entries = await asyncio.to_thread(read, folder, self._suffixes)
        except OSError as error:
            app.tell("files.closed", why=error.strerror or str(error))
            return
        if folder != self._wanted:
            return  # another one was asked for meanwhile
        self.folder = str(folder)
        data = [row(UP, app.words("files.up"), icon="arrow_up")] if folder.parent != folder else []
        data += [
            row(
                str(it.path),
                it.path.name,
                icon="folder" if it.is_folder else "file_image_outline",
                leads=it.is_folder,
                note="" if it.is_folder else in_words(it.size),
            )
            for it in entries
        ]
        self.ids.list.data = data
        self.ids.list.scroll_y = 1
        self.ids.none.opacity = 0 if entries else 1

    def choose(self, key: str) -> None:
        """Goes into a folder, or back with a file."""
        path = Path(self.folder).parent if key == UP else Path(key)
        if path.is_dir():
            self.show(path)
        else:
            self.done(str(path))


def read(folder: Path, suffixes: Sequence[str]) -> list[Entry]:
    """Returns the folders in a folder, then the files that may be chosen; hidden ones are not
    shown. Raises OSError when the folder cannot be read."""
    found = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            found.append(Entry(path, True))
        elif path.is_file() and (not suffixes or path.suffix.lower() in suffixes):
            found.append(Entry(path, False, path.stat().st_size))
    return sorted(found, key=lambda it: (not it.is_folder, it.path.name.casefold()))


def in_words(size: int) -> str:
    """Returns how large a file is."""
    amount = float(size)
    for unit in ("B", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


kv.load(__file__)
