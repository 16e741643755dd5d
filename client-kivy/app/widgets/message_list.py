"""The rows of a chat: a widget for each that is in sight, and a place that stays while one reads.

Heights are known before there is a widget; of what is far away they are guessed. Whatever comes,
goes or grows, the row on which the eye rests keeps its place, or the newest one does.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from kivy.animation import Animation
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.graphics import (
    Color,
    PopMatrix,
    PushMatrix,
    Translate,
)
from kivy.graphics.scissor_instructions import ScissorPop, ScissorPush
from kivy.metrics import dp
from kivy.properties import BooleanProperty, NumericProperty
from kivy.uix.behaviors import FocusBehavior
from kivy.uix.widget import Widget

from app.rows import Row
from app.shapes import RoundRect
from app.thread import Slot
from app.widgets.message_row import MessageRow
from app.widgets.press import Hold

WHEEL, SLIP, PAD = 60.0, 8.0, 8.0
BAR, BAR_LEAST = 5.0, 36.0
FLING_LEAST, FLING_SLOWER = 60.0, 0.06
ROUNDS = 30
GUESSES = {"time": 40.0, "divider": 40.0, "notice": 34.0, "message": 52.0}


class MessageList(Widget):
    """Shows slots. `measure` makes the row of one; presses come as events.

    on_spot(row, name, place): something was pressed, `place` is inside of the row.
    on_ask(row, where): a row was pressed with the right button, or long with a finger.
    on_scrolled(): another part is in sight. on_near(end): "top" or "bottom" is near.
    """

    __events__ = ("on_spot", "on_ask", "on_scrolled", "on_near")

    shift = NumericProperty(0)
    """How far down the upper edge of what is in sight lies."""
    sticks = BooleanProperty(True)
    """Whether it stays with the newest row."""
    measure: Callable[[Slot], Row]

    def __init__(self, **options: Any) -> None:
        self.slots: Sequence[Slot] = ()
        self.measured = self.made = 0
        """How many rows were measured and widgets made, for the tests of speed."""
        self.choice: tuple[str, int, int] = ("", 0, 0)
        self._tops: list[float] = [0.0]
        self._rows: dict[str, MessageRow] = {}
        self._spare: list[MessageRow] = []
        self._speed = 0.0
        super().__init__(**options)
        self._later = Clock.create_trigger(self._arrange, -1)
        with self.canvas.before:
            # Cheaper than a stencil, which is painted twice.
            self._inside = ScissorPush()
            PushMatrix()
            self._move = Translate()
        with self.canvas.after:
            PopMatrix()
            ScissorPop()
            self._bar_color = Color(0.5, 0.5, 0.5, 0)
            self._bar = RoundRect()
        self._hide_bar = Clock.create_trigger(self._fade_bar, 1.0)
        self.bind(pos=self._later, size=self._later, shift=self._moved)
        Window.bind(keyboard_height=self._later)

    def on_spot(self, row: MessageRow, name: str, place: Sequence[float]) -> None:
        """Something was pressed."""

    def on_ask(self, row: MessageRow, where: Sequence[float]) -> None:
        """It is asked what can be done with a row."""

    def on_scrolled(self) -> None:
        """Another part is in sight."""

    def on_near(self, end: str) -> None:
        """The list comes to one of its ends."""

    # What it shows

    def show(self, slots: Sequence[Slot]) -> None:
        """Shows slots; what the eye is on stays, unless it is on the newest one."""
        anchor = self._anchor()
        self.slots = slots
        self._count()
        self._restore(anchor)
        self._arrange()

    def refresh(self) -> None:
        """Shows again what has lost its row."""
        self._arrange()

    def repaint(self) -> None:
        """Draws all rows in the colours of now."""
        for row in self._rows.values():
            row.paint()

    def visible(self) -> Sequence[Slot]:
        """Returns the slots that are in sight, at least a part of each."""
        first, last = self._range(0)
        return self.slots[first:last]

    def widget_of(self, key: str) -> MessageRow | None:
        """Returns the widget of a row that is in sight."""
        return self._rows.get(key)

    def at_bottom(self) -> bool:
        """Says whether the newest row is in sight."""
        return bool(self.shift >= self._most() - dp(40))

    def to_bottom(self) -> None:
        """Goes to the newest row and stays with it."""
        self._stop()
        self.sticks = True
        self._arrange()

    def to_slot(self, key: str, *, part: float = 0.3, glow: bool = False) -> bool:
        """Goes to a row, which then stands at a part of the height; False: it is not here."""
        return self.put(key, self.height * part, glow=glow)

    def put(self, key: str, down: float, *, glow: bool = False) -> bool:
        """Puts a row at a distance from the upper edge; False: it is not here."""
        at = next((n for n, it in enumerate(self.slots) if it.key == key), -1)
        if at < 0:
            return False
        self._stop()
        self.sticks = False
        self._restore((key, down))
        self._arrange((key, down))
        if glow and (row := self._rows.get(key)):
            Animation.cancel_all(row, "glow")
            row.glow = 1
            (Animation(duration=0.6) + Animation(glow=0, duration=0.9)).start(row)
        return True

    def place(self) -> tuple[str, float]:
        """Returns the first row in sight and how far below the upper edge it begins."""
        return self._anchor() or ("", 0.0)

    def scroll_by(self, distance: float) -> None:
        """Scrolls down by a distance, up when it is negative."""
        before = self.shift
        self.sticks = False
        self.shift = max(0.0, min(self._most(), self.shift + distance))
        if distance > 0:
            self.sticks = self.at_bottom()
        if self.shift != before:
            self._arrange()

    # Where things are

    def _most(self) -> float:
        return max(0.0, self._tops[-1] + dp(2 * PAD) - self.height)

    def _count(self) -> None:
        heights = (it.row.height if it.row else self._guess(it) for it in self.slots)
        self._tops = list(accumulate(heights, initial=dp(PAD)))

    def _guess(self, slot: Slot) -> float:
        if not slot.height:
            more = (
                len(slot.message.text) // 24 * 20 if slot.kind == "message" and slot.message else 0
            )
            slot.height = dp(GUESSES[slot.kind] + more)
        return slot.height

    def _range(self, margin: float) -> tuple[int, int]:
        first = bisect_right(self._tops, self.shift - margin) - 1
        last = bisect_left(self._tops, self.shift + self.height + margin)
        return max(0, first), min(len(self.slots), last)

    def _anchor(self) -> tuple[str, float] | None:
        """Returns a row in sight that is measured, and how far below the upper edge it begins."""
        first, last = self._range(0)
        for at in range(first, last):
            if self.slots[at].row is not None and self.slots[at].kind != "time":
                return self.slots[at].key, self._tops[at] - self.shift
        return (self.slots[first].key, self._tops[first] - self.shift) if first < last else None

    def _restore(self, anchor: tuple[str, float] | None) -> None:
        if self.sticks:
            self.shift = self._most()
        elif anchor:
            at = next((n for n, it in enumerate(self.slots) if it.key == anchor[0]), -1)
            if at >= 0:
                self.shift = self._tops[at] - anchor[1]
        self.shift = max(0.0, min(self._most(), self.shift))

    def _arrange(self, anchor: Any = None) -> None:
        """Measures what is in sight until nothing new comes into sight by that, and shows it."""
        if self.width < dp(100) or self.height <= 0:
            return
        held = anchor if isinstance(anchor, tuple) else self._anchor()
        self._restore(held)
        for _ in range(ROUNDS):
            first, last = self._range(dp(60))
            grown = False
            for slot in self.slots[first:last]:
                if slot.row is None:
                    slot.row = self.measure(slot)
                    self.measured += 1
                    grown = True
            if not grown:
                break
            self._count()
            self._restore(held)
        self._bind(*self._range(dp(60)))
        self._tell()

    def _bind(self, first: int, last: int) -> None:
        wanted = {it.key for it in self.slots[first:last]}
        for key in [it for it in self._rows if it not in wanted]:
            row = self._rows.pop(key)
            Animation.cancel_all(row, "glow")
            row.glow = 0
            self.remove_widget(row)
            self._spare.append(row)
        for at in range(first, last):
            slot = self.slots[at]
            if slot.key not in self._rows:
                self._rows[slot.key] = self._take_spare()
                self.add_widget(self._rows[slot.key])
            row = self._rows[slot.key]
            size = (self.width, slot.row.height)
            changed = row.row is not slot.row or row.size != list(size)
            row.size = size
            row.pos = (0, -round(self._tops[at]) - round(slot.row.height))
            chosen = self.choice[1:] if self.choice[0] == slot.key else (0, 0)
            if changed or row.chosen != chosen:
                row.chosen = chosen
                row.show(slot.row)

    def _take_spare(self) -> MessageRow:
        if self._spare:
            return self._spare.pop()
        self.made += 1
        return MessageRow()

    def _tell(self) -> None:
        self._moved()
        self.dispatch("on_scrolled")
        if self.shift < self.height:
            self.dispatch("on_near", "top")
        if self.shift > self._most() - self.height:
            self.dispatch("on_near", "bottom")

    def _moved(self, *_: Any) -> None:
        left, bottom = self.to_window(*self.pos)
        self._inside.x, self._inside.y = round(left), round(bottom + raised())
        self._inside.width, self._inside.height = round(self.width), round(self.height)
        self._move.x, self._move.y = self.x, round(self.top + self.shift)
        self._draw_bar()

    def to_parent(self, x: float, y: float, **_: Any) -> tuple[float, float]:
        return x + self.x, y + round(self.top + self.shift)

    def to_local(self, x: float, y: float, **_: Any) -> tuple[float, float]:
        return x - self.x, y - round(self.top + self.shift)

    # The bar at its side

    def _draw_bar(self) -> None:
        most = self._most()
        if not most:
            self._bar_color.a = 0
            return
        high = max(dp(BAR_LEAST), self.height * self.height / (most + self.height))
        down = (self.height - high) * self.shift / most
        self._bar.size = (dp(BAR), high)
        self._bar.pos = (self.right - dp(BAR + 2), self.top - down - high)

    def _show_bar(self) -> None:
        Animation.cancel_all(self._bar_color)
        self._bar_color.a = 0.5
        self._hide_bar.cancel()
        self._hide_bar()

    def _fade_bar(self, *_: Any) -> None:
        Animation(a=0, duration=0.3).start(self._bar_color)

    # Touches

    def row_at(self, x: float, y: float) -> MessageRow | None:
        """Returns the row at a place, which is where the list is."""
        x, y = self.to_local(x, y)
        return next((it for it in self.children if it.collide_point(x, y)), None)

    def on_touch_down(self, touch: Any) -> bool:
        if not self.collide_point(*touch.pos):
            return False
        button = getattr(touch, "button", "left")
        if button in ("scrollup", "scrolldown"):
            self._stop()
            self._show_bar()
            self.scroll_by(dp(WHEEL) if button == "scrollup" else -dp(WHEEL))
            return True
        self._stop()
        row = self.row_at(*touch.pos)
        if button == "right":
            if row:
                self.dispatch("on_ask", row, self.to_window(*touch.pos))
            return True
        if touch.device == "mouse":
            FocusBehavior.ignored_touch.append(touch)  # what is being written keeps the keys
        touch.grab(self)
        touch.ud["list"] = state = _Press(row, touch.pos)
        state.bar = touch.x > self.right - dp(14) and self._most() > 0
        if row and touch.device == "mouse":
            inside = row.to_local(*self.to_local(*touch.pos))
            state.chooses = row.in_text(*inside)
            state.index = row.index_at(*inside) if state.chooses else 0
        self.choose("", 0, 0)
        if row and touch.device != "mouse":  # which has another button to ask with
            where = self.to_window(*touch.pos)
            state.long = Hold(lambda: self._held(state, where))
        return True

    def _held(self, state: "_Press", where: Sequence[float]) -> None:
        state.done = True
        self.dispatch("on_ask", state.row, where)

    def on_touch_move(self, touch: Any) -> bool:
        state = touch.ud.get("list")
        if touch.grab_current is not self or state is None or state.done:
            return False
        moved = abs(touch.x - state.start[0]) + abs(touch.y - state.start[1])
        if not state.moved and moved < dp(SLIP):
            return True
        state.moved = True
        state.cancel()
        self._show_bar()
        if state.bar:
            self.scroll_by(-touch.dy * (self._most() + self.height) / self.height)
        elif state.chooses and state.row in self.children:
            index = state.row.index_at(*state.row.to_local(*self.to_local(*touch.pos)))
            self.choose(state.key, state.index, index)
        else:
            seconds = max(0.004, touch.time_update - state.at)
            self._speed = 0.6 * self._speed + 0.4 * touch.dy / seconds
            state.at = touch.time_update
            self.scroll_by(touch.dy)
        return True

    def on_touch_up(self, touch: Any) -> bool:
        state = touch.ud.get("list")
        if touch.grab_current is not self or state is None:
            return False
        touch.ungrab(self)
        state.cancel()
        if state.done:
            return True
        if state.moved:
            if not state.bar and not state.chooses and abs(self._speed) > dp(FLING_LEAST):
                Clock.schedule_interval(self._fling, 0)
            return True
        if state.row and state.row in self.children:
            place = state.row.to_local(*self.to_local(*touch.pos))
            self.dispatch("on_spot", state.row, state.row.spot_at(*place), place)
        return True

    def _fling(self, seconds: float) -> bool:
        before = self.shift
        self.scroll_by(self._speed * seconds)
        self._speed *= max(0.0, 1 - FLING_SLOWER * seconds * 60)
        self._show_bar()
        return abs(self._speed) > dp(FLING_LEAST) and self.shift != before

    def _stop(self) -> None:
        self._speed = 0.0
        Clock.unschedule(self._fling)

    # What is chosen of a text

    def choose(self, key: str, begin: int, end: int) -> None:
        """Chooses a part of the text of one row."""
        if (key, begin, end) == self.choice:
            return
        for row_key in {self.choice[0], key}:
            if row := self._rows.get(row_key):
                row.chosen = (begin, end) if row_key == key else (0, 0)
                row.paint()
        self.choice = (key, begin, end)

    def chosen_text(self) -> str:
        """Returns what is chosen."""
        key, *ends = self.choice
        slot = next((it for it in self.slots if it.key == key), None) if key else None
        begin, end = sorted(ends)
        return slot.row.text[begin:end] if slot and slot.row else ""


class _Press:
    """One press, from down to up."""

    def __init__(self, row: MessageRow | None, start: Sequence[float]) -> None:
        self.row = row
        self.key = row.row.key if row and row.row else ""
        self.start = start
        self.moved = self.done = self.bar = self.chooses = False
        self.index = 0
        self.at = Clock.get_time()
        self.long: Any = None

    def cancel(self) -> None:
        """It is no long press."""
        if self.long:
            self.long.cancel()


def raised() -> float:
    """Returns how far the window's picture is pushed up by the keyboard of a phone."""
    target = Window._system_keyboard.target
    below = max(0.0, target.to_window(0, target.y)[1]) if target else 0.0
    return float(max(0.0, Window.keyboard_height - below))
