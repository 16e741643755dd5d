"""Fields to write in, with emoji in colour; backspace takes a whole emoji."""

from collections.abc import Sequence
from typing import Any

from kivy.app import App
from kivy.core.text import Label as CoreLabel
from kivy.graphics import (
    ClearBuffers,
    ClearColor,
    Color,
    Fbo,
    PopMatrix,
    PushMatrix,
    Rectangle,
    Scale,
    Translate,
)
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.textinput import TextInput

from app import kv
from app.clusters import CLUSTER
from app.text import EMOJI_WIDTH, emoji_texture, run_texture, width_of


class Field(TextInput):
    """A field. A line with emoji is composed in a frame buffer; widths come from our own
    measure, so that cursor and letters agree."""

    _label_cached: Any
    composition = StringProperty("")
    """What an input method is putting together: shown at the cursor, not yet part of the text."""

    wrong = BooleanProperty(False)
    """Whether what stands in it is not accepted."""

    def __init__(self, **options: Any) -> None:
        self._frames: list[Fbo] = []
        self._label_cached: Any = None
        super().__init__(**options)
        for name in ("foreground_color", "hint_text_color"):
            self.fbind(name, self._recolor)

    def _recolor(self, *_: Any) -> None:
        self._trigger_refresh_text()
        self._refresh_hint_text()

    def _get_text_width(self, text: str, tab_width: int, _label_cached: Any) -> int:
        size = int(self.font_size)
        if self.password:
            return int(width_of(self.password_mask * len(text), size))
        return round(sum(width for _, _, width in self._parts(text.replace("\t", "    "))))

    def _parts(self, text: str) -> list[tuple[str, bool, float]]:
        """Cuts a line into letters and emoji, with their widths."""
        size, at = int(self.font_size), 0
        found: list[tuple[str, bool, float]] = []
        for match in CLUSTER.finditer(text):
            if letters := text[at : match.start()]:
                found.append((letters, False, width_of(letters, size)))
            found.append((match.group(), True, round(size * EMOJI_WIDTH)))
            at = match.end()
        if letters := text[at:]:
            found.append((letters, False, width_of(letters, size)))
        return found

    def _create_line_label(self, text: str, hint: bool = False) -> Any:
        size = int(self.font_size)
        if self._label_cached is None:  # Kivy asks it how high a line is at least
            self._label_cached = CoreLabel(font_name=self.font_name, font_size=size)
        color = tuple(self.hint_text_color if hint else self.foreground_color)
        text = text.replace("\n", "").replace("\t", "    ")
        if self.password and not hint:
            text = self.password_mask * len(text)
        if not CLUSTER.search(text):
            return run_texture(text or " ", size, color, False)
        height = run_texture("字", size, color, False).height
        parts = self._parts(text)
        frame = Fbo(size=(max(1, int(sum(it[2] for it in parts))), height))
        with frame:
            # The ground has the colour of the letters, or their edges would be dark.
            ClearColor(*color[:3], 0)
            ClearBuffers()
            PushMatrix()
            Translate(0, height, 0)
            Scale(1, -1, 1)
            Color(1, 1, 1, 1)
            left = 0.0
            for part, emoji, width in parts:
                texture = emoji_texture(part) if emoji else run_texture(part, size, color, False)
                side = size * 1.1 if emoji else texture.width
                high = side * texture.height / texture.width if emoji else texture.height
                Rectangle(texture=texture, pos=(left, (height - high) / 2), size=(side, high))
                left += width
            PopMatrix()
        frame.draw()
        texture = frame.texture
        texture.flip_vertical()
        self._frames = [*self._frames[-40:], frame]
        return texture

    def keyboard_on_key_down(
        self, window: Any, keycode: Sequence[Any], text: str, modifiers: Sequence[str]
    ) -> bool:
        """Shortcuts work while one writes; what is none is for the field."""
        keys = getattr(App.get_running_app(), "keys", None)
        if keys and keys.press(keycode[0], modifiers):
            return True
        return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))

    def do_backspace(self, from_undo: bool = False, mode: str = "bkspc") -> None:
        end = self.cursor_index()
        clusters = [it for it in CLUSTER.finditer(self.text[:end]) if it.end() == end]
        count = len(clusters[-1].group()) if clusters and not self._selection else 1
        for _ in range(count):
            super().do_backspace(from_undo, mode)


kv.load(__file__)
