"""Questions that lie over everything and are awaited: yes or no, a text, one of several."""

import asyncio
from collections.abc import Sequence
from typing import Any

from kivy.app import App
from kivy.core.window import Window
from kivy.factory import Factory
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.floatlayout import FloatLayout

from app import kv
from app.widgets.section import Row

ENTER, KEYPAD_ENTER = 13, 271


class Dialog(BoxLayout):
    """One question: its words, perhaps a field, and two answers."""

    title = StringProperty("")
    text = StringProperty("")
    yes = StringProperty("")
    no = StringProperty("")
    danger = BooleanProperty(False)
    asks_text = BooleanProperty(False)
    multiline = BooleanProperty(False)
    password = BooleanProperty(False)
    value = StringProperty("")
    hint = StringProperty("")
    limit = NumericProperty(0)
    answer = ObjectProperty(None, allownone=True)

    def is_written(self) -> bool:
        """Says whether another text stands in the field."""
        return bool(self.asks_text and self.ids.field.text != self.value)


class Dialogs(FloatLayout):
    """Lies over the app while there is a question; a press beside it, or Escape, answers no."""

    async def confirm(
        self, title: str, text: str = "", *, yes: str = "", danger: bool = False
    ) -> bool:
        """Asks for a yes; the words of the buttons are those of the language."""
        words = App.get_running_app().words
        dialog = Dialog(
            title=title,
            text=text,
            yes=yes or words("button.ok"),
            no=words("button.cancel"),
            danger=danger,
        )
        return bool(await self._wait(dialog, refused=False))

    async def inform(self, title: str, text: str = "") -> None:
        """Says something that must not be overlooked."""
        words = App.get_running_app().words
        await self._wait(Dialog(title=title, text=text, yes=words("button.ok")), refused=None)

    async def ask(
        self,
        title: str,
        value: str = "",
        *,
        hint: str = "",
        text: str = "",
        yes: str = "",
        limit: int = 0,
        multiline: bool = False,
        password: bool = False,
    ) -> str | None:
        """Asks for a text of at most `limit` characters (0: any); None when it was given up."""
        words = App.get_running_app().words
        dialog = Dialog(
            title=title,
            text=text,
            value=value,
            hint=hint,
            limit=limit,
            multiline=multiline,
            password=password,
            asks_text=True,
            yes=yes or words("button.ok"),
            no=words("button.cancel"),
        )
        if await self._wait(dialog, refused=False):
            return str(dialog.ids.field.text).strip()
        return None

    async def choose(
        self, title: str, options: Sequence[tuple[str, str]], chosen: str = ""
    ) -> str | None:
        """Asks for one of several, each a key and its words; None when it was given up."""
        words = App.get_running_app().words
        dialog = Dialog(title=title, no=words("button.cancel"))
        for key, label in options:
            row = Row(label=label, checked=key == chosen)
            row.bind(on_release=lambda _, key=key: dialog.answer(key))
            dialog.ids.options.add_widget(row)
        result = await self._wait(dialog, refused=None)
        return str(result) if result is not None else None

    async def _wait(self, dialog: Dialog, *, refused: Any) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answer(result: Any) -> None:
            if not future.done():
                future.set_result(result)

        dialog.answer = answer
        dialog.refused = refused
        self.add_widget(dialog)
        if dialog.asks_text:
            dialog.ids.field.text, dialog.ids.field.focus = dialog.value, True
        try:
            return await future
        finally:
            self.remove_widget(dialog)

    @property
    def is_open(self) -> bool:
        """Whether there is a question."""
        return bool(self.children)

    def close(self) -> None:
        """Answers the newest question with no."""
        if self.children:
            self.children[0].answer(self.children[0].refused)

    def on_key(self, key: int) -> bool:
        """Takes a key while a question is open: Enter is yes, unless lines are written."""
        if not self.children:
            return False
        dialog = self.children[0]
        if key in (ENTER, KEYPAD_ENTER) and dialog.yes and not dialog.multiline:
            dialog.answer(True)
        return True

    def on_touch_down(self, touch: Any) -> bool:
        if not self.is_open:
            return False
        if not self.children[0].collide_point(*touch.pos):
            if not self.children[0].is_written():  # which a press beside it would lose
                Window.release_all_keyboards()
                self.close()
            return True
        super().on_touch_down(touch)
        return True


Factory.register("Dialog", cls=Dialog)
kv.load(__file__)
