"""The room of who is logged in: tabs, a list and a chat. Three panes when wide, one on a phone."""

from typing import Any

from kivy.metrics import dp
from kivy.properties import BooleanProperty, ObjectProperty, OptionProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from app import kv
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
    """Puts the panes where they fit; the same widgets, whatever the width."""

    session = ObjectProperty(None)
    tab = OptionProperty("chats", options=["chats", "contacts", "settings"])
    wide = BooleanProperty(True)

    def __init__(self, session: Session, faces: Faces, **options: Any) -> None:
        super().__init__(session=session, **options)
        self.chats = Chats(session, faces)
        self.contacts = Contacts(session, faces)
        self.settings = Settings(session)
        self.chat = Chat(session, faces)
        self.rail = Rail(desk=self)
        self.tabs = Tabs(desk=self)
        self.bind(width=self._measure, tab=self._arrange)
        self.chat.bind(conversation_id=self._arrange)
        self._measure()
        self._arrange()

    def _measure(self, *_: Any) -> None:
        wide = self.width >= dp(WIDE)
        if wide != self.wide:
            self.wide = wide
            self._arrange()

    def _arrange(self, *_: Any) -> None:
        pane: Widget = getattr(self, self.tab)
        for widget in (self.rail, self.tabs, self.chats, self.contacts, self.settings, self.chat):
            if widget.parent:
                widget.parent.remove_widget(widget)
        self.clear_widgets()
        self.chat.narrow = not self.wide
        self.chats.selected = self.chat.conversation_id if self.wide else ""
        if self.wide:
            self.orientation = "horizontal"
            pane.size_hint_x, pane.width = None, dp(LIST_WIDTH)
            shown: tuple[Widget, ...] = (self.rail, pane, Line(), self.chat)
        elif self.chat.conversation_id:
            self.orientation = "vertical"
            shown = (self.chat,)
        else:
            self.orientation = "vertical"
            pane.size_hint_x = 1
            shown = (pane, self.tabs)
        for widget in shown:
            self.add_widget(widget)

    def open(self, conversation_id: str) -> None:
        """Opens a chat."""
        self.tab = "chats" if self.wide else self.tab
        self.chat.open(conversation_id)

    def close(self) -> None:
        """Goes back from a chat."""
        self.chat.close()


class Line(Widget):
    """What stands between two panes."""


kv.load(__file__)
