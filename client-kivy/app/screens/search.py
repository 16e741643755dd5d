"""The search as a page: everywhere by tabs, or in one chat; what was looked for lately."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import BooleanProperty, ObjectProperty, OptionProperty, StringProperty

from app import found_rows, kv
from app.screens.chats import Chip  # noqa: F401 - the rules name it
from app.searching import Searching
from app.widgets.found import FoundList  # noqa: F401
from app.widgets.listing import row
from app.widgets.page import Page
from app.widgets.search_field import SearchField  # noqa: F401


class SearchPage(Page):
    """Looks for `query`. In one chat, what was found can be gone through from the chat."""

    conversation_id = StringProperty("")
    """The chat to look in; empty: everywhere."""
    query = StringProperty("")
    tab = OptionProperty("all", options=list(found_rows.TABS))
    place = StringProperty("")
    """What the chat is called."""
    searching = ObjectProperty(None)
    recent = BooleanProperty(False)
    """Whether recent searches are shown."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.searching = Searching(self.session, conversation_id=self.conversation_id)
        if known := self.session.client.conversation(self.conversation_id):
            self.place = self.session.title(known)
        self.bind(query=self._look)

    def entered(self) -> None:
        self.ids.found.searching = self.searching
        App.get_running_app().preferences.fbind("recent_searches", self._show_recent)
        self.ids.field.text = self.query
        self._look()
        Clock.schedule_once(lambda *_: self.ids.field.take())

    def left(self) -> None:
        App.get_running_app().preferences.funbind("recent_searches", self._show_recent)
        self.searching.stop()

    def _look(self, *_: Any) -> None:
        self.searching.query = self.query
        self._show_recent()

    def _show_recent(self, *_: Any) -> None:
        kept = App.get_running_app().preferences.recent_searches
        self.recent = bool(kept) and not self.query.strip()
        self.ids.recent.data = [row(it, it, icon="history") for it in kept] if self.recent else []

    def again(self, words: str) -> None:
        """Looks for something that was looked for before."""
        self.ids.field.text = words

    def forget(self) -> None:
        """Forgets what was looked for."""
        App.get_running_app().preferences.recent_searches = []

    def opened(self, key: str) -> None:
        """A message of one chat was opened: the others can be gone through from there."""
        if self.conversation_id and key.startswith(found_rows.MESSAGE):
            seq = int(key.rpartition(":")[2])
            seqs = [it.seq for it in self.searching.messages]
            hits = App.get_running_app().desk.hits
            hits.show(self.conversation_id, self.searching.words, seqs, seq)


kv.load(__file__)
