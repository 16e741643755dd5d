"""Where each page is: names for `App.go`, imported when first opened, so that starting is quick."""

from importlib import import_module
from typing import Any

# name: (module, class). A page is one .py and one .kv.
PAGES: dict[str, tuple[str, str]] = {
    # Chats
    "box": ("box", "Box"),
    "pick_chat": ("pick_chat", "PickChat"),
    "search": ("search", "SearchPage"),
    "shortcuts": ("shortcuts", "ShortcutsPage"),
    # People
    "person": ("person", "Person"),
    "pick_people": ("pick_people", "PickPeople"),
}


def make(name: str, **options: Any) -> Any:
    """Returns a new page."""
    module, made = PAGES[name]
    return getattr(import_module(f"app.screens.{module}"), made)(**options)
