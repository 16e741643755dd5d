"""A menu where one has pressed: things to do, and emoji to react with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kivy.factory import Factory
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.floatlayout import FloatLayout

from app import kv
from app.text import RichText, layout, scaled

ROW, WIDTH, EMOJI_SIDE = 42.0, 160.0, 40.0


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do."""

    text: str
    act: Callable[[], Any]
    icon: str = ""
    danger: bool = False


class EmojiButton(ButtonBehavior, RichText):
    """An emoji that can be pressed."""


class MenuRow(ButtonBehavior, BoxLayout):
    """A line of a menu."""

    icon = StringProperty("")
    text = StringProperty("")
    danger = BooleanProperty(False)


class Menu(FloatLayout):
    """Lies over everything while it is open; any press closes it."""

    def show(
        self, where: Sequence[float], items: Sequence[Item], emoji: Sequence[Item] = ()
    ) -> None:
        """Opens at a place of the window: a row of emoji, and below it the items."""
        self.close()
        if not items and not emoji:
            return
        words = max((layout(it.text, scaled(15), 1e6).width for it in items), default=0)
        width = max(dp(WIDTH), dp(EMOJI_SIDE) * len(emoji) + dp(12), words + dp(76))
        height = dp(ROW) * (len(items) + bool(emoji)) + dp(12)
        card = Factory.MenuCard(size=(width, height))
        card.x = max(dp(8), min(where[0], self.width - width - dp(8)))
        card.top = max(min(self.height - dp(8), where[1]), height + dp(8))
        if emoji:
            row = BoxLayout(size_hint_y=None, height=dp(ROW), padding=(dp(6), 0))
            for it in emoji:
                button = EmojiButton(text=it.text, font_size=dp(21), pos_hint={"center_y": 0.5})
                button.size_hint_x = 1
                button.bind(on_release=self._doing(it.act))
                row.add_widget(button)
            card.add_widget(row)
        for it in items:
            line = MenuRow(icon=it.icon, text=it.text, danger=it.danger)
            line.bind(on_release=self._doing(it.act))
            card.add_widget(line)
        self.add_widget(card)

    def _doing(self, act: Callable[[], Any]) -> Callable[..., None]:
        def do(*_: Any) -> None:
            self.close()
            act()

        return do

    @property
    def is_open(self) -> bool:
        """Whether it lies over the window."""
        return bool(self.children)

    def close(self) -> None:
        """Goes away."""
        self.clear_widgets()

    def on_touch_down(self, touch: Any) -> bool:
        if not self.is_open:
            return False
        if not super().on_touch_down(touch):
            self.close()
        return True


kv.load(__file__)
