"""Text as it is drawn: lines broken for Han and Latin letters, and emoji in colour.

SDL's text has no fonts to fall back on, and draws a coloured emoji at one size only. So a text
is runs of letters and of emoji, each a texture of its own. Measuring needs no widget: lists
know the height of every row before there is one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kivy.core.text import Label as CoreLabel
from kivy.graphics import Color, Rectangle
from kivy.metrics import sp
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, StringProperty
from kivy.uix.widget import Widget

from app.fonts import EMOJI, UI

_PICTURES = (
    "\U0001f300-\U0001f5ff\U0001f600-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff"
    "\U0001fa70-\U0001faff☀-➿⭐⭕⌚⌛⏩-⏳〰〽"
)
_TONE = "[\U0001f3fb-\U0001f3ff]?"
# Flags, keycaps, and pictures with their tones, joined by zero-width joiners.
CLUSTER = re.compile(
    f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]️?⃣|[{_PICTURES}]️?{_TONE}(?:‍[{_PICTURES}]️?{_TONE})*"
)
# Han letters break anywhere, words at their ends.
PIECE = re.compile(r"\n|[^\W\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff][\w'’.:/@\-]* ?|[ ]+|.", re.S)
# What begins no line: it goes with what stands before it.
CLOSING = set(",。，．！？；：、）】》”’…～,.!?;:)]}%")
LINE = 1.36
EMOJI_WIDTH = 1.22
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Run:
    """Letters or one emoji of one line; `top` is the distance from the top of the text."""

    text: str
    emoji: bool
    left: float
    top: float
    width: float


@dataclass(frozen=True, slots=True)
class Layout:
    """A text in lines."""

    width: float
    height: float
    line_height: float
    runs: tuple[Run, ...]


@lru_cache(maxsize=64)
def _measurer(size: int, bold: bool) -> Any:
    label = CoreLabel(font_name=UI, font_size=size, bold=bold)
    label.resolve_font_name()
    return label.get_cached_extents()


@lru_cache(maxsize=16_384)
def width_of(text: str, size: int, bold: bool = False) -> float:
    """Returns how wide letters are."""
    return float(_measurer(size, bold)(text)[0])


@lru_cache(maxsize=1_024)
def emoji_texture(cluster: str) -> Any:
    """Returns the picture of an emoji, at the one size that the font has."""
    label = CoreLabel(text=cluster, font_name=EMOJI, font_size=64, color=(1, 1, 1, 1))
    label.refresh()
    texture = label.texture
    texture.min_filter = texture.mag_filter = "linear"
    return texture


@lru_cache(maxsize=4_096)
def run_texture(text: str, size: int, color: tuple[float, ...], bold: bool) -> Any:
    """Returns letters as a texture."""
    label = CoreLabel(text=text, font_name=UI, font_size=size, color=color, bold=bold)
    label.refresh()
    return label.texture


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Cuts a text where a line may end; says of each piece whether it is an emoji."""
    at = 0
    for match in CLUSTER.finditer(text):
        yield from ((it, False) for it in PIECE.findall(text[at : match.start()]))
        yield match.group(), True
        at = match.end()
    yield from ((it, False) for it in PIECE.findall(text[at:]))


@lru_cache(maxsize=8_192)
def layout(
    text: str, size: int, width: float, *, bold: bool = False, one_line: bool = False
) -> Layout:
    """Breaks a text into lines of at most a width; one line ends with an ellipsis."""
    lines = _Lines(size, width, bold)
    if one_line:
        lines.fit(" ".join(text.split()))
    else:
        for piece, emoji in pieces(text):
            lines.add(piece, emoji)
    return lines.done()


class _Lines:
    """Lines that grow piece by piece."""

    def __init__(self, size: int, width: float, bold: bool) -> None:
        self._size = size
        self._width = max(width, size * 2.0)
        self._bold = bold
        self._height = round(size * LINE)
        self._line = 0
        self._left = 0.0
        self._widest = 0.0
        self._runs: list[tuple[str, bool, float, int, float]] = []

    def _measure(self, text: str, emoji: bool) -> float:
        return round(self._size * EMOJI_WIDTH) if emoji else width_of(text, self._size, self._bold)

    def add(self, piece: str, emoji: bool) -> None:
        if piece == "\n":
            self._break()
            return
        width = self._measure(piece, emoji)
        visible = self._measure(piece.rstrip(" "), emoji) if not emoji else width
        if self._left and self._left + visible > self._width and piece[0] not in CLOSING:
            self._break()
            if not piece.strip():
                return
        while not emoji and width > self._width and len(piece) > 1:
            # A word that no line can hold, such as a link.
            count = max(1, int(len(piece) * (self._width - self._left) / width) - 1)
            self._put(piece[:count], False)
            piece = piece[count:]
            self._break()
            width = self._measure(piece, False)
        self._put(piece, emoji)

    def fit(self, text: str) -> None:
        """Puts as much into one line as there is room for."""
        whole = sum(self._measure(piece, emoji) for piece, emoji in pieces(text))
        if whole <= self._width:
            for piece, emoji in pieces(text):
                self._put(piece, emoji)
            return
        room = self._width - self._measure(ELLIPSIS, False)
        for piece, emoji in pieces(text):
            for part in (piece,) if emoji else tuple(piece):
                if self._left + self._measure(part, emoji) > room:
                    self._put(ELLIPSIS, False)
                    return
                self._put(part, emoji)

    def _put(self, text: str, emoji: bool) -> None:
        if not emoji and self._runs and not self._runs[-1][1] and self._runs[-1][3] == self._line:
            # Neighbours are one texture.
            before = self._runs.pop()
            text, left = before[0] + text, before[2]
        else:
            left = self._left
        width = self._measure(text, emoji)
        self._runs.append((text, emoji, left, self._line, width))
        self._left = left + width
        self._widest = max(self._widest, self._left)

    def _break(self) -> None:
        self._line += 1
        self._left = 0.0

    def done(self) -> Layout:
        runs = tuple(
            Run(text, emoji, left, line * self._height, width)
            for text, emoji, left, line, width in self._runs
        )
        height = (self._line + 1) * self._height
        return Layout(min(self._widest, self._width), height, self._height, runs)


class RichText(Widget):
    """A text with emoji. It is as large as its lines; with `one_line` as wide as it is told."""

    text = StringProperty("")
    font_size = NumericProperty("15sp")
    max_width = NumericProperty(300)
    color = ColorProperty((0, 0, 0, 1))
    bold = BooleanProperty(False)
    one_line = BooleanProperty(False)

    def __init__(self, **options: Any) -> None:
        options.setdefault("size_hint", (None, None))
        super().__init__(**options)
        # Apart, for `size` must not be set by what `pos` sets off.
        for name in ("text", "font_size", "max_width", "bold", "one_line"):
            self.fbind(name, self._measure)
        for name in ("color", "pos"):
            self.fbind(name, self._draw)
        self._measure()

    def _measure(self, *_: Any) -> None:
        self._layout = layout(
            self.text,
            int(self.font_size),
            float(self.max_width),
            bold=self.bold,
            one_line=self.one_line,
        )
        self.size = (self._layout.width, self._layout.height)
        self._draw()

    def _draw(self, *_: Any) -> None:
        size, line = int(self.font_size), self._layout.line_height
        left, top = round(self.x), round(self.y) + self._layout.height
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
                elif run.text.strip():
                    texture = run_texture(run.text, size, tuple(self.color), self.bold)
                    where = (round(left + run.left), round(middle - texture.height / 2))
                    Rectangle(texture=texture, pos=where, size=texture.size)


def scaled(size: float, scale: float = 1.0) -> int:
    """Returns a size of letters in pixels."""
    return int(sp(size * scale))
