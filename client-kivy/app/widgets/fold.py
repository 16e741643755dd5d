"""A box that may have no height: folded, its children are not in the way of a touch."""

from typing import Any

from kivy.factory import Factory
from kivy.uix.boxlayout import BoxLayout


class Fold(BoxLayout):
    """A box that takes touches only while it has a height; what is in it keeps its own."""

    def on_touch_down(self, touch: Any) -> bool:
        return bool(self.height > 0 and super().on_touch_down(touch))


Factory.register("Fold", cls=Fold)
