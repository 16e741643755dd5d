"""A word at the bottom of the window that goes by itself."""

from typing import Any

from kivy.animation import Animation
from kivy.properties import StringProperty
from kivy.uix.anchorlayout import AnchorLayout

from app import kv

SECONDS = 2.5


class Toast(AnchorLayout):
    """Says one thing at a time; what comes later takes the place of what was there."""

    text = StringProperty("")

    def say(self, text: str) -> None:
        """Shows a text for some seconds."""
        Animation.cancel_all(self)
        self.text, self.opacity = text, 1
        going = Animation(duration=SECONDS) + Animation(opacity=0, duration=0.3)
        going.bind(on_complete=self._gone)
        going.start(self)

    def _gone(self, *_: Any) -> None:
        self.text = ""


kv.load(__file__)
