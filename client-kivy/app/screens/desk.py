"""The room of who is logged in: tabs, a list, a chat and pages on it. Three panes, or one."""

import asyncio
from typing import Any

from kivy.metrics import dp
from kivy.properties import BooleanProperty, ListProperty, ObjectProperty, OptionProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from app import kv, pages
from app.faces import Faces
from app.screens.chat import Chat
from app.screens.chats import Chats
from app.screens.contacts import Contacts
from app.screens.settings import Settings
from app.session import Session

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
    tab = OptionProperty("chats", options=["chats", "contacts", "settings"])
    wide = BooleanProperty(True)
    pages = ListProperty([])

    def __init__(self, session: Session, faces: Faces, **options: Any) -> None:
        super().__init__(session=session, **options)
        self.chats = Chats(session, faces)
        self.contacts = Contacts(session, faces)
        self.settings = Settings(session)
        self.chat = Chat(session, faces)
        self.rail = Rail(desk=self)
        self.tabs = Tabs(desk=self)
        self._waiting: dict[Any, asyncio.Future[Any]] = {}
        self.bind(width=self._measure, tab=self._choose_tab, pages=self._arrange)
        self.chat.bind(conversation_id=self._arrange)
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
        for widget in (*parts, *self.pages):
            if widget.parent:
                widget.parent.remove_widget(widget)
        self.clear_widgets()
        detail = self.pages[-1] if self.pages else self.chat
        detail.narrow = self.chat.narrow = not self.wide
        self.chats.selected = self.chat.conversation_id if self.wide else ""
        if self.wide:
            self.orientation = "horizontal"
            pane.size_hint_x, pane.width = None, dp(LIST_WIDTH)
            shown: tuple[Widget, ...] = (self.rail, pane, Line(), detail)
        elif self.pages or self.chat.conversation_id:
            self.orientation = "vertical"
            shown = (detail,)
        else:
            self.orientation = "vertical"
            pane.size_hint_x = 1
            shown = (pane, self.tabs)
        for widget in shown:
            self.add_widget(widget)

    # The way there and back

    def open(self, conversation_id: str) -> None:
        """Opens a chat; pages that lay on it are closed."""
        if self.wide:
            self.tab = "chats"
        self.leave_all()
        self.chat.open(conversation_id)

    def go(self, name: str, **options: Any) -> Any:
        """Opens a page on what is shown, and returns it."""
        page = pages.make(name, **options)
        self.pages = [*self.pages, page]
        page.entered()
        return page

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
            self.leave(self.pages[-1])
            return True
        if self.chat.conversation_id and self.chat.step_back():
            return True
        if self.chat.conversation_id and not self.wide:
            self.chat.close()
            return True
        return False


class Line(Widget):
    """What stands between two panes."""


kv.load(__file__)
