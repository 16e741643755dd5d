"""The bars of a chat: what is pinned or announced, what a stranger wants, and what is selected."""

from kivy.properties import BooleanProperty, ListProperty, NumericProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior

from app import kv
from app.widgets.fold import Fold


class NoticeBar(ButtonBehavior, Fold):
    """One thing to know, that leads somewhere when pressed; empty it has no height."""

    icon = StringProperty("")
    title = StringProperty("")
    text = StringProperty("")
    closes = BooleanProperty(False)

    __events__ = ("on_close",)

    def on_close(self) -> None:
        """It is not wanted any more."""


class StrangerBar(Fold):
    """Asks what becomes of a chat that a stranger has begun."""

    shown = BooleanProperty(False)

    __events__ = ("on_answer",)

    def on_answer(self, answer: str) -> None:
        """accept, block or delete."""


class SelectBar(Fold):
    """What can be done with all that is selected."""

    count = NumericProperty(0)
    shown = BooleanProperty(False)

    __events__ = ("on_act",)

    def on_act(self, act: str) -> None:
        """forward, copy, delete or cancel."""


class Pill(ButtonBehavior, Fold):
    """A small button that lies on the messages and leads to others."""

    icon = StringProperty("")
    text = StringProperty("")
    shown = BooleanProperty(False)
    tone = ListProperty([0, 0, 0, 1])


kv.load(__file__)
