"""How the app looks: light or dark, the size of letters with a sample, and what Enter does."""

from typing import Any

from kivy.app import App
from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    ColorProperty,
    NumericProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget
from kivy.utils import get_color_from_hex

from app import kv
from app.preferences import SCALES
from app.theme import DARK, LIGHT
from app.widgets.page import Page


class Sketch(Widget):
    """A little picture of a chat in the colours of a theme."""

    rail = ColorProperty()
    ground = ColorProperty()
    peer = ColorProperty()
    mine = ColorProperty()
    dark = BooleanProperty(False)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._paint()

    def on_dark(self, *_: Any) -> None:
        self._paint()

    def _paint(self) -> None:
        tokens = DARK if self.dark else LIGHT
        for name in ("rail", "ground", "peer", "mine"):
            setattr(self, name, get_color_from_hex(tokens[name]))


class LooksChoice(ButtonBehavior, BoxLayout):
    """One of the ways that the app can look, with a little picture of it."""

    looks = OptionProperty("system", options=["system", "light", "dark"])
    label = StringProperty("")
    chosen = BooleanProperty(False)


class StepSlider(Widget):
    """A slider that stands on one of a few steps; `step` counts them from 0."""

    steps = NumericProperty(2)
    step = NumericProperty(0)
    inset = NumericProperty("14dp")

    __events__ = ("on_choose",)

    def on_choose(self, step: int) -> None:
        """Somebody wants another step."""

    def on_touch_down(self, touch: Any) -> bool:
        if not self.collide_point(*touch.pos) or touch.is_mouse_scrolling:
            return bool(super().on_touch_down(touch))
        touch.grab(self)
        self._choose(touch.x)
        return True

    def on_touch_move(self, touch: Any) -> bool:
        if touch.grab_current is not self:
            return bool(super().on_touch_move(touch))
        self._choose(touch.x)
        return True

    def on_touch_up(self, touch: Any) -> bool:
        if touch.grab_current is not self:
            return bool(super().on_touch_up(touch))
        touch.ungrab(self)
        return True

    def _choose(self, x: float) -> None:
        part = (x - self.x - self.inset) / max(dp(1), self.width - 2 * self.inset)
        step = round(max(0.0, min(1.0, part)) * (self.steps - 1))
        if step != self.step:
            self.dispatch("on_choose", step)


class AppearancePage(Page):
    """Everything here is seen at once."""

    scale_step = NumericProperty(0)
    scale_steps = NumericProperty(len(SCALES))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        preferences = App.get_running_app().preferences
        preferences.bind(scale=self._show_scale)
        self._show_scale(preferences, preferences.scale)

    def _show_scale(self, _: Any, scale: float) -> None:
        self.scale_step = min(range(len(SCALES)), key=lambda it: abs(SCALES[it] - scale))

    def choose_scale(self, step: int) -> None:
        """Takes a size of letters; chats are laid out anew."""
        App.get_running_app().preferences.scale = SCALES[step]
        self.session.dispatch("on_messages", "")


kv.load(__file__)
