"""Where the window was, is there again: place, size, and whether it filled the screen."""

from collections.abc import Mapping, Sequence
from typing import Any

from kivy.clock import Clock
from kivy.config import Config

from app.desktop import icon, screens
from app.desktop.screens import Box
from app.preferences import Preferences

LEAST_WIDTH, LEAST_HEIGHT = 360, 480
FIRST_WIDTH, FIRST_HEIGHT = 1100, 720
# So much of the window must be on a screen, or nobody could take hold of it.
GRIP = 80
SOON_SECONDS = 0.5


def wanted(kept: Mapping[str, Any]) -> dict[str, int]:
    """Returns left, top, width and height as they were kept; of a damaged one, what is whole."""
    names = ("left", "top", "width", "height")
    found = {it: int(kept[it]) for it in names if isinstance(kept.get(it), int | float)}
    found["width"] = max(LEAST_WIDTH, found.get("width", FIRST_WIDTH))
    found["height"] = max(LEAST_HEIGHT, found.get("height", FIRST_HEIGHT))
    return found


def clamped(box: Box, places: Sequence[Box]) -> Box:
    """Returns a box that is on one of the screens: as it is if it can be taken hold of there,
    else moved, and made smaller than the screen."""
    left, top, width, height = box
    for x, y, w, h in places:
        held = min(left + width, x + w) - max(left, x)
        if held >= GRIP and y <= top <= y + h - GRIP:
            return left, top, min(width, w), min(height, h)
    if not places:
        return box
    x, y, w, h = places[0]
    width, height = min(width, w), min(height, h)
    return x + (w - width) // 2, y + (h - height) // 2, width, height


def configure(preferences: Preferences) -> None:
    """Says how the window is to begin; it must not be there yet."""
    place = wanted(preferences.window)
    for name in ("width", "height"):
        Config.set("graphics", name, str(place[name]))
    Config.set("graphics", "minimum_width", str(LEAST_WIDTH))
    Config.set("graphics", "minimum_height", str(LEAST_HEIGHT))
    Config.set("kivy", "window_icon", str(icon.file()))
    if "left" in place and "top" in place:
        Config.set("graphics", "position", "custom")
        Config.set("graphics", "left", str(place["left"]))
        Config.set("graphics", "top", str(place["top"]))
    if preferences.window.get("maximized") is True:
        Config.set("graphics", "window_state", "maximized")


class WindowPlace:
    """Keeps in the preferences where the window is."""

    def __init__(self, window: Any, preferences: Preferences) -> None:
        self._window = window
        self._preferences = preferences
        self._maximized = preferences.window.get("maximized") is True
        self._soon = Clock.create_trigger(self._keep, SOON_SECONDS)

    def start(self) -> None:
        """Puts the window on a screen if it is on none, and looks where it goes."""
        window = self._window
        if not self._maximized:
            here = (window.left, window.top, *window.system_size)
            there = clamped(here, screens.boxes())
            if there != here:
                window.left, window.top = there[:2]
                window.system_size = there[2:]
        window.bind(
            on_move=self._soon,
            size=self._soon,
            on_maximize=self._maximize,
            on_restore=self._restore,
        )

    def stop(self) -> None:
        """Keeps the last place."""
        self._soon.cancel()
        self._keep()
        self._window.unbind(
            on_move=self._soon,
            size=self._soon,
            on_maximize=self._maximize,
            on_restore=self._restore,
        )

    def _maximize(self, *_: Any) -> None:
        self._maximized = True
        self._soon()

    def _restore(self, *_: Any) -> None:
        self._maximized = False
        self._soon()

    def _keep(self, *_: Any) -> None:
        """Keeps the place; while it fills the screen, the place before that."""
        window, kept = self._window, dict(self._preferences.window)
        if not self._maximized:
            width, height = window.system_size
            kept |= {"left": window.left, "top": window.top, "width": width, "height": height}
        self._preferences.window = {**kept, "maximized": self._maximized}
