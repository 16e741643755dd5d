"""Draws one row of a chat, and knows what in it can be pressed."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from kivy.app import App
from kivy.graphics import (
    Color,
    PopMatrix,
    PushMatrix,
    Rectangle,
    Translate,
)
from kivy.graphics.instructions import CanvasBase
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.widget import Widget

from app import fonts
from app.rows import Box, Row, Sign
from app.shapes import RoundRect
from app.text import draw, run_texture


class SpotWidget(Widget):
    """The place of something that can be pressed; the row has drawn what is there."""

    name = StringProperty("")
    text = StringProperty("")


class MessageRow(Widget):
    """A row. Lists have as many as are in sight, and show other rows with them."""

    text = StringProperty("")
    tick = StringProperty("")
    kind = StringProperty("")
    mine = BooleanProperty(False)
    first = BooleanProperty(False)
    seq = NumericProperty(0)
    client_message_id = StringProperty("")
    glow = NumericProperty(0)
    """How bright it is lit up, from 0 to 1: it was just looked for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(size_hint=(None, None), **options)
        self.row: Row | None = None
        self.chosen: tuple[int, int] = (0, 0)
        """Which part of its text is chosen."""
        self._ink = CanvasBase()
        with self.canvas.before:
            PushMatrix()
            self._move = Translate()
        self._light = CanvasBase()
        self.canvas.before.add(self._light)
        self.canvas.before.add(self._ink)
        with self.canvas.after:
            PopMatrix()
        self.bind(pos=self._place)

    def _place(self, *_: Any) -> None:
        self._move.x, self._move.y = self.x, self.y

    def to_parent(self, x: float, y: float, **_: Any) -> tuple[float, float]:
        return x + self.x, y + self.y

    def to_local(self, x: float, y: float, **_: Any) -> tuple[float, float]:
        return x - self.x, y - self.y

    def on_glow(self, *_: Any) -> None:
        self._light.clear()
        if self.glow:
            accent = App.get_running_app().theme.accent
            with self._light:
                Color(*accent[:3], 0.22 * self.glow)
                Rectangle(size=self.size)

    # What it shows

    def show(self, row: Row) -> None:
        """Shows a row."""
        message = row.message
        self.row = row
        self.text, self.kind, self.tick, self.mine = row.text, row.kind, row.tick, row.mine
        self.first = bool(row.pictures)
        self.seq = message.seq if message else 0
        self.client_message_id = message.client_message_id if message else ""
        self._set_spots(row)
        self.paint()

    def _set_spots(self, row: Row) -> None:
        while len(self.children) > len(row.spots):
            self.remove_widget(self.children[0])
        while len(self.children) < len(row.spots):
            self.add_widget(SpotWidget(size_hint=(None, None)))
        for widget, spot in zip(reversed(self.children), row.spots, strict=True):
            left, down, width, height = spot.box
            widget.name, widget.text = spot.name, spot.text
            widget.pos, widget.size = (left, self.height - down - height), (width, height)
        self.ids = {it.name: it for it in self.children}

    def paint(self) -> None:
        """Draws its parts in the colours of now."""
        row, app = self.row, App.get_running_app()
        self._ink.clear()
        if row is None:
            return
        theme, high = app.theme, self.height
        with self._ink:
            for fill in row.fills:
                color = getattr(theme, fill.tone)
                Color(*color[:3], color[3] * fill.alpha)
                pos, size = self._put(fill.box)
                if not any(fill.radii):
                    Rectangle(pos=pos, size=size)
                    continue
                RoundRect(pos=pos, size=size, radius=fill.radii)
            for picture in row.pictures:
                self._picture(app.faces.of_user(picture.user_id), picture.box)
            self._chosen(row, theme)
            for line in row.lines:
                draw(
                    line.shape,
                    line.left,
                    high - line.down,
                    tuple(getattr(theme, line.tone)),
                    bold=line.bold,
                    span_color=tuple(getattr(theme, line.span_tone)) if line.span_tone else None,
                )
            for sign in row.signs:
                self._sign(sign, theme)

    def _put(self, box: Box) -> tuple[Sequence[float], Sequence[float]]:
        left, down, width, height = box
        return (round(left), round(self.height - down - height)), (round(width), round(height))

    def _picture(self, texture: Any, box: Box) -> None:
        pos, size = self._put(box)
        Color(1, 1, 1, 1)
        Rectangle(pos=pos, size=size, texture=texture)

    def _chosen(self, row: Row, theme: Any) -> None:
        begin, end = sorted(self.chosen)
        if row.body is None or begin == end:
            return
        Color(*theme.accent[:3], 0.35)
        shape = row.body.shape
        for left, top, width in shape.boxes(begin, end):
            down = row.body.down + top
            pos, size = self._put((row.body.left + left, down, width, shape.line_height))
            Rectangle(pos=pos, size=size)

    def _sign(self, sign: Sign, theme: Any) -> None:
        texture = _icon(sign.icon, round(sign.box[2]), tuple(getattr(theme, sign.tone)))
        (left, bottom), (width, height) = self._put(sign.box)
        Color(1, 1, 1, 1)
        where = (left + (width - texture.width) / 2, bottom + (height - texture.height) / 2)
        Rectangle(texture=texture, pos=where, size=texture.size)

    # What is pressed

    def spot_at(self, x: float, y: float) -> str:
        """Returns the name of what can be pressed at a place of the row, "" for nothing."""
        return next((it.name for it in self.children if it.collide_point(x, y)), "")

    def widget_at(self, x: float, y: float) -> SpotWidget | None:
        """Returns what can be pressed at a place of the row."""
        return next((it for it in self.children if it.collide_point(x, y)), None)

    def in_text(self, x: float, y: float) -> bool:
        """Says whether there is text to choose from at a place of the row."""
        if self.row is None or self.row.body is None:
            return False
        body = self.row.body
        right = 0 <= x - body.left <= body.shape.width
        return right and 0 <= self.height - body.down - y <= body.shape.height

    def index_at(self, x: float, y: float) -> int:
        """Returns which letter is nearest to a place of the row."""
        assert self.row is not None
        assert self.row.body is not None
        body = self.row.body
        return body.shape.index_at(x - body.left, self.height - body.down - y)

    def link_at(self, x: float, y: float) -> str:
        """Returns the address at a place of the row, "" where there is none."""
        if self.row is None or self.row.body is None:
            return ""
        body = self.row.body
        run = body.shape.run_at(x - body.left, self.height - body.down - y)
        return self.row.links[run.span] if run and run.span >= 0 else ""


@lru_cache(maxsize=128)
def _icon(name: str, side: int, color: tuple[float, ...]) -> Any:
    return run_texture(fonts.icon(name), side, color, False, fonts.ICON)
