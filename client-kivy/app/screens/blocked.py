"""Whom the account has blocked, and the way to take that back."""

from kivy.app import App

from app import kv
from app.widgets.listing import row
from app.widgets.people_page import PeoplePage
from hongyan_client import sorting


class Blocked(PeoplePage):
    """The list of blocked users, each with a button that unblocks."""

    async def read(self) -> None:
        named = [
            (self.session.name(it.user_id) or "…", it.user_id)
            for it in await self.session.client.contacts()
            if it.blocked
        ]
        named.sort(key=lambda it: sorting.place(it[0]))
        button = App.get_running_app().words("person.unblock")
        self.ids.list.data = [row(id, name, face=id, button=button) for name, id in named]
        self.ids.none.opacity = 0 if named else 1

    def open(self, user_id: str) -> None:
        """Shows who it is."""
        App.get_running_app().go("person", user_id=user_id)

    def unblock(self, user_id: str) -> None:
        """Takes a block back."""
        self.session.spawn(self._unblock(user_id))

    async def _unblock(self, user_id: str) -> None:
        await self.session.client.unblock(user_id)
        App.get_running_app().tell("person.unblocked")
        self.session.dispatch("on_people")


kv.load(__file__)
