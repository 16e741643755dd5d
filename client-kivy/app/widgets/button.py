"""Buttons with words: the one that does what the screen is for, quiet ones, and links."""

from kivy.properties import BooleanProperty, OptionProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.label import Label

from app import kv


class TextButton(ButtonBehavior, Label):
    """A button. `kind` is primary, quiet, danger or link; while `busy` it takes no press."""

    kind = OptionProperty("primary", options=["primary", "quiet", "danger", "link"])
    busy = BooleanProperty(False)


kv.load(__file__)
