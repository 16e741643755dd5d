"""All emoji: the recent ones first, in groups, and a field to find them by a word."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.graphics import Color, Rectangle
from kivy.metrics import dp
from kivy.properties import ListProperty, ObjectProperty, StringProperty
from kivy.uix.behaviors import FocusBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview import RecycleView
from kivy.uix.recycleview.views import RecycleDataViewBehavior
from kivy.uix.widget import Widget

from app import emoji, kv
from app.shapes import RoundRect
from app.text import emoji_texture
from app.widgets.menu import Item
from app.widgets.press import Hold

CELL, HEADING, SIDE, RECENT = 44.0, 30.0, 28.0, 32
# Drawing an emoji for the first time takes about a millisecond.
NEW_PER_FRAME = 12
ICONS = {
    "recent": "clock_outline",
    "smileys": "emoticon_outline",
    "people": "hand_wave_outline",
    "nature": "paw_outline",
    "food": "food_apple_outline",
    "places": "car_outline",
    "activities": "basketball",
    "objects": "lightbulb_outline",
    "symbols": "heart_outline",
    "flags": "flag_outline",
}


class Drawn:
    """Which emoji have a picture already; makes some more in each frame."""

    def __init__(self) -> None:
        self._ready: set[str] = set()
        self._frame, self._made = -1, 0

    def picture(self, text: str) -> Any:
        """Returns the picture of an emoji, None when this frame has made enough of them."""
        if text not in self._ready:
            if Clock.frames != self._frame:
                self._frame, self._made = Clock.frames, 0
            if self._made >= NEW_PER_FRAME:
                return None
            self._made += 1
            self._ready.add(text)
        return emoji_texture(text)


class EmojiStrip(RecycleDataViewBehavior, Widget):
    """A row of emoji, or the words above some."""

    panel = ObjectProperty(None)
    items = ListProperty([])
    text = StringProperty("")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._again = Clock.create_trigger(self._draw, 0)
        self._down: tuple[Any, str] | None = None
        for name in ("items", "pos", "size"):
            self.fbind(name, self._again)

    def _draw(self, *_: Any) -> None:
        # The heading is a label inside of it, and what draws that is in `canvas`.
        self.canvas.before.clear()
        missing = False
        with self.canvas.before:
            pressed = self._down[1] if self._down else ""
            for at, text in enumerate(self.items):
                left = self.x + dp(CELL) * at
                if text == pressed:
                    Color(*App.get_running_app().theme.selected)
                    RoundRect(pos=(left, self.y), size=(dp(CELL),) * 2, radius=[dp(8)])
                texture = self.panel.drawn.picture(text)
                if texture is None:
                    missing = True
                    continue
                side = dp(SIDE)
                high = side * texture.height / texture.width
                place = (left + (dp(CELL) - side) / 2, self.y + (self.height - high) / 2)
                Color(1, 1, 1, 1)
                Rectangle(texture=texture, pos=place, size=(side, high))
        if missing:
            self._again()

    def emoji_at(self, x: float) -> str:
        """Returns the emoji at a place, "" behind the last one."""
        at = int((x - self.x) / dp(CELL))
        return self.items[at] if 0 <= at < len(self.items) else ""

    def on_touch_down(self, touch: Any) -> bool:
        if touch.is_mouse_scrolling or not self.collide_point(*touch.pos) or not self.items:
            return False
        text = self.emoji_at(touch.x)
        if not text:
            return False
        where = self.to_window(*touch.pos)
        long = Hold(lambda: self._held(text, where))
        self._down = (long, text)
        FocusBehavior.ignored_touch.append(touch)  # one goes on writing
        touch.grab(self)
        self._again()
        return True

    def _held(self, text: str, where: Sequence[float]) -> None:
        self._down = None
        self._again()
        self.panel.offer_tones(text, where)

    def on_touch_up(self, touch: Any) -> bool:
        if touch.grab_current is not self:
            return False
        touch.ungrab(self)
        if self._down:
            long, text = self._down
            long.cancel()
            self._down = None
            self._again()
            self.panel.choose(text)
        return True


class EmojiRows(RecycleView):
    """The rows of the panel."""


class EmojiPanel(BoxLayout):
    """Lets one choose an emoji: `on_choose` has it."""

    query = StringProperty("")
    group = StringProperty("")

    __events__ = ("on_choose",)

    def __init__(self, **options: Any) -> None:
        self.drawn = Drawn()
        self._ready = False
        self._starts: dict[str, float] = {}
        super().__init__(**options)
        self._fill_soon = Clock.create_trigger(self._fill, -1)
        self.bind(query=self._fill_soon)
        self.ids.rows.bind(width=self._fill_soon)
        App.get_running_app().words.bind(language=self._fill_soon)

    def on_choose(self, text: str) -> None:
        """An emoji was chosen."""

    def open(self) -> None:
        """It comes into sight."""
        self.query = self.ids.query.text = ""
        self.ids.rows.scroll_y = 1
        if self._ready:
            self._fill_soon()
        else:
            App.get_running_app().session.spawn(self._load())

    async def _load(self) -> None:
        await asyncio.to_thread(emoji.load)
        self._ready = True
        self._fill_soon()

    def _fill(self, *_: Any) -> None:
        if not self._ready:
            return
        app, rows = App.get_running_app(), self.ids.rows
        columns = max(1, int((rows.width - dp(16)) / dp(CELL)))
        data: list[dict[str, Any]] = []
        self._starts, down = {}, 0.0
        for group, found in self._groups(app):
            self._starts[group] = down
            if group:
                data.append(self._row((), app.words(f"emoji.{group}"), HEADING))
                down += dp(HEADING)
            for at in range(0, len(found), columns):
                data.append(self._row(found[at : at + columns], "", CELL))
                down += dp(CELL)
        rows.data = data
        self._whole = down
        self.ids.none.opacity = 0 if data else 1

    def _row(self, items: Sequence[str], text: str, height: float) -> dict[str, Any]:
        return {
            "panel": self,
            "items": list(items),
            "text": text,
            "key_size": (None, dp(height)),
        }

    def _groups(self, app: Any) -> list[tuple[str, Sequence[str]]]:
        if self.query.strip():
            found = emoji.search(self.query)
            return [("", found)] if found else []
        groups: list[tuple[str, Sequence[str]]] = []
        if recent := list(app.preferences.recent_emoji):
            groups.append(("recent", recent))
        for group in emoji.GROUPS:
            groups.append((group, [it.text for it in emoji.load() if it.group == group]))
        return groups

    def go(self, group: str) -> None:
        """Goes to a group."""
        self.query = self.ids.query.text = ""
        self._fill()
        rows = self.ids.rows
        room = self._whole - rows.height
        if room > 0 and group in self._starts:
            rows.scroll_y = max(0.0, 1 - self._starts[group] / room)

    def choose(self, text: str) -> None:
        """Chooses one; it is among the recent ones from now on."""
        preferences = App.get_running_app().preferences
        recent = [it for it in preferences.recent_emoji if it != text]
        preferences.recent_emoji = [text, *recent][:RECENT]
        self.dispatch("on_choose", text)

    def offer_tones(self, text: str, where: Sequence[float]) -> None:
        """Offers an emoji in other skins, if there are any."""
        found = emoji.tones(text)
        if not found:
            self.choose(text)
            return
        items = [Item(it, partial(self.choose, it)) for it in (text, *found)]
        App.get_running_app().menu.show(where, [], items)


kv.load(__file__)
