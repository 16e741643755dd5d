"""Chats that do not stand in the list: those that were put away, and those of strangers."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import BooleanProperty, OptionProperty

from app import chat_rows, kv
from app.widgets.chat_list import ChatList  # noqa: F401 - the rules name it
from app.widgets.page import Page


class Box(Page):
    """One box, kept by the session's events."""

    kind = OptionProperty("archived", options=list(chat_rows.BOXES))
    empty = BooleanProperty(False)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._refresh = Clock.create_trigger(self._show, 0.03)

    def entered(self) -> None:
        for event in ("on_chats", "on_people"):
            self.session.fbind(event, self._refresh)
        self.faces.fbind("on_changed", self._refresh)
        self._show()

    def left(self) -> None:
        for event in ("on_chats", "on_people"):
            self.session.funbind(event, self._refresh)
        self.faces.funbind("on_changed", self._refresh)

    def _show(self, *_: Any) -> None:
        if not self.session.signed_in:
            return
        rows = chat_rows.Rows(self.session, self.faces, App.get_running_app().words, {})
        chats = [it for it in chat_rows.chats(self.session) if it.box == self.kind]
        self.ids.list.put([rows.chat(it) for it in chats])
        self.empty = not chats


kv.load(__file__)
