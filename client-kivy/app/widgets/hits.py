"""A bar above a chat to go through what was found in it."""

from collections.abc import Sequence

from kivy.app import App
from kivy.properties import ListProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from app import kv


class Hits(BoxLayout):
    """The newest hit is the first; `index` is the one that is shown. `on_closed` ends it."""

    words = StringProperty("")
    seqs = ListProperty([])
    index = NumericProperty(0)
    conversation_id = StringProperty("")

    __events__ = ("on_closed",)

    def on_closed(self) -> None:
        """It is not needed any more."""

    def show(self, conversation_id: str, words: str, seqs: Sequence[int], seq: int) -> None:
        """Begins at one of the hits."""
        self.conversation_id, self.words = conversation_id, words
        self.seqs = list(seqs)
        self.index = self.seqs.index(seq) if seq in self.seqs else 0

    def step(self, to_older: int) -> None:
        """Goes to an older (1) or a newer (-1) hit."""
        index = int(self.index) + to_older
        if 0 <= index < len(self.seqs):
            self.index = index
            App.get_running_app().open_chat(self.conversation_id, self.seqs[index])


kv.load(__file__)
