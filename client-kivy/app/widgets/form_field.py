"""A field of a form: what is written, an eye for what is secret, and what is wrong with it."""

from typing import Any

from kivy.properties import (
    BooleanProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout

from app import kv


class FormField(BoxLayout):
    """`error` stands under it in the colour of dangers, else `note`, else nothing."""

    text = StringProperty("")
    hint = StringProperty("")
    icon = StringProperty("")
    error = StringProperty("")
    note = StringProperty("")
    strength = NumericProperty(0)
    """How many of three bars are shown before the note."""
    secret = BooleanProperty(False)
    seen = BooleanProperty(False)
    """Whether what is secret can be read."""
    kind = StringProperty("text")
    """For the keyboard of a phone: text, mail or number."""
    limit = NumericProperty(0)
    """How many characters it takes; 0: any number."""
    follows = ObjectProperty(None, allownone=True)
    """The field that has the cursor next."""
    strength_color = ListProperty([0, 0, 0, 0])

    __events__ = ("on_enter",)

    def on_enter(self) -> None:
        """Enter was pressed, and no field follows."""

    def enter(self) -> None:
        """Goes on to what follows."""
        if self.follows:
            self.follows.take()
        else:
            self.dispatch("on_enter")

    def take(self) -> None:
        """Puts the cursor into it."""
        self.ids.field.focus = True

    def written(self, text: str) -> None:
        """The field has changed: what was wrong with it may be so no more."""
        self.text, self.error = text, ""

    def on_text(self, _: Any, text: str) -> None:
        if self.ids and self.ids.field.text != text:
            self.ids.field.text = text


kv.load(__file__)
