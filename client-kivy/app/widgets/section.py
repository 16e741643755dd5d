"""What pages are made of: sections of rows, with a label, a value, a switch or a way on."""

from typing import Any

from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from app import kv

# The title, the card and the note of a section.
OWN = 3


class Sections(BoxLayout):
    """The column of sections inside a `Sheet`: as high as it must be, centred when wide."""


class Section(BoxLayout):
    """A card of rows; `title` stands above it, `note` below."""

    title = StringProperty("")
    note = StringProperty("")
    shown = BooleanProperty(True)

    def add_widget(self, widget: Widget, *args: Any, **options: Any) -> Any:
        """Rows go into the card; the title, the card and the note are the section's own."""
        if len(self.children) < OWN:
            return super().add_widget(widget, *args, **options)
        return self.ids.card.add_widget(widget, *args, **options)

    def on_touch_down(self, touch: Any) -> bool:
        return bool(self.shown and super().on_touch_down(touch))

    def separate(self, *_: Any) -> None:
        """Sees to it that there is a line under every row that is shown but the last one."""
        under = False
        for it in self.ids.card.children:
            if isinstance(it, Row):
                it.under = under and it.shown
                under = under or it.shown

    def remove_widget(self, widget: Widget, *args: Any, **options: Any) -> Any:
        """Takes a row out of the card."""
        if "card" in self.ids and widget.parent is self.ids.card:
            return self.ids.card.remove_widget(widget, *args, **options)
        return super().remove_widget(widget, *args, **options)

    def clear_rows(self) -> None:
        """Takes all rows out of the card."""
        self.ids.card.clear_widgets()


class Row(ButtonBehavior, BoxLayout):
    """One line of a section: what it is, how it stands, and where it leads when pressed."""

    icon = StringProperty("")
    label = StringProperty("")
    detail = StringProperty("")
    """A second line under the label."""
    value = StringProperty("")
    leads = BooleanProperty(False)
    """Whether it leads to something: an arrow says so."""
    checked = BooleanProperty(False)
    danger = BooleanProperty(False)
    shown = BooleanProperty(True)
    under = BooleanProperty(False)
    """Whether there is a line under it."""

    def on_shown(self, *_: Any) -> None:
        if self.parent and isinstance(self.parent.parent, Section):
            self.parent.parent.separate()


class SwitchRow(Row):
    """A row that is on or off; a press dispatches `on_choose` with what it should be now."""

    active = BooleanProperty(False)

    __events__ = ("on_choose",)

    def on_release(self) -> None:
        self.dispatch("on_choose", not self.active)

    def on_choose(self, active: bool) -> None:
        """Somebody wants it on, or off."""


class Toggle(Widget):
    """A sliding switch; it shows, the row around it is what is pressed."""

    active = BooleanProperty(False)
    place = NumericProperty(0)
    """Where its knob is, from 0 to 1."""

    def on_active(self, *_: Any) -> None:
        self.place = 1 if self.active else 0


kv.load(__file__)
