"""A picture of a user or a group, with how much is unread at its corner."""

from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.widget import Widget

from app import kv


class Avatar(Widget):
    """A rounded picture; nothing while there is no texture."""

    texture = ObjectProperty(None, allownone=True)
    unread = NumericProperty(0)
    muted = BooleanProperty(False)


class AvatarButton(ButtonBehavior, Avatar):
    """A picture that leads somewhere."""


kv.load(__file__)
