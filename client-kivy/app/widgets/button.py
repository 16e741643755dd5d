"""Buttons with words: the one that does what the screen is for, quiet ones, and links."""

from kivy.properties import BooleanProperty, ColorProperty, OptionProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.label import Label

from app import kv


class TextButton(ButtonBehavior, Label):
    """A button. `kind` is how much it asks to be pressed; while `busy` it takes no press."""

    kind = OptionProperty(
        "primary",
        options=["primary", "quiet", "quiet_filled", "danger", "danger_filled", "link"],
    )
    ink = ColorProperty(None, allownone=True)
    """Another colour of its words than that of its kind."""
    busy = BooleanProperty(False)
    ground = ColorProperty((0, 0, 0, 0))
    ground_down = ColorProperty((0, 0, 0, 0))


kv.load(__file__)
