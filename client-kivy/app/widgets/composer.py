"""Where one writes: the field, what the message answers or changes, emoji, and who is meant."""

from collections.abc import Callable, Sequence
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from app import kv
from app.widgets import fold  # noqa: F401 - the rules name it
from app.widgets.emoji_panel import EmojiPanel
from app.widgets.field import Field
from hongyan_client.sending import TEXT_BYTES

ENTER, KEYPAD_ENTER, ESCAPE, UP, TAB = 13, 271, 27, 273, 9
PAGE_UP, PAGE_DOWN, END, KEY_C = 280, 281, 279, 99
DOWN = 274
DRAFT_SECONDS = 0.6


class Input(Field):
    """The field of a chat. For keys that do more than write, `commands` is asked by their name:
    send, escape, edit_last, page_up, page_down, end, copy, up, down or take; True: it is done.
    """

    commands: Callable[[str], bool]

    def keyboard_on_key_down(
        self, window: Any, keycode: Sequence[Any], text: str, modifiers: Sequence[str]
    ) -> bool:
        if self.composition:
            return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))
        if name := self._asked_for(keycode[0], set(modifiers)):
            if self.commands(name):
                return True
            if name == "newline":
                self.insert_text("\n")
                return True
        return bool(super().keyboard_on_key_down(window, keycode, text, modifiers))

    def _asked_for(self, key: int, held: set[str]) -> str:
        if "alt" in held:
            return ""  # the shortcuts of the app
        if key in (ENTER, KEYPAD_ENTER):
            return self._on_enter(held)
        if key == END and "ctrl" in held:
            return "end"
        if key == KEY_C and held & {"ctrl", "meta"} and not self.selection_text:
            return "copy"
        if key == UP and not self.text:
            return "edit_last"
        names = {ESCAPE: "escape", PAGE_UP: "page_up", PAGE_DOWN: "page_down"}
        return names.get(key) or {UP: "up", DOWN: "down", TAB: "take"}.get(key, "")

    @staticmethod
    def _on_enter(held: set[str]) -> str:
        if App.get_running_app().preferences.enter_sends:
            return "newline" if held & {"shift", "ctrl", "meta"} else "send"
        return "send" if held & {"ctrl", "meta"} else "newline"


class Composer(BoxLayout):
    """What is written in a chat. `chat` does what is asked for.

    `mode` is "quote" or "edit" while the strip says which message is answered or changed.
    """

    chat = ObjectProperty(None)
    narrow = BooleanProperty(False)
    mode = StringProperty("")
    seq = NumericProperty(0)
    strip_title = StringProperty("")
    strip_text = StringProperty("")
    barred = StringProperty("")
    """Why nothing can be written here; empty: it can."""
    barred_button = StringProperty("")
    react_to = ObjectProperty(None, allownone=True)
    """The message for which an emoji is looked for, instead of for the text."""
    panel = BooleanProperty(False)
    """Whether the emoji are open."""

    def __init__(self, **options: Any) -> None:
        self._put_aside = ""
        self._filling = False
        self.mentions: dict[str, str] = {}
        """Who is meant by what was put in: the name as it stands there, and the user's id."""
        super().__init__(**options)
        self._keep = Clock.create_trigger(lambda *_: self.keep_draft(), DRAFT_SECONDS)

    # The emoji

    def on_panel(self, *_: Any) -> None:
        if not self.panel:
            self.react_to = None
            self.focus()
            return
        below = self.ids.below
        if not below.children:
            panel = EmojiPanel()
            panel.bind(on_choose=self._chosen)
            below.add_widget(panel)
        below.children[0].open()

    def _chosen(self, _: Any, text: str) -> None:
        if self.react_to is not None:
            self.chat.acts.react(self.react_to, text)
            self.panel = False
        else:
            self.insert(text)

    # The text

    @property
    def text(self) -> str:
        """What is written."""
        return str(self.ids.input.text)

    def begin(self, draft: str) -> None:
        """Begins with the draft of another chat."""
        self.mode, self.seq, self.strip_title, self.strip_text = "", 0, "", ""
        self.panel, self._put_aside = False, ""
        self.mentions = {}
        self._fill(draft)
        self.ids.input.reset_undo()

    def _fill(self, text: str) -> None:
        """Writes a text into the field that nobody has typed."""
        self._filling = True
        self.ids.input.composition = ""
        self.ids.input.text = text
        self._filling = False
        field = self.ids.input
        field.cursor = field.get_cursor_from_index(len(text))

    def written(self) -> None:
        """The text has changed."""
        if self._filling or self.chat is None:
            return
        if self.mode != "edit":
            self._keep()
        self.chat.written(self.text)
        self.chat.picker.follow()

    def keep_draft(self) -> None:
        """Keeps what is written, so that nothing is lost whatever comes."""
        self._keep.cancel()
        self.chat.keep_draft(self._put_aside if self.mode == "edit" else self.text)

    def insert(self, text: str) -> None:
        """Puts a text in where the cursor is."""
        field = self.ids.input
        if field.selection_text:
            field.delete_selection()
        field.insert_text(text)

    def focus(self) -> None:
        """Lets the keys come here."""
        self.ids.input.focus = True

    def too_long(self) -> int:
        """Returns how many bytes the text has when they are too many, else 0."""
        size = len(self.text.strip().encode("utf-8", "replace"))
        return size if size > TEXT_BYTES else 0

    def take(self) -> tuple[str, list[str], bool]:
        """Empties the field; returns what was in it, who is meant, and whether all are."""
        text = self.text.strip()
        meant = [id for name, id in self.mentions.items() if id and f"@{name}" in text]
        words = App.get_running_app().words
        everybody = any(not id and f"@{name}" in text for name, id in self.mentions.items())
        everybody = everybody and f"@{words('mention.all')}" in text
        self.mentions = {}
        self._fill("")
        self.ids.input.reset_undo()
        return text, list(dict.fromkeys(meant)), everybody

    # What it answers or changes

    def quote(self, seq: int, title: str, text: str) -> None:
        """Makes the next message an answer."""
        self._leave_edit()
        self.mode, self.seq, self.strip_title, self.strip_text = "quote", seq, title, text
        self.focus()

    def edit(self, seq: int, title: str, text: str) -> None:
        """Makes the field change an own message; the draft waits."""
        if self.mode != "edit":
            self._put_aside = self.text
        self.mode, self.seq, self.strip_title, self.strip_text = "edit", seq, title, text
        self._fill(text)
        self.focus()

    def _leave_edit(self) -> None:
        if self.mode == "edit":
            self._fill(self._put_aside)
            self._put_aside = ""

    def end_strip(self) -> None:
        """Answers and changes nothing any more."""
        self._leave_edit()
        self.mode, self.seq, self.strip_title, self.strip_text = "", 0, "", ""

    def step_back(self) -> bool:
        """Closes the strip, else the emoji; False: nothing was open."""
        if self.mode:
            self.end_strip()
        elif self.panel:
            self.panel = False
        else:
            return False
        return True


kv.load(__file__)
