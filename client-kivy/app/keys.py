"""Shortcuts: one table of keys, what they do, and what the help says of them."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kivy.core.window import Window

from app import phone

ESCAPE, BACK = 27, 1001
UP, DOWN, F1 = 273, 274, 282
ENTERS = (13, 271)
# What this system's people hold for shortcuts: Kivy calls Command "meta".
MAC = sys.platform == "darwin"
MAIN = "meta" if MAC else "ctrl"
HELD = ("ctrl", "meta", "alt", "shift")


@dataclass(frozen=True, slots=True)
class Keys:
    """A key, and what is held with it: any of main, alt and shift."""

    key: int
    held: frozenset[str] = frozenset()

    def matches(self, key: int, held: Iterable[str]) -> bool:
        """Returns whether these keys are pressed."""
        wanted = {MAIN if it == "main" else it for it in self.held}
        return key == self.key and wanted == set(held) & set(HELD)

    @property
    def label(self) -> str:
        """What the help writes: Ctrl+Shift+U, or ⌘⇧U on a Mac."""
        names = NAMES_MAC if MAC else NAMES
        parts = [names[it] for it in ("main", "alt", "shift") if it in self.held]
        key = KEY_NAMES.get(self.key) or chr(self.key).upper()
        return "".join([*parts, key]) if MAC else "+".join([*parts, key])


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Something that keys do; `name` is a method of `Shortcuts`, "" for what others do."""

    name: str
    text: str
    """The key of its words."""
    keys: tuple[Keys, ...]
    value: Any = None


def with_main(key: str, *more: str) -> Keys:
    """Returns a letter with the key for shortcuts."""
    return Keys(ord(key), frozenset({"main", *more}))


NAMES = {"main": "Ctrl", "alt": "Alt", "shift": "Shift"}
NAMES_MAC = {"main": "⌘", "alt": "⌥", "shift": "⇧"}
KEY_NAMES = {UP: "↑", DOWN: "↓", F1: "F1", ESCAPE: "Esc", 13: "Enter"}
ALT = frozenset({"alt"})
# In the order of the help, by parts of it: a heading and its shortcuts.
TABLE: tuple[tuple[str, tuple[Shortcut, ...]], ...] = (
    (
        "keys.going",
        (
            Shortcut("search", "keys.search", (with_main("k"),)),
            Shortcut("move", "keys.before", (Keys(UP, ALT),), -1),
            Shortcut("move", "keys.after", (Keys(DOWN, ALT),), 1),
            Shortcut("next_unread", "keys.next_unread", (with_main("u", "shift"),)),
            Shortcut("tab", "keys.tab_chats", (with_main("1"),), "chats"),
            Shortcut("tab", "keys.tab_contacts", (with_main("2"),), "contacts"),
            Shortcut("tab", "keys.tab_settings", (with_main("3"), with_main(",")), "settings"),
            Shortcut("back", "keys.back", (Keys(ESCAPE), Keys(BACK))),
        ),
    ),
    (
        "keys.talking",
        (
            Shortcut("new_chat", "keys.new_chat", (with_main("n"),)),
            Shortcut("find", "keys.find", (with_main("f"),)),
            # The field of a chat has these; `enter_sends` says which of two is which.
            Shortcut("", "keys.send", (Keys(13), with_main("\r"))),
            Shortcut("", "keys.line", (Keys(13, frozenset({"shift"})), Keys(13))),
            Shortcut("", "keys.all", (with_main("a"),)),
            Shortcut("", "keys.copy", (with_main("c"),)),
            Shortcut("", "keys.paste", (with_main("v"),)),
        ),
    ),
    ("keys.helping", (Shortcut("help", "keys.help", (Keys(F1), with_main("/"))),)),
)


class Shortcuts:
    """Takes the keys of the window, also from a field that is written in."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._known = [it for _, part in TABLE for it in part if it.name]
        Window.bind(on_key_down=self._on_key_down)

    def _on_key_down(self, _: Any, key: int, __: int, ___: str | None, held: Sequence[str]) -> bool:
        return self.press(key, held)

    def press(self, key: int, held: Sequence[str]) -> bool:
        """Does what keys are for; returns whether they are for something now."""
        dialogs = self._app.dialogs
        if key in ENTERS and dialogs.is_open and not dialogs.children[0].multiline:
            return bool(dialogs.on_key(key))
        for it in self._known:
            if any(keys.matches(key, held) for keys in it.keys):
                act: Callable[..., bool] = getattr(self, it.name)
                return act() if it.value is None else act(it.value)
        return False

    # What they do: each says whether it did something

    @property
    def _at_home(self) -> bool:
        """Whether somebody is logged in, and nothing lies over the screens."""
        app = self._app
        return bool(app.session.signed_in) and not app.dialogs.is_open

    def back(self) -> bool:
        """Goes one step back; where there is none, a phone goes to the app before."""
        return bool(self._app.back()) or phone.leave()

    def search(self) -> bool:
        """Looks for something everywhere."""
        if self._at_home:
            self._app.menu.close()
            self._app.desk.search()
        return self._at_home

    def find(self) -> bool:
        """Looks for something in the chat that is open, else everywhere."""
        if not self._at_home:
            return False
        id = self._app.desk.chat.conversation_id
        if not id:
            return self.search()
        self._app.menu.close()
        if not self._app.desk.has("search", conversation_id=id):
            self._app.go("search", conversation_id=id)
        return True

    def move(self, step: int) -> bool:
        """Opens the chat above or below."""
        return self._at_home and self._app.desk.chats.move(step)

    def next_unread(self) -> bool:
        """Opens the next chat with something new."""
        if self._at_home and not self._app.desk.chats.open_unread():
            self._app.tell("keys.all_read")
        return self._at_home

    def tab(self, name: str) -> bool:
        """Goes to a tab."""
        if self._at_home:
            self._app.desk.show_tab(name)
        return self._at_home

    def new_chat(self) -> bool:
        """Asks with whom, and opens the chat."""
        if self._at_home:
            self._app.desk.chats.begin()
        return self._at_home

    def help(self) -> bool:
        """Shows what keys there are."""
        if self._at_home and not self._app.desk.has("shortcuts"):
            self._app.go("shortcuts")
        return self._at_home
