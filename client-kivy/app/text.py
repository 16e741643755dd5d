"""Text as it is drawn: lines broken for Han and Latin letters, and emoji in colour.

SDL's text has no fonts to fall back on, and draws a coloured emoji at one size only. So a text
is runs of letters and of emoji, each a texture of its own. Measuring needs no widget: lists
know the height of every row before there is one.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from kivy.core.text import Label as CoreLabel
from kivy.graphics import Color, Rectangle
from kivy.metrics import sp
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, StringProperty
from kivy.uix.widget import Widget

from app import bidi, fallback
from app.clusters import CLUSTER
from app.fonts import EMOJI, UI

# Marks that stand on a letter belong to its word, in scripts that have them.
_ON = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0dff"
    "\u0e31-\u0e4e\u0eb1-\u0ecd\u1000-\u109f\u1780-\u17d3\u200c\u200d"
)
# Han letters break anywhere, words at their ends.
_HAN = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
PIECE = re.compile(rf"\n|[^\W{_HAN}](?:[^\W{_HAN}]|['’.:/@\-{_ON}])* ?|[ ]+|.", re.S)
# What begins no line: it goes with what stands before it.
CLOSING = set(",。，．！？；：、）】》”’…～,.!?;:)]}%")
LINE = 1.36
EMOJI_WIDTH = 1.22
ELLIPSIS = "…"
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Run:
    """Letters or one emoji of one line; `top` is the distance from the top of the text."""

    text: str
    emoji: bool
    left: float
    top: float
    width: float
    start: int = 0
    """Where in the text it begins."""
    span: int = -1
    """Which of the spans, such as links, it belongs to."""
    font: str = UI


@dataclass(frozen=True, slots=True)
class Layout:
    """A text in lines."""

    width: float
    height: float
    line_height: float
    runs: tuple[Run, ...]
    size: int = 0

    def run_at(self, x: float, down: float) -> Run | None:
        """Returns the run at a place, counted from the left and from the top."""
        for run in self.runs:
            inside = run.top <= down < run.top + self.line_height
            if inside and run.left <= x < run.left + run.width:
                return run
        return None

    def index_at(self, x: float, down: float) -> int:
        """Returns which letter of the text is nearest to a place."""
        line = max(0.0, min(down, self.height - 1)) // self.line_height * self.line_height
        runs = [it for it in self.runs if abs(it.top - line) < 1]
        if not runs:
            return 0
        run = next((it for it in runs if x < it.left + it.width), runs[-1])
        if run.emoji:
            return run.start + (len(run.text) if x > run.left + run.width / 2 else 0)
        for count in range(1, len(run.text) + 1):
            middle = width_of(run.text[:count], self.size, font=run.font)
            before = width_of(run.text[: count - 1], self.size, font=run.font)
            if x - run.left < (middle + before) / 2:
                return run.start + count - 1
        return run.start + len(run.text)

    def boxes(self, first: int, last: int) -> Iterator[tuple[float, float, float]]:
        """Returns the left, the top and the width of what is chosen of a text."""
        for run in self.runs:
            begin, end = max(first, run.start), min(last, run.start + len(run.text))
            if begin >= end:
                continue
            if run.emoji:
                yield run.left, run.top, run.width
                continue
            before = width_of(run.text[: begin - run.start], self.size, font=run.font)
            to = width_of(run.text[: end - run.start], self.size, font=run.font)
            yield run.left + before, run.top, to - before


@lru_cache(maxsize=256)
def _measurer(size: int, bold: bool, font: str) -> Any:
    label = CoreLabel(font_name=font, font_size=size, bold=bold)
    label.resolve_font_name()
    return label.get_cached_extents()


@lru_cache(maxsize=4_096)
def width_of(text: str, size: int, bold: bool = False, font: str = UI) -> float:
    """Returns how wide letters are."""
    if font != UI and fallback.is_complex(text, font):
        return fallback.complex_width(text, size, font)
    return float(_measurer(size, bold, font)(text)[0])


@lru_cache(maxsize=400)  # 70 KB each
def emoji_texture(cluster: str) -> Any:
    """Returns the picture of an emoji, at the one size that the font has."""
    label = CoreLabel(text=cluster, font_name=EMOJI, font_size=64, color=(1, 1, 1, 1))
    label.refresh()
    texture = label.texture
    texture.min_filter = texture.mag_filter = "linear"
    return texture


@lru_cache(maxsize=300)  # some lists that are in sight, 30 KB a line
def run_texture(text: str, size: int, color: tuple[float, ...], bold: bool, font: str = UI) -> Any:
    """Returns letters as a texture."""
    if font != UI and fallback.is_complex(text, font):
        return fallback.drawn(text, size, color, font)
    label = CoreLabel(text=text, font_name=font, font_size=size, color=color, bold=bold)
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


@lru_cache(maxsize=1_024)
def layout(
    text: str,
    size: int,
    width: float,
    *,
    bold: bool = False,
    one_line: bool = False,
    spans: tuple[Span, ...] = (),
) -> Layout:
    """Breaks a text into lines of at most a width; one line ends with an ellipsis. A run belongs
    to one of the spans, such as links, or to none."""
    lines = _Lines(size, width, bold, text)
    if one_line:
        lines.fit(" ".join(text.split()))
        return lines.done()
    at, span = 0, 0
    for piece, emoji in pieces(text):
        while span < len(spans) and at >= spans[span][1]:
            span += 1
        inside = span < len(spans) and at >= spans[span][0]
        rest = piece
        if not emoji and span < len(spans):
            # A span may begin or end inside of a piece.
            edge = spans[span][1 if inside else 0] - at
            if 0 < edge < len(piece):
                lines.add(piece[:edge], False, at, span if inside else -1)
                at, rest, inside = at + edge, piece[edge:], not inside
        lines.add(rest, emoji, at, span if inside else -1)
        at += len(rest)
    return lines.done()


@dataclass(slots=True)
class _Part:
    """A piece of the line that grows."""

    text: str
    emoji: bool
    start: int
    span: int
    font: str
    width: float


class _Lines:
    """Lines that grow piece by piece."""

    def __init__(self, size: int, width: float, bold: bool, text: str) -> None:
        self._size = size
        self._width = max(width, size * 2.0)
        self._bold = bold
        self._height = round(size * LINE)
        self._line = 0
        self._left = 0.0
        self._widest = 0.0
        self._parts: list[_Part] = []
        self._runs: list[Run] = []
        self._turns = bidi.RIGHT_TO_LEFT.search(text) is not None
        self._base = int(self._turns and bidi.begins_right(text))

    def _measure(self, text: str, emoji: bool, font: str = UI) -> float:
        if emoji:
            return round(self._size * EMOJI_WIDTH)
        return width_of(text, self._size, self._bold, font)

    def add(self, piece: str, emoji: bool, start: int = 0, span: int = -1) -> None:
        if piece == "\n":
            self._break()
            return
        if self._turns and len(piece) > 1 and piece.endswith(" "):
            # The space after a word may stand on its other side.
            self.add(piece[:-1], emoji, start, span)
            start, piece = start + len(piece) - 1, " "
        for text, font in [(piece, UI)] if emoji else fallback.spread(piece):
            self._add(_Part(text, emoji, start, span, font, self._measure(text, emoji, font)))
            start += len(text)

    def _add(self, part: _Part) -> None:
        text = part.text
        visible = part.width
        if not part.emoji and text.endswith(" "):
            visible = self._measure(text.rstrip(" "), False, part.font)
        if self._left and self._left + visible > self._width and text[0] not in CLOSING:
            self._break()
            if not text.strip():
                return
        while not part.emoji and part.width > self._width and len(part.text) > 1:
            # A word that no line can hold, such as a link.
            count = self._fitting(part, self._width - self._left)
            while count < len(part.text) and unicodedata.combining(part.text[count]):
                count += 1
            head = replace(part, text=part.text[:count])
            head.width = self._measure(head.text, False, part.font)
            self._put(head)
            part = replace(part, text=part.text[count:], start=part.start + count)
            part.width = self._measure(part.text, False, part.font)
            if not part.text:
                return
            self._break()
        self._put(part)

    def _fitting(self, part: _Part, room: float) -> int:
        """Returns how many letters of a word are put into a room: one at least."""
        count = max(1, int(len(part.text) * room / part.width) - 1)
        while count > 1:
            width = self._measure(part.text[:count], False, part.font)
            if width <= room:
                break
            # Its first letters are wider than the others.
            count = max(1, min(count - 1, int(count * room / width)))
        return count

    def fit(self, text: str) -> None:
        """Puts as much into one line as there is room for."""
        cut = [
            _Part(it, emoji, 0, -1, font, self._measure(it, emoji, font))
            for piece, emoji in pieces(text)
            for it, font in ([(piece, UI)] if emoji else fallback.spread(piece))
        ]
        if sum(it.width for it in cut) <= self._width:
            for part in cut:
                self._put(part)
            return
        room = self._width - self._measure(ELLIPSIS, False)
        for part in cut:
            if self._left + part.width <= room:
                self._put(part)
                continue
            for char in () if part.emoji else tuple(part.text):
                width = self._measure(char, False, part.font)
                if self._left + width > room:
                    break
                self._put(replace(part, text=char, width=width))
            break
        self._put(_Part(ELLIPSIS, False, 0, -1, UI, self._measure(ELLIPSIS, False)))

    def _put(self, part: _Part) -> None:
        self._parts.append(part)
        self._left += part.width

    def _break(self) -> None:
        self._end_line()
        self._line += 1

    def _end_line(self) -> None:
        """Makes runs of the line's parts: neighbours are one texture."""
        levels = [0] * len(self._parts)
        if self._turns:
            levels = bidi.levels([it.text for it in self._parts], self._base)
        joined: list[_Part] = []
        heights: list[int] = []
        for part, level in zip(self._parts, levels, strict=True):
            last = joined[-1] if joined else None
            same_font = last and (last.font == part.font or part.text.isspace())
            alike = last and same_font and (last.span, heights[-1]) == (part.span, level)
            if last and alike and not last.emoji and not part.emoji:
                last.text += part.text
                last.width = -1.0
            else:
                joined.append(replace(part))
                heights.append(level)
        left = 0.0
        for at in bidi.order(heights) if self._turns else range(len(joined)):
            part = joined[at]
            if part.width < 0:
                part.width = self._measure(part.text, False, part.font)
            self._runs.append(
                Run(
                    part.text,
                    part.emoji,
                    left,
                    self._line * self._height,
                    part.width,
                    part.start,
                    part.span,
                    part.font,
                )
            )
            left += part.width
        self._widest = max(self._widest, left)
        self._parts, self._left = [], 0.0

    def done(self) -> Layout:
        self._end_line()
        width = min(self._widest, self._width)
        runs: Sequence[Run] = self._runs
        if self._base:
            ends: dict[float, float] = {}
            for run in runs:
                ends[run.top] = max(ends.get(run.top, 0.0), run.left + run.width)
            runs = [replace(it, left=it.left + max(0.0, width - ends[it.top])) for it in runs]
        height = (self._line + 1) * self._height
        return Layout(width, height, self._height, tuple(runs), self._size)


def draw(
    shape: Layout,
    left: float,
    top: float,
    color: Sequence[float],
    *,
    bold: bool = False,
    span_color: Sequence[float] | None = None,
) -> None:
    """Draws a text into the canvas that is open, its upper left corner at a place."""
    size, line = shape.size, shape.line_height
    left, top = round(left), round(top)
    Color(1, 1, 1, 1)
    for run in shape.runs:
        middle = top - run.top - line / 2
        if run.emoji:
            texture = emoji_texture(run.text)
            side = run.width * 0.92
            height = side * texture.height / texture.width
            where = (left + run.left + run.width * 0.04, round(middle - height / 2))
            Rectangle(texture=texture, pos=where, size=(side, height))
        elif run.text.strip():
            chosen = span_color if run.span >= 0 and span_color else color
            texture = run_texture(run.text, size, tuple(chosen), bold, run.font)
            where = (round(left + run.left), round(middle - texture.height / 2))
            Rectangle(texture=texture, pos=where, size=texture.size)


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
        self.canvas.clear()
        with self.canvas:
            top = round(self.y) + self._layout.height
            draw(self._layout, self.x, top, tuple(self.color), bold=self.bold)


def scaled(size: float, scale: float = 1.0) -> int:
    """Returns a size of letters in pixels."""
    return int(sp(size * scale))
