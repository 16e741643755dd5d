"""What stands where nothing is yet: a picture, what is missing, and what to do about it."""

from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from app import kv


class Empty(BoxLayout):
    """Stands in the middle of a list that has no row."""

    icon = StringProperty("")
    text = StringProperty("")
    hint = StringProperty("")


kv.load(__file__)
