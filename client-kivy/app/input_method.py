"""Tells the system's input method where the cursor is, so that its candidates stand there.

SDL can be told and Kivy does not do it: it gives the lower edge of the window, once. What is
called here is a function of the library that Kivy has loaded.
"""

import ctypes
import logging
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import kivy
from kivy.core.window import Window

log = logging.getLogger("hongyan_app")


class _Rect(ctypes.Structure):
    _fields_ = (
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
    )


def _path() -> str:
    """Returns where the library is that this process has loaded, "" when that is not known."""
    if sys.platform == "win32":
        return "SDL2.dll"
    if sys.platform == "darwin":
        found = Path(kivy.__file__).parent.glob(".dylibs/SDL2*")
        return str(next(found, ""))
    try:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            return next((it.split()[-1] for it in maps if "libSDL2-2" in it), "")
    except OSError:
        return ""


@cache
def _setter() -> Any:
    path = _path()
    try:
        return ctypes.CDLL(path).SDL_SetTextInputRect if path else None
    except (OSError, AttributeError) as error:
        log.info("candidates stay at the edge of the window: %s", error)
        return None


def tell(place: Sequence[float], height: float) -> bool:
    """Says where the cursor's upper end is in the window, and how high a line is; returns
    whether somebody was told."""
    setter = _setter()
    if setter is None:
        return False
    scale = Window.system_size[0] / max(1, Window.width)
    left, top = place[0] * scale, (Window.height - place[1]) * scale
    setter(ctypes.byref(_Rect(round(left), round(top), 1, round(height * scale))))
    return True
