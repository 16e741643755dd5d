"""Whom the account has blocked, and the way to take that back."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock

from app import kv
from app.widgets.listing import row
from app.widgets.page import Page
from hongyan_client import sorting


class Blocked(Page):
    """The list of blocked users, each with a button that unblocks."""

    def entered(self) -> None:
        self._refresh = Clock.create_trigger(self._load, 0.05)
        self.session.bind(on_people=self._refresh)
        App.get_running_app().words.bind(language=self._refresh)
        self._load()

    def left(self) -> None:
        self.session.unbind(on_people=self._refresh)
        App.get_running_app().words.unbind(language=self._refresh)
        self._refresh.cancel()

    def _load(self, *_: Any) -> None:
        if self.session.signed_in:
            self.session.spawn(self._show())

    async def _show(self) -> None:
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
