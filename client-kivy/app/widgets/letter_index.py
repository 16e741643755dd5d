"""The letters at the edge of a list: pressed or drawn along, they jump to where names begin so."""

from typing import Any

from kivy.factory import Factory
from kivy.properties import BooleanProperty, ListProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label

from app import kv


class IndexLetter(Label):
    """One of the letters."""

    held = BooleanProperty(False)


class LetterIndex(BoxLayout):
    """A column of letters. While one is held it is `held`, and `on_jump` says which."""

    letters = ListProperty([])
    held = StringProperty("")

    __events__ = ("on_jump",)

    def on_jump(self, letter: str) -> None:
        """A letter was reached."""

    def on_letters(self, *_: Any) -> None:
        self.clear_widgets()
        for letter in self.letters:
            self.add_widget(IndexLetter(text=letter))

    def on_held(self, *_: Any) -> None:
        for it in self.children:
            it.held = it.text == self.held

    def on_touch_down(self, touch: Any) -> bool:
        if not self.letters or not self.collide_point(*touch.pos) or touch.is_mouse_scrolling:
            return False
        touch.grab(self)
        self._reach(touch.y)
        return True

    def on_touch_move(self, touch: Any) -> bool:
        if touch.grab_current is not self:
            return False
        self._reach(touch.y)
        return True

    def on_touch_up(self, touch: Any) -> bool:
        if touch.grab_current is not self:
            return False
        touch.ungrab(self)
        self.held = ""
        return True

    def _reach(self, y: float) -> None:
        """Holds the letter at a height: the nearest one where there is none."""
        nearest = min(self.children, key=lambda it: abs(it.center_y - y))
        if nearest.text != self.held:
            self.held = nearest.text
            self.dispatch("on_jump", self.held)


Factory.register("IndexLetter", cls=IndexLetter)
kv.load(__file__)
