"""The screens of this desktop, as SDL knows them: Kivy does not say."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

Box = tuple[int, int, int, int]
"""Left, top, width, height; from the first screen's upper left corner, downwards."""


class _Rect(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "w", "h")]


def boxes() -> list[Box]:
    """Returns where windows may be on each screen; nothing when that cannot be found out."""
    library = _loaded_sdl()
    if library is None:
        return []
    found = []
    for number in range(max(0, library.SDL_GetNumVideoDisplays())):
        rect = _Rect()
        if library.SDL_GetDisplayUsableBounds(number, ctypes.byref(rect)) == 0:
            found.append((rect.x, rect.y, rect.w, rect.h))
    return found


def _loaded_sdl() -> ctypes.CDLL | None:
    """Returns the library that Kivy has loaded: another copy would know of no window."""
    if sys.platform == "win32":
        names: Iterator[str] = iter(("SDL2.dll",))
    elif sys.platform == "darwin":
        names = (it for it in _images_of_macos() if "SDL2" in Path(it).name)
    else:
        names = (it for it in _mapped() if Path(it).name.startswith("libSDL2-2"))
    for name in names:
        try:
            library = ctypes.CDLL(name)
            library.SDL_GetDisplayUsableBounds  # noqa: B018 - absent in what only has a like name
        except (OSError, AttributeError):
            continue
        return library
    return None


def _mapped() -> Iterator[str]:
    """Returns the files of the libraries in this process, on Linux."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    yield from dict.fromkeys(it.split(maxsplit=5)[-1] for it in lines if ".so" in it)


def _images_of_macos() -> Iterator[str]:  # pragma: no cover
    loader = ctypes.CDLL(None)
    loader._dyld_get_image_name.restype = ctypes.c_char_p
    for number in range(loader._dyld_image_count()):
        yield (loader._dyld_get_image_name(number) or b"").decode()
