"""A field to look for something, with a cross to empty it, and keys for what is found."""

from collections.abc import Sequence
from typing import Any

from kivy.properties import StringProperty
from kivy.uix.floatlayout import FloatLayout

from app import kv
from app.widgets.field import Field

UP, DOWN, ENTER, KEYPAD_ENTER = 273, 274, 13, 271


class SearchInput(Field):
    """The field itself: up, down and Enter are for the results."""

    def keyboard_on_key_down(
        self, window: Any, keycode: Sequence[Any], text: str, modifiers: Sequence[str]
    ) -> bool:
        if self.composition:
            return True  # the input method has the keys
        if not modifiers and keycode[0] in (UP, DOWN):
            self.parent.dispatch("on_move", -1 if keycode[0] == UP else 1)
            return True
        if keycode[0] in (ENTER, KEYPAD_ENTER):
            self.parent.dispatch("on_enter")
            return True
        return super().keyboard_on_key_down(window, keycode, text, modifiers)


class SearchField(FloatLayout):
    """What is looked for is `text`."""

    text = StringProperty("")
    hint = StringProperty("")

    __events__ = ("on_move", "on_enter")

    def on_move(self, step: int) -> None:
        """The key up (-1) or down (1) was pressed."""

    def on_enter(self) -> None:
        """Enter was pressed."""

    def on_text(self, _: Any, text: str) -> None:
        if self.ids and self.ids.input.text != text:
            self.ids.input.text = text

    def take(self) -> None:
        """Puts the cursor into it, with all of it chosen."""
        self.ids.input.focus = True
        self.ids.input.select_all()

    def clear(self) -> None:
        """Empties it."""
        self.text = ""


kv.load(__file__)
