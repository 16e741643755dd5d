"""An icon, and a button that is one."""

from typing import Any

from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.label import Label

from app import fonts, kv


class Icon(Label):
    """One of Material Design's icons, by its name; in the theme's colour, or its own `tint`.

    `color` belongs to the rule: were it set in a second one, each would undo the other whenever
    the theme changes.
    """

    name = StringProperty("")
    side = NumericProperty("22dp")
    tint = ColorProperty(None, allownone=True)

    def on_name(self, *_: Any) -> None:
        self.text = fonts.icon(self.name) if self.name else ""


class IconButton(ButtonBehavior, Icon):
    """An icon that can be pressed; `active` shows it in the accent colour."""

    active = BooleanProperty(False)


kv.load(__file__)
