"""The list of chats: who, what was said last, when, and how much of it is new; and the search."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import (
    BooleanProperty,
    NumericProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label

from app import chat_rows, kv, pages
from app.desktop import badge
from app.faces import Faces
from app.searching import Searching
from app.session import Session
from app.widgets.chat_list import ChatList  # noqa: F401 - the rules name it
from app.widgets.found import FoundList  # noqa: F401
from app.widgets.menu import Item
from app.widgets.search_field import SearchField  # noqa: F401
from hongyan_client.model import Message

# A short cut is not worth a word.
PATIENCE_SECONDS = 2.0
TYPING_SECONDS = 6.0
WATCHED = 200
BEGINNINGS = (
    ("group_new", "chats.new_group", "account_multiple_plus_outline"),
    ("add_friend", "chats.add_friend", "account_plus_outline"),
    ("scan", "chats.scan", "qrcode_scan"),
)


class Chip(ButtonBehavior, Label):
    """A way to show only some of the chats."""

    active = BooleanProperty(False)


class Chats(BoxLayout):
    """The list, kept by the session's events; many of one frame are one change."""

    session = ObjectProperty(None)
    faces = ObjectProperty(None)
    query = StringProperty("")
    """What is looked for; while there is something, the results take the list's place."""
    selected = StringProperty("")
    filter = OptionProperty("all", options=["all", "unread"])
    unread = NumericProperty(0)
    """In how many chats of the list there is something new."""
    trouble = OptionProperty("", options=["", "offline", "connecting"])
    """What is wrong with the connection, when it has been so for a while."""
    pulling = BooleanProperty(False)
    """Whether what is new is being fetched."""
    empty = BooleanProperty(False)

    def __init__(self, session: Session, faces: Faces, **options: Any) -> None:
        self.searching = Searching(session)
        super().__init__(session=session, faces=faces, **options)
        self._typing: dict[str, float] = {}
        self._refresh = Clock.create_trigger(self._show, 0.03)
        self._forget = Clock.create_trigger(self._forget_typing, 0.5)
        self._doubt = Clock.create_trigger(self._judge, PATIENCE_SECONDS)
        app = App.get_running_app()
        session.bind(on_chats=self._refresh, on_people=self._refresh, signed_in=self._refresh)
        session.bind(on_typing=self._on_typing, on_arrived=self._on_arrived)
        session.bind(state=self._on_state, pulling=self._on_state)
        faces.bind(on_changed=self._refresh)
        app.words.bind(language=self._refresh)
        self.bind(query=self._look, selected=self._refresh, filter=self._refresh)
        self.ids.found.searching = self.searching
        self._doubt()
        self._refresh()

    # What is shown

    def _show(self, *_: Any) -> None:
        if not self.session.signed_in:
            self.ids.list.put([])
            self.session.unread = 0
            self._typing.clear()
            self.ids.field.clear()
            return
        rows = chat_rows.Rows(self.session, self.faces, App.get_running_app().words, self._typing)
        chats = chat_rows.chats(self.session)
        listed = [it for it in chats if not it.box]
        new = [it for it in listed if it.unread]
        self.unread = len(new)
        self.session.unread = badge.unread(self.session)
        shown = listed
        if self.filter == "unread":
            # What is open stays until something else is, though it is read now.
            shown = [it for it in listed if it in new or self._is_open(it)]
        data = [rows.chat(it, self.selected) for it in shown]
        if self.filter == "all":
            for kind in reversed(chat_rows.BOXES):
                if inside := [it for it in chats if it.box == kind]:
                    data.insert(self._place(data), rows.box(kind, inside))
        self.ids.list.put(data)
        self.empty = not data
        self._watch(listed)

    def _is_open(self, chat: chat_rows.Chat) -> bool:
        return chat.conversation.conversation_id == self.selected

    @staticmethod
    def _place(data: Sequence[dict[str, Any]]) -> int:
        """Returns where a box stands: below the pinned chats."""
        return next((n for n, it in enumerate(data) if not it["pinned"]), len(data))

    def _watch(self, listed: Sequence[chat_rows.Chat]) -> None:
        mine = self.session.user_id
        peers = (it.conversation.peer_id(mine) for it in listed if not it.conversation.group)
        self.session.watch("chats", [it for it in peers if it != mine][:WATCHED])

    # Typing

    def _on_typing(self, _: Any, conversation_id: str) -> None:
        self._typing[conversation_id] = time.monotonic() + TYPING_SECONDS
        self._forget()
        self._refresh()

    def _on_arrived(self, _: Any, message: Message) -> None:
        self._typing.pop(message.conversation_id, None)

    def _forget_typing(self, *_: Any) -> None:
        now = time.monotonic()
        over = [it for it, until in self._typing.items() if until <= now]
        for it in over:
            del self._typing[it]
        if over:
            self._refresh()
        if self._typing:
            self._forget()

    # The connection

    def _on_state(self, *_: Any) -> None:
        if self.session.state == "online":
            self.trouble = ""
        if not self.session.pulling:
            self.pulling = False
        if not self._doubt.is_triggered:
            self._doubt()

    def _judge(self, *_: Any) -> None:
        state = self.session.state
        self.trouble = state if state in ("offline", "connecting") else ""
        self.pulling = self.session.pulling

    def retry(self) -> None:
        """Tries to connect at once."""
        self.session.client.reconnect_now()

    # What is done

    def begin_menu(self, where: Sequence[float]) -> None:
        """Asks what to begin."""
        app = App.get_running_app()
        items = [Item(app.words("chats.new_chat"), self.begin, "message_plus_outline")]
        for page, text, icon in BEGINNINGS:
            if page in pages.PAGES:
                items.append(Item(app.words(text), partial(app.go, page), icon))
        app.menu.show(where, items)

    def begin(self) -> None:
        """Asks with whom, and opens the chat."""
        self.session.spawn(self._begin())

    async def _begin(self) -> None:
        app = App.get_running_app()
        chosen = await app.pick("pick_chat", limit=1, title=app.words("chats.new_chat"))
        if chosen:
            app.open_chat(chosen[0])

    def move(self, step: int) -> bool:
        """Opens the chat above (-1) or below (1) the one that is open."""
        keys = [it["key"] for it in self.ids.list.data]
        keys = [it for it in keys if not it.startswith(chat_rows.BOX)]
        app = App.get_running_app()
        current = app.desk.chat.conversation_id
        if not keys:
            return False
        at = keys.index(current) + step if current in keys else 0 if step > 0 else len(keys) - 1
        if 0 <= at < len(keys):
            app.open_chat(keys[at])
        return True

    def open_unread(self) -> bool:
        """Opens the next chat with something new, muted ones last; False: there is none."""
        app = App.get_running_app()
        current = app.desk.chat.conversation_id
        rows = [it for it in self.ids.list.data if it["unread"] and it["key"] != current]
        rows = [it for it in rows if not it["key"].startswith(chat_rows.BOX)]
        rows.sort(key=lambda it: it["muted"])
        if rows:
            app.open_chat(rows[0]["key"])
        return bool(rows)

    # The search

    def _look(self, *_: Any) -> None:
        self.searching.query = self.query

    def search(self) -> None:
        """Puts the cursor into the field."""
        self.ids.field.take()

    def leave_search(self) -> bool:
        """Shows the list again; False: it is shown."""
        if not self.query and not self.ids.field.ids.input.focus:
            return False
        self.ids.field.clear()
        self.ids.field.ids.input.focus = False
        return True

    def opened(self) -> None:
        """A result was opened: on a phone the list is shown when one comes back."""
        if not App.get_running_app().desk.wide:
            self.leave_search()

    def show_all(self, tab: str) -> None:
        """Opens the page of the search with all of one kind."""
        App.get_running_app().go("search", query=self.query, tab=tab)


kv.load(__file__)
