"""Fields to write in, with emoji in colour; backspace takes a whole emoji."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kivy.app import App
from kivy.clock import Clock
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
from kivy.graphics.instructions import InstructionGroup
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.textinput import TextInput

from app import fallback, input_method, kv
from app.clusters import CLUSTER
from app.fonts import UI
from app.text import EMOJI_WIDTH, emoji_texture, run_texture, width_of

WIDEST = 4_096
"""How wide a line is drawn, in pixels: every graphics driver has textures of this size."""
BLINK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Part:
    """Letters of one font, or one emoji, of a line."""

    text: str
    emoji: bool
    font: str
    width: float


def _letters(text: str, size: int) -> list[Part]:
    if not text:
        return []
    found = fallback.spread(text)
    return [Part(it, False, font, width_of(it, size, font=font)) for it, font in found]


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
        self._above = InstructionGroup()
        self.canvas.after.add(self._above)
        for name in ("foreground_color", "hint_text_color"):
            self.fbind(name, self._recolor)
        for name in ("composition", "cursor_pos", "focus"):
            self.fbind(name, self._show_composition)
        self._stand_still = Clock.create_trigger(self._still, BLINK_SECONDS)
        for name in ("text", "cursor", "focus"):
            self.fbind(name, self._blink)

    def _blink(self, *_: Any) -> None:
        """Has the cursor blink for a while: each time, the whole window is drawn."""
        self._stand_still.cancel()
        self.cursor_blink = True
        if self.focus:
            self._stand_still()

    def _still(self, *_: Any) -> None:
        self.cursor_blink = False

    def _recolor(self, *_: Any) -> None:
        self._trigger_refresh_text()
        self._refresh_hint_text()

    def _get_text_width(self, text: str, tab_width: int, _label_cached: Any) -> int:
        size = int(self.font_size)
        if self.password:
            return int(width_of(self.password_mask * len(text), size))
        return round(sum(it.width for it in self._parts(text.replace("\t", "    "))))

    def _parts(self, text: str) -> list[Part]:
        """Cuts a line into letters and emoji, with their widths."""
        size, at = int(self.font_size), 0
        found: list[Part] = []
        for match in CLUSTER.finditer(text):
            found += _letters(text[at : match.start()], size)
            found.append(Part(match.group(), True, UI, round(size * EMOJI_WIDTH)))
            at = match.end()
        return found + _letters(text[at:], size)

    @staticmethod
    def _drawable(parts: list[Part]) -> list[Part]:
        """Returns what of a line is drawn. What is pasted is one line until it is wrapped, and
        may be as long as a book."""
        room, kept = float(WIDEST), list[Part]()
        for part in parts:
            if part.width > room:
                count = 0 if part.emoji else int(len(part.text) * room / part.width)
                if count:
                    kept.append(replace(part, text=part.text[:count], width=room))
                break
            kept.append(part)
            room -= part.width
        return kept

    def _create_line_label(self, text: str, hint: bool = False) -> Any:
        size = int(self.font_size)
        if self._label_cached is None:  # Kivy asks it how high a line is at least
            self._label_cached = CoreLabel(font_name=self.font_name, font_size=size)
        color = tuple(self.hint_text_color if hint else self.foreground_color)
        text = text.replace("\n", "").replace("\t", "    ")
        if self.password and not hint:
            text = self.password_mask * len(text)
        parts = self._drawable(self._parts(text))
        if len(parts) <= 1 and not any(it.emoji or it.font != UI for it in parts):
            return run_texture(parts[0].text if parts else " ", size, color, False)
        height = run_texture("字", size, color, False).height
        frame = Fbo(size=(max(1, int(sum(it.width for it in parts))), height))
        with frame:
            # The ground has the colour of the letters, or their edges would be dark.
            ClearColor(*color[:3], 0)
            ClearBuffers()
            PushMatrix()
            Translate(0, height, 0)
            Scale(1, -1, 1)
            Color(1, 1, 1, 1)
            left = 0.0
            for part in parts:
                if part.emoji:
                    texture = emoji_texture(part.text)
                    side = size * 1.1
                    high = side * texture.height / texture.width
                else:
                    texture = run_texture(part.text, size, color, False, part.font)
                    side, high = texture.size
                Rectangle(texture=texture, pos=(left, (height - high) / 2), size=(side, high))
                left += part.width
            PopMatrix()
        frame.draw()
        texture = frame.texture
        texture.flip_vertical()
        self._frames = [*self._frames[-40:], frame]
        return texture

    # Input methods: a Chinese word is put together before it is written

    def window_on_textedit(self, _: Any, text: str) -> None:
        """Takes what is being put together; Kivy would write it into the text at once."""
        if not self.focus or self.readonly:
            return
        if text and self.selection_text:
            self.delete_selection()
        self.composition = text

    def keyboard_on_textinput(self, window: Any, text: str) -> None:
        self.composition = ""
        super().keyboard_on_textinput(window, text)

    def keyboard_on_key_down(
        self, window: Any, keycode: Sequence[Any], text: str, modifiers: Sequence[str]
    ) -> bool:
        """The input method has the keys while it composes; shortcuts work while one writes."""
        if self.composition:
            return True
        keys = getattr(App.get_running_app(), "keys", None)
        if keys and keys.press(keycode[0], modifiers):
            return True
        return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))

    def _show_composition(self, *_: Any) -> None:
        self._above.clear()
        if not self.focus:
            self.composition = ""
            return
        left, top = self.cursor_pos
        input_method.tell(self.to_window(left, top), self.line_height)
        if not self.composition:
            return
        color = tuple(self.foreground_color)
        texture = run_texture(self.composition, int(self.font_size), color, False)
        inner, end = self.x + self.padding[0], self.right - self.padding[2]
        left = max(inner, min(left, end - texture.width))
        behind = self.text[self.cursor_index() :].partition("\n")[0]
        ground = texture.width if behind else end - left
        bottom = top - self.line_height
        for it in (
            Color(*self.background_color),
            Rectangle(pos=(left, bottom), size=(ground, self.line_height)),
            Color(1, 1, 1, 1),
            Rectangle(
                texture=texture,
                pos=(left, bottom + (self.line_height - texture.height) / 2),
                size=texture.size,
            ),
            Color(*color),
            Rectangle(pos=(left, bottom + dp(1)), size=(texture.width, dp(1.2))),
        ):
            self._above.add(it)

    def do_backspace(self, from_undo: bool = False, mode: str = "bkspc") -> None:
        end = self.cursor_index()
        clusters = [it for it in CLUSTER.finditer(self.text[:end]) if it.end() == end]
        count = len(clusters[-1].group()) if clusters and not self._selection else 1
        for _ in range(count):
            super().do_backspace(from_undo, mode)


kv.load(__file__)
