"""A place for several things of which one is there at a time."""

from typing import Any

from kivy.properties import NumericProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget


class OneOf(BoxLayout):
    """Shows the one of its children whose number is `shown`, from 0; -1: none of them.

    The others take no room and no press. They keep their place alive: a field that has the
    keyboard can be the last that knows of a page, and its rules name the page.
    """

    shown = NumericProperty(0)

    def __init__(self, **options: Any) -> None:
        self._all: list[Widget] = []
        super().__init__(**options)

    def add_widget(self, widget: Widget, *_: Any, **__: Any) -> None:
        """Adds one of the things."""
        self._all.append(widget)
        widget.place_of_many = self
        if len(self._all) - 1 == self.shown:
            super().add_widget(widget)

    def on_shown(self, *_: Any) -> None:
        self.clear_widgets()
        if 0 <= self.shown < len(self._all):
            super().add_widget(self._all[int(self.shown)])
