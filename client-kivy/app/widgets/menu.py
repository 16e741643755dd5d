"""A menu where one has pressed: things to do, and emoji to react with."""

from collections.abc import Callable, Sequence
from typing import Any

from kivy.factory import Factory
from kivy.metrics import dp
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.floatlayout import FloatLayout

from app import kv
from app.text import RichText
from app.widgets.button import TextButton

Item = tuple[str, Callable[[], Any]]
ROW, WIDTH, EMOJI_SIDE = 40.0, 150.0, 36.0


class EmojiButton(ButtonBehavior, RichText):
    """An emoji that can be pressed."""


class Menu(FloatLayout):
    """Lies over everything while it is open; any press closes it."""

    def show(self, where: Sequence[float], items: Sequence[Item], emoji: Sequence[Item]) -> None:
        """Opens at a place of the window: a row of emoji, and below it the items."""
        self.close()
        width = max(dp(WIDTH), dp(EMOJI_SIDE) * len(emoji) + dp(12))
        height = dp(ROW) * (len(items) + bool(emoji)) + dp(12)
        card = Factory.MenuCard(size=(width, height))
        card.x = min(max(dp(8), where[0]), self.width - width - dp(8))
        card.top = max(min(self.height - dp(8), where[1]), height + dp(8))
        if emoji:
            row = BoxLayout(size_hint_y=None, height=dp(ROW), padding=(dp(6), 0))
            for text, act in emoji:
                button = EmojiButton(text=text, font_size=dp(20), pos_hint={"center_y": 0.5})
                button.size_hint_x = 1
                button.bind(on_release=self._doing(act))
                row.add_widget(button)
            card.add_widget(row)
        for text, act in items:
            line = TextButton(kind="quiet", text=text, height=dp(ROW))
            line.bind(on_release=self._doing(act))
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
