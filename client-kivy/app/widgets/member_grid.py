"""People as a grid of pictures with names, and tiles to bring somebody in or take somebody out."""

from typing import Any

from kivy.factory import Factory
from kivy.metrics import dp
from kivy.properties import ListProperty, ObjectProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.gridlayout import GridLayout

from app import kv

TILE = 76.0
FEWEST = 4


class MemberTile(ButtonBehavior, BoxLayout):
    """One person, or with an `icon` one thing to do; `key` is a user id, or names it."""

    key = StringProperty("")
    label = StringProperty("")
    icon = StringProperty("")
    texture = ObjectProperty(None, allownone=True)


class MemberGrid(GridLayout):
    """As many columns as there is room for; its `data` are the properties of tiles."""

    data = ListProperty([])

    __events__ = ("on_choose",)

    def on_choose(self, key: str) -> None:
        """A tile was pressed."""

    def on_width(self, *_: Any) -> None:
        self.cols = max(FEWEST, int(self.width / dp(TILE)))

    def on_data(self, *_: Any) -> None:
        self.clear_widgets()
        for it in self.data:
            tile = MemberTile(**it)
            tile.bind(on_release=lambda tile: self.dispatch("on_choose", tile.key))
            self.add_widget(tile)


Factory.register("MemberGrid", cls=MemberGrid)
kv.load(__file__)
