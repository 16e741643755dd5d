"""Finding somebody by handle or address, and the other ways to become friends."""

from typing import Any

from kivy.app import App
from kivy.factory import Factory
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout

from app import kv, phone
from app.widgets.page import Page


class FoundCard(ButtonBehavior, BoxLayout):
    """Who was found; a press shows the profile."""

    user_id = StringProperty("")
    name = StringProperty("")
    note = StringProperty("")


class AddFriend(Page):
    """A search for the whole handle or address; what is found leads to the profile."""

    handle = StringProperty("")
    """The account's own handle."""
    nobody = BooleanProperty(False)
    busy = BooleanProperty(False)
    found = ObjectProperty(None, allownone=True)

    def __init__(self, query: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._query = query

    def entered(self) -> None:
        self.ids.query.focus = not phone.is_phone()
        known = self.session.client.known_user(self.session.user_id)
        self.handle = known.handle if known else ""
        self.session.spawn(self._know_me())
        if self._query:
            self.ids.query.text = self._query
            self.search()

    async def _know_me(self) -> None:
        self.handle = (await self.session.client.me()).handle

    def search(self) -> None:
        """Looks for what is written."""
        query = self.ids.query.text.strip()
        if query and not self.busy:
            self.session.spawn(self._search(query))

    async def _search(self, query: str) -> None:
        self.busy, self.nobody, self.found = True, False, None
        try:
            self.found = await self.session.client.find_user(query)
            if self.found:
                # What the search tells is less than the profile.
                self.found = await self.session.client.user(self.found.user_id)
        finally:
            self.busy = False
        self.nobody = self.found is None

    def open(self) -> None:
        """Shows who was found."""
        App.get_running_app().go("person", user_id=self.found.user_id, source="search")


Factory.register("FoundCard", cls=FoundCard)
kv.load(__file__)
