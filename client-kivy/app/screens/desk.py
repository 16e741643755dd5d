"""The room of who is logged in: tabs, a list, a chat and pages on it. Three panes, or one."""

import asyncio
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ListProperty, ObjectProperty, OptionProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from app import kv, pages, phone
from app.faces import Faces
from app.screens.chat import Chat
from app.screens.chats import Chats
from app.screens.contacts import Contacts
from app.screens.settings import SettingsPane
from app.session import Session
from app.widgets.hits import Hits

TABS = ("chats", "contacts", "settings")
WIDE = 700
LIST_WIDTH = 290


class Rail(BoxLayout):
    """The tabs at the side."""

    desk = ObjectProperty(None)


class Tabs(BoxLayout):
    """The tabs at the bottom of a phone."""

    desk = ObjectProperty(None)


class Desk(BoxLayout):
    """Puts the panes where they fit; the same widgets, whatever the width.

    What is right of the list, or on a phone instead of it: the newest of `pages`, else the chat.
    """

    session = ObjectProperty(None)
    tab = OptionProperty("chats", options=TABS)
    wide = BooleanProperty(True)
    pages = ListProperty([])

    def __init__(self, session: Session, faces: Faces, **options: Any) -> None:
        super().__init__(session=session, **options)
        self.chats = Chats(session, faces)
        self.contacts = Contacts(session, faces)
        self.settings = SettingsPane(session)
        self.chat = Chat(session, faces)
        self.rail = Rail(desk=self)
        self.tabs = Tabs(desk=self)
        self._waiting: dict[Any, asyncio.Future[Any]] = {}
        # After the press that opened it, which takes the keys from every field.
        self._let_write = Clock.create_trigger(self._write)
        self.hits = Hits()
        self.hits.bind(on_closed=self.close_hits)
        self.bind(width=self._measure, tab=self._choose_tab, pages=self._arrange)
        self.chat.bind(conversation_id=self._arrange)
        self.chat.bind(conversation_id=self._keep)
        self.bind(tab=self._keep)
        self._measure()
        self._arrange()

    # Where things stand

    def _measure(self, *_: Any) -> None:
        wide = self.width >= dp(WIDE)
        if wide != self.wide:
            self.wide = wide
            self._arrange()

    def _choose_tab(self, *_: Any) -> None:
        self.leave_all()
        self._arrange()

    def _arrange(self, *_: Any) -> None:
        pane: Widget = getattr(self, self.tab)
        parts = (self.rail, self.tabs, self.chats, self.contacts, self.settings, self.chat)
        for widget in (*parts, self.hits, *self.pages):
            if widget.parent:
                widget.parent.remove_widget(widget)
        self.clear_widgets()
        detail = self.pages[-1] if self.pages else self.chat
        detail.narrow = self.chat.narrow = not self.wide
        if detail is self.chat and self._has_hits:
            detail = self._below(self.hits, self.chat)
        self.chats.selected = self.chat.conversation_id if self.wide else ""
        if self.wide:
            self.orientation = "horizontal"
            pane.size_hint_x, pane.width = None, dp(LIST_WIDTH)
            shown: tuple[Widget, ...] = (self.rail, pane, PaneLine(), detail)
        elif self.pages or self.chat.conversation_id:
            self.orientation = "vertical"
            shown = (detail,)
        else:
            self.orientation = "vertical"
            pane.size_hint_x = 1
            shown = (pane, self.tabs)
        for widget in shown:
            self.add_widget(widget)

    @staticmethod
    def _below(above: Widget, below: Widget) -> Widget:
        """Returns two widgets, one below the other, as one."""
        both = BoxLayout(orientation="vertical")
        for widget in (above, below):
            both.add_widget(widget)
        return both

    def restore(self) -> None:
        """Shows what was open when the app was closed, from what this device has."""
        if not self.session.signed_in:
            return
        kept = App.get_running_app().preferences
        id = kept.conversation_id
        self.tab = kept.tab if kept.tab in TABS else "chats"
        known = self.session.client.conversation(id) if id else None
        if self.wide and self.tab == "chats" and known and not known.settings.removed:
            self.open(id)

    def _keep(self, *_: Any) -> None:
        """Keeps what is open for the next time."""
        if self.session.signed_in:
            kept = App.get_running_app().preferences
            kept.tab, kept.conversation_id = self.tab, self.chat.conversation_id

    # The way there and back

    def open(self, conversation_id: str, seq: int = 0) -> None:
        """Opens a chat, perhaps at a message; pages that lay on it are closed."""
        if self.wide:
            self.tab = "chats"
        self.leave_all()
        if self.hits.conversation_id != conversation_id:
            self.hits.conversation_id = ""
        self.chat.open(conversation_id, seq)
        if self.wide and not phone.is_phone():
            self._let_write()
        known = self.session.client.conversation(conversation_id)
        if known and known.settings.marked_unread:
            client = self.session.client
            self.session.spawn(client.update_settings(conversation_id, marked_unread=False))

    def _write(self, *_: Any) -> None:
        """Lets the keys go to the chat that has just been opened."""
        app = App.get_running_app()
        covered = self.pages or app.menu.is_open or app.dialogs.is_open
        if self.chat.conversation_id and self.chat.parent and not covered:
            self.chat.composer.focus()

    def show_tab(self, name: str) -> None:
        """Shows a tab; on a phone what lies on it goes."""
        self.leave_all()
        if not self.wide:
            self.chat.close()
        self.tab = name

    def search(self) -> None:
        """Begins to look for something: in the list, or where that is hidden, on a page."""
        if self.wide or not (self.pages or self.chat.conversation_id):
            self.tab = "chats"
            self.chats.search()
        elif not self.has("search", conversation_id=""):
            self.go("search")

    # What was found in the chat

    @property
    def _has_hits(self) -> bool:
        return bool(self.chat.conversation_id) and (
            self.hits.conversation_id == self.chat.conversation_id
        )

    def close_hits(self, *_: Any) -> None:
        """Takes the bar above the chat away."""
        self.hits.conversation_id = ""
        self._arrange()

    def go(self, name: str, **options: Any) -> Any:
        """Opens a page on what is shown, and returns it."""
        page = pages.make(name, **options)
        self.pages = [*self.pages, page]
        page.entered()
        return page

    def has(self, name: str, **values: Any) -> bool:
        """Returns whether the newest page is of a name, and has such values."""
        newest = self.pages[-1] if self.pages else None
        made = type(newest).__name__ == pages.PAGES[name][1]
        return made and all(getattr(newest, key) == it for key, it in values.items())

    async def pick(self, name: str, **options: Any) -> Any:
        """Opens a page and waits for its result; None when it was left without one."""
        page = self.go(name, **options)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[page] = future
        return await future

    def leave(self, page: Any) -> None:
        """Closes a page and those on it."""
        if page in self.pages:
            at = self.pages.index(page)
            closed, self.pages = self.pages[at:], self.pages[:at]
            for it in reversed(closed):
                it.left()
                if (future := self._waiting.pop(it, None)) and not future.done():
                    future.set_result(it.result)

    def leave_all(self) -> None:
        """Closes all pages."""
        if self.pages:
            self.leave(self.pages[0])

    def back(self) -> bool:
        """Closes the newest page, or the chat where it hides the list; False: there is none."""
        if self.pages:
            self.pages[-1].go_back()
            return True
        if self.chats.parent and self.chats.leave_search():
            return True
        if self.chat.conversation_id and self.chat.parent and self.chat.step_back():
            return True
        if self._has_hits:
            self.close_hits()
            return True
        if self.chat.conversation_id and not self.wide:
            self.chat.close()
            return True
        return False


class PaneLine(Widget):
    """What stands between two panes."""


kv.load(__file__)
