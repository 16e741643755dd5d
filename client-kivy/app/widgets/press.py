"""Presses on rows of lists: what was pressed is what the row showed when the finger came down."""

from collections.abc import Callable, Sequence
from typing import Any

from kivy.clock import Clock
from kivy.core.window import Window
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior

LONG_SECONDS = 0.45
SURE_SECONDS = 0.05
STILL = 12.0
"""How far a finger may move, in dp, and still be said to press."""


class Hold:
    """Calls once a finger has been down for long, unless it is cancelled before."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._event = Clock.schedule_once(self._nearly, LONG_SECONDS)

    def _nearly(self, *_: Any) -> None:
        # The clock ticks before input is read: after a frame that took long the finger may be up
        # already, and this hears of it in the next one.
        self._event = Clock.schedule_once(lambda *_: self._act(), SURE_SECONDS)

    def cancel(self) -> None:
        """The finger is up, or has moved."""
        self._event.cancel()


class Pressable(ButtonBehavior):
    """A row that is pressed, or asked with the right button or a long press what can be done.

    Rows are shared: when a list changes between the two ends of a press, the row may be another
    one, and elsewhere. So the key is that of the first end, and the place is not looked at.
    """

    key = StringProperty("")
    always_release = BooleanProperty(True)
    inert = BooleanProperty(False)
    """Whether presses mean nothing to it."""

    def tapped(self, key: str) -> None:
        """A row was pressed."""

    def asked(self, key: str, where: Sequence[float]) -> None:
        """A row was pressed with the right button, or long, at a place of the window."""

    def on_touch_down(self, touch: Any) -> bool:
        here = not self.inert and self.collide_point(*touch.pos)
        if here and getattr(touch, "button", "left") == "right":
            self.asked(self.key, self.to_window(*touch.pos))
            return True
        handled = bool(super().on_touch_down(touch))
        if here and self in touch.ud:
            where = self.to_window(*touch.pos)
            touch.ud["key"], touch.ud["long"] = self.key, False
            touch.ud["waiting"] = Hold(lambda: self._long(touch, where))
        return handled

    def _long(self, touch: Any, where: Sequence[float]) -> None:
        if _still(touch):
            touch.ud["long"] = True
            self.asked(touch.ud["key"], where)

    def on_touch_up(self, touch: Any) -> bool:
        if touch.grab_current is self and "waiting" in touch.ud:
            touch.ud["waiting"].cancel()
        return bool(super().on_touch_up(touch))

    def on_release(self) -> None:
        touch = self.last_touch
        if touch and "key" in touch.ud and not touch.ud["long"] and _still(touch):
            self.tapped(touch.ud["key"])


def _still(touch: Any) -> bool:
    aside = abs(touch.sx - touch.osx) * Window.width
    return bool(max(aside, abs(touch.sy - touch.osy) * Window.height) < dp(STILL))
