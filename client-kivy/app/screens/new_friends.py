"""Requests to be friends, those that came and those that were sent, and what became of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kivy.app import App
from kivy.factory import Factory
from kivy.metrics import dp
from kivy.properties import BooleanProperty, StringProperty

from app import clock, kv
from app.widgets.listing import EMPTY, ListRow, heading
from app.widgets.menu import Item
from app.widgets.people_page import PeoplePage
from hongyan_client.model import ContactRequest

ROW = 78.0


class RequestRow(ListRow):
    """A request: who, what they say, how they came and when, and its state or what can be done."""

    where_from = StringProperty("")
    state_text = StringProperty("")
    answerable = BooleanProperty(False)
    """Whether there is a menu: the request waits."""

    def show_menu(self, button: Any) -> None:
        """Opens the menu below its button."""
        left, bottom = button.to_window(button.x, button.y)
        self.listing.dispatch("on_menu", self.key, (left - dp(100), bottom))


class NewFriends(PeoplePage):
    """The list of requests."""

    async def read(self) -> None:
        words = App.get_running_app().words
        requests = await self.session.client.contact_requests()
        data: list[dict[str, Any]] = []
        for key, incoming in (("requests.got", True), ("requests.sent", False)):
            some = [self._row(it) for it in requests if it.incoming is incoming]
            if some:
                data += [{**PLAIN, **heading(words(key))}, *some]
        self.ids.list.data = data
        self.ids.none.opacity = 0 if data else 1

    def _row(self, request: ContactRequest) -> dict[str, Any]:
        words, now = App.get_running_app().words, datetime.now(UTC)
        pending = request.state == "pending" and request.expires_at > now
        state = request.state if pending or request.state != "pending" else "expired"
        greeting = "requests.no_greeting" if request.incoming else "requests.sent_plain"
        came = words("source.from", source=words(f"source.{request.source or 'search'}"))
        return {
            **PLAIN,
            "key": request.user_id,
            "title": self.session.name(request.user_id) or "…",
            "note": request.greeting or words(greeting),
            "where_from": f"{came} · {clock.short(request.created_at, now, words)}",
            "face": request.user_id,
            "button": words("button.accept") if pending and request.incoming else "",
            "state_text": "" if pending and request.incoming else words(f"requests.{state}"),
            "answerable": pending,
            "key_size": (None, dp(ROW)),
        }

    def open(self, user_id: str) -> None:
        """Shows who it is."""
        App.get_running_app().go("person", user_id=user_id)

    def accept(self, user_id: str) -> None:
        """Accepts a request."""
        self.session.spawn(self._accept(user_id))

    async def _accept(self, user_id: str) -> None:
        await self.session.client.accept_contact(user_id)
        App.get_running_app().tell("contacts.friends_now")
        self.session.dispatch("on_people")

    def show_menu(self, user_id: str, where: Sequence[float]) -> None:
        """Opens what can be done with a request that waits."""
        data = next((it for it in self.ids.list.data if it["key"] == user_id), None)
        if data is None:
            return
        app, client = App.get_running_app(), self.session.client
        items = [Item(app.words("requests.open"), partial(self.open, user_id), "account_outline")]
        if data["answerable"] and data["button"]:
            decline = partial(self._answer, client.decline_contact, user_id)
            items.append(Item(app.words("requests.decline"), decline, "close", danger=True))
        elif data["answerable"]:
            withdraw = partial(self._answer, client.withdraw_contact, user_id)
            items.append(Item(app.words("requests.withdraw"), withdraw, "undo", danger=True))
        app.menu.show(where, items)

    def _answer(self, call: Any, user_id: str) -> None:
        async def answer() -> None:
            await call(user_id)
            self.session.dispatch("on_people")

        self.session.spawn(answer())


PLAIN: dict[str, Any] = {**EMPTY, "where_from": "", "state_text": "", "answerable": False}
Factory.register("RequestRow", cls=RequestRow)
kv.load(__file__)
