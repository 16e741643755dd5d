"""What a search has found, as a list: words that were looked for stand out."""

import re
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.graphics import Color, Rectangle
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    NumericProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview import RecycleView
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from app import found_rows, kv
from app.found_rows import ALL, GROUP, MESSAGE, MORE, PERSON, FoundRows
from app.searching import Searching
from app.text import RichText, emoji_texture, run_texture, width_of
from app.widgets.press import Pressable


class FoundText(RichText):
    """A text in which some words have another colour."""

    words = StringProperty("")
    found_color = ColorProperty((0, 0, 0, 1))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("words", "found_color"):
            self.fbind(name, self._draw)

    def _draw(self, *_: Any) -> None:
        size, line = int(self.font_size), self._layout.line_height
        left, top = round(self.x), round(self.y) + self._layout.height
        wanted = [re.escape(it) for it in self.words.split()]
        pattern = re.compile("|".join(sorted(wanted, key=len, reverse=True)), re.I)
        self.canvas.clear()
        with self.canvas:
            Color(1, 1, 1, 1)
            for run in self._layout.runs:
                middle = top - run.top - line / 2
                if run.emoji:
                    texture = emoji_texture(run.text)
                    side = run.width * 0.92
                    height = side * texture.height / texture.width
                    where = (left + run.left + run.width * 0.04, round(middle - height / 2))
                    Rectangle(texture=texture, pos=where, size=(side, height))
                    continue
                at = 0.0
                for part, found in _parts(run.text, pattern if wanted else None):
                    color = tuple(self.found_color if found else self.color)
                    if part.strip():
                        texture = run_texture(part, size, color, self.bold)
                        where = (round(left + run.left + at), round(middle - texture.height / 2))
                        Rectangle(texture=texture, pos=where, size=texture.size)
                    at += width_of(part, size, self.bold)


def _parts(text: str, pattern: re.Pattern[str] | None) -> list[tuple[str, bool]]:
    """Cuts a text into what was found and what stands between."""
    if pattern is None:
        return [(text, False)]
    parts, at = [], 0
    for match in pattern.finditer(text):
        if match.start() > at:
            parts.append((text[at : match.start()], False))
        parts.append((match.group(), True))
        at = match.end()
    if at < len(text):
        parts.append((text[at:], False))
    return parts


class FoundRow(RecycleDataViewBehavior, Pressable, BoxLayout):
    """A person, a group or a message, the heading above some, or a line that says something."""

    kind = OptionProperty("row", options=["row", "heading", "line"])
    title = StringProperty("")
    note = StringProperty("")
    words = StringProperty("")
    trailing = StringProperty("")
    plain = BooleanProperty(False)
    """Whether the title was not looked through."""
    texture = ObjectProperty(None, allownone=True)
    current = BooleanProperty(False)
    found = ObjectProperty(None, allownone=True)
    """The list that it is a row of."""

    def on_parent(self, *_: Any) -> None:
        if self.parent:
            self.found = self.parent.recycleview

    def on_key(self, *_: Any) -> None:
        self.inert = not self.key

    def tapped(self, key: str) -> None:
        self.found.choose(key)


class FoundList(RecycleView):
    """Shows a `Searching`; keys go up and down in it. `on_shown` when a result was opened."""

    searching = ObjectProperty(None, allownone=True)
    tab = OptionProperty("all", options=list(found_rows.TABS))
    index = NumericProperty(-1)
    """Which row the keys have chosen; -1: none."""
    nothing = BooleanProperty(False)
    """Whether the search has ended and found nothing."""
    data: list[dict[str, Any]]
    scroll_y: float

    __events__ = ("on_opened", "on_all")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._refresh = Clock.create_trigger(self._show, 0)
        self.bind(tab=self._start_anew, index=self._refresh)

    def on_opened(self, key: str) -> None:
        """A result is about to be opened."""

    def on_all(self, tab: str) -> None:
        """All of one kind are wanted."""

    def on_searching(self, _: Any, searching: Searching) -> None:
        searching.bind(on_changed=self._refresh, query=self._start_anew)
        App.get_running_app().faces.bind(on_changed=self._refresh)

    def _start_anew(self, *_: Any) -> None:
        self.index = -1
        self._refresh()

    def _show(self, *_: Any) -> None:
        app, searching = App.get_running_app(), self.searching
        if searching is None or not app.session.signed_in:
            return
        data = FoundRows(app.session, app.faces, app.words).rows(searching, self.tab)
        if 0 <= self.index < len(data):
            data[int(self.index)]["current"] = True
        self.nothing = bool(searching.words) and not searching.busy and not data
        if data != self.data:
            self.data = data

    def move(self, step: int) -> None:
        """Goes to the next row that can be opened."""
        index = int(self.index) + step
        while 0 <= index < len(self.data) and not self.data[index]["key"]:
            index += step
        if 0 <= index < len(self.data):
            self.index = index
            self._bring_into_sight(index)

    def _bring_into_sight(self, index: int) -> None:
        heights = [it["key_size"][1] for it in self.data]
        free = sum(heights) - self.height
        if free <= 0:
            return
        above, below = sum(heights[:index]), sum(heights[: index + 1])
        top = (1 - self.scroll_y) * free
        if above < top:
            self.scroll_y = max(0.0, min(1.0, 1 - above / free))
        elif below > top + self.height:
            self.scroll_y = max(0.0, min(1.0, 1 - (below - self.height) / free))

    def choose_current(self) -> None:
        """Opens the row that the keys have chosen, else the first one."""
        if self.index < 0:
            self.move(1)
        if 0 <= self.index < len(self.data):
            self.choose(self.data[int(self.index)]["key"])

    def choose(self, key: str) -> None:
        """Opens what was found, or does what a line offers."""
        app = App.get_running_app()
        if key == MORE:
            self.searching.fetch_more()
        elif key.startswith(ALL):
            self.dispatch("on_all", key.removeprefix(ALL))
        elif key:
            keep(app, self.searching.words)
            self.dispatch("on_opened", key)
            if key.startswith(MESSAGE):
                id, _, seq = key.removeprefix(MESSAGE).rpartition(":")
                app.open_chat(id, int(seq))
            elif key.startswith(GROUP):
                app.open_chat(key.removeprefix(GROUP))
            elif key.startswith(PERSON):
                app.session.spawn(_open_direct(app, key.removeprefix(PERSON)))


async def _open_direct(app: Any, user_id: str) -> None:
    conversation = await app.session.client.open_direct(user_id)
    app.open_chat(conversation.conversation_id)


KEPT = 10


def keep(app: Any, words: str) -> None:
    """Keeps what was looked for, the newest first."""
    if words:
        others = [it for it in app.preferences.recent_searches if it != words]
        app.preferences.recent_searches = [words, *others][:KEPT]


kv.load(__file__)
