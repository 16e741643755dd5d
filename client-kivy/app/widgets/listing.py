"""Lists of people, groups and other things: thousands of rows, a handful of widgets."""

from collections.abc import Sequence
from typing import Any

from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview import RecycleView
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from app import kv
from app.widgets.press import Pressable

ROW, HEADING = 62.0, 32.0


class Listing(RecycleView):
    """A list; its `data` is made by `row` and `heading`. Presses come as events with a key."""

    __events__ = ("on_choose", "on_act", "on_menu")

    def on_choose(self, key: str) -> None:
        """A row was pressed."""

    def on_act(self, key: str) -> None:
        """The button of a row was pressed."""

    def on_menu(self, key: str, where: Sequence[float]) -> None:
        """A row was pressed with the right button, or long, at a place of the window."""

    def jump(self, index: int) -> None:
        """Shows a row at the top, or as near to it as the list's end allows."""
        heights = [it["key_size"][1] for it in self.data]
        free = sum(heights) - self.height
        if free > 0:
            self.scroll_y = max(0.0, 1 - sum(heights[:index]) / free)


def row(key: str, title: str, **values: Any) -> dict[str, Any]:
    """Returns the data of a row; the values are the properties of `ListRow`."""
    return {**EMPTY, "key": key, "title": title, **values, "key_size": (None, dp(ROW))}


def heading(text: str) -> dict[str, Any]:
    """Returns the data of the line above some rows."""
    return {**EMPTY, "title": text, "heading": True, "key_size": (None, dp(HEADING))}


class ListRow(RecycleDataViewBehavior, Pressable, BoxLayout):
    """One row: a picture or an icon, a title, a note, and what can be done."""

    title = StringProperty("")
    note = StringProperty("")
    trailing = StringProperty("")
    badge = StringProperty("")
    button = StringProperty("")
    icon = StringProperty("")
    """An icon in the place of the picture."""
    texture = ObjectProperty(None, allownone=True)
    face = StringProperty("")
    """Whose picture it is: drawn when the row comes into sight, unless there is a texture."""
    online = BooleanProperty(False)
    heading = BooleanProperty(False)
    leads = BooleanProperty(False)
    check = OptionProperty("", options=["", "no", "yes", "fixed"])
    """Whether it is among those that were chosen: fixed ones cannot be taken out."""

    listing = ObjectProperty(None, allownone=True)
    """The list that it is a row of, also while it waits to be one again."""

    def on_parent(self, *_: Any) -> None:
        if self.parent:
            self.listing = self.parent.recycleview

    def on_heading(self, *_: Any) -> None:
        self.inert = self.heading

    def tapped(self, key: str) -> None:
        self.listing.dispatch("on_choose", key)

    def asked(self, key: str, where: Sequence[float]) -> None:
        self.listing.dispatch("on_menu", key, where)


EMPTY: dict[str, Any] = {
    "key": "",
    "title": "",
    "note": "",
    "trailing": "",
    "badge": "",
    "button": "",
    "icon": "",
    "texture": None,
    "face": "",
    "online": False,
    "heading": False,
    "leads": False,
    "check": "",
}
kv.load(__file__)
