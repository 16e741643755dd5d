"""The first screen of all: who this is, and the ways in."""

from typing import Any

from kivy.app import App
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ObjectProperty
from kivy.uix.boxlayout import BoxLayout

from app import kv

MARGINS = 32.0
"""What the card around it takes above and below."""


class Welcome(BoxLayout):
    """Logo, name and slogan; logging in, making an account, and the language."""

    entry = ObjectProperty(None)
    by_code = BooleanProperty(False)
    """Whether another device can let this one in."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.by_code = hasattr(App.get_running_app(), "open_code_login")
        self.entry.bind(size=self._spread, head=self._spread, edge=self._spread)

    def _spread(self, *_: Any) -> None:
        """Puts the buttons at the foot of a phone's screen."""
        entry, water = self.entry, self.ids.water
        others = [it for it in self.children if it is not water]
        taken = sum(it.height for it in others) + self.spacing * len(others)
        free = entry.height - entry.edge - entry.head - dp(MARGINS) - taken
        water.height = max(dp(20), free) if entry.narrow else dp(16)

    def scan(self) -> None:
        """Shows a code that another device of the account lets in."""
        App.get_running_app().open_code_login()

    def other_language(self) -> None:
        """Changes between Chinese and English."""
        app = App.get_running_app()
        app.preferences.language = "en" if app.words.language == "zh" else "zh"


kv.load(__file__)
