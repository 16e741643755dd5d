"""A number on a red ground: how much is new."""

from kivy.uix.label import Label

from app import kv


class Badge(Label):
    """Nothing while its text is empty."""


kv.load(__file__)
