"""What a person chose about the app on this device: looks, language, notifications, the window."""

import json
import os
from pathlib import Path
from typing import Any

from kivy.clock import Clock
from kivy.event import EventDispatcher
from kivy.properties import (
    BooleanProperty,
    DictProperty,
    ListProperty,
    NumericProperty,
    OptionProperty,
    StringProperty,
)

SCALES = (0.9, 1.0, 1.15, 1.3, 1.5)
# What is of the device rather than of one account: another profile begins with it.
CARRIED = ("looks", "language", "scale", "enter_sends", "close_to_tray", "window", "address")


class Preferences(EventDispatcher):
    """The choices; each change is on the disk a moment later. A damaged file is as good as none."""

    looks = OptionProperty("system", options=["system", "light", "dark"])
    language = OptionProperty("system", options=["system", "zh", "en"])
    scale = NumericProperty(1.0)
    enter_sends = BooleanProperty(True)
    notify = BooleanProperty(True)
    notify_preview = BooleanProperty(True)
    """Whether a notification says who wrote what, or only that somebody did."""
    notify_sound = BooleanProperty(True)
    close_to_tray = BooleanProperty(True)
    recent_emoji = ListProperty([])
    recent_searches = ListProperty([])
    """What was looked for, the newest first."""
    address = StringProperty("")
    """The gateway that was chosen in the app; empty: the usual one."""
    window = DictProperty({})
    """Where the window was: left, top, width, height, maximized."""
    tab = StringProperty("chats")
    conversation_id = StringProperty("")
    """The chat that was open last."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._names = tuple(self.properties())
        self._first = {name: _plain(getattr(self, name)) for name in self._names}
        self._load()
        self._soon = Clock.create_trigger(lambda *_: self.save(), 0.5)
        for name in self._names:
            self.fbind(name, self._soon)

    def _load(self) -> None:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        for name, value in (kept if isinstance(kept, dict) else {}).items():
            if name in self._names and isinstance(value, type(self._first[name])):
                self._take(name, value)

    def move(self, path: Path) -> None:
        """Goes on with another profile's choices; a new one begins with those of the device."""
        self.save()
        known = path.exists()
        self._path = path
        for name, value in self._first.items():
            if name == "window" or (name in CARRIED and not known):
                continue
            setattr(self, name, _plain(value))
        self._load()
        self.save()

    def _take(self, name: str, value: Any) -> None:
        try:
            setattr(self, name, value)
        except ValueError:
            return  # an option of another version
        self.scale = min(2.0, max(0.5, self.scale))

    def save(self) -> None:
        """Writes the choices, the file whole or not at all."""
        self._soon.cancel()
        kept = {name: getattr(self, name) for name in self._names}
        kept = {name: _plain(value) for name, value in kept.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
        os.replace(part, self._path)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)
    return list(value) if isinstance(value, list) else value
