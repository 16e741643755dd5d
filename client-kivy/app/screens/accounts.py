"""The accounts of this device, and how one goes from one to another without starting anew."""

from typing import Any

from kivy.app import App
from kivy.properties import ObjectProperty, StringProperty

from app import kv
from app.desktop import profiles
from app.widgets.listing import Listing, row
from app.widgets.page import Page

ADD = "add"


class AccountsPage(Page):
    """A press becomes that account; the last row leads to the door, for one more."""

    note = StringProperty("")
    current = ObjectProperty(None, allownone=True)

    def entered(self) -> None:
        App.get_running_app().words.bind(language=self._show)
        self.session.bind(account=self._show)
        self.faces.bind(version=self._show)
        self._show()

    def left(self) -> None:
        App.get_running_app().words.unbind(language=self._show)
        self.session.unbind(account=self._show)
        self.faces.unbind(version=self._show)

    def _show(self, *_: Any) -> None:
        words, home = App.get_running_app().words, self.session.client.home
        listing: Listing = self.ids.list
        self._places = {it.home.name: it.home for it in profiles.beside(home)}
        rows = []
        for it in profiles.beside(home):
            here = it.home == home
            if it.card is None:
                title, note, texture = words("accounts.nobody"), "", None
            else:
                title, note = it.card.name or it.card.email, it.card.email
                own = here and it.card.user_id == self.session.user_id
                texture = (
                    self.faces.of_user(it.card.user_id)
                    if own
                    else self.faces.of_letter(it.card.user_id, it.card.name)
                )
            rows.append(
                row(
                    it.home.name,
                    title,
                    note=note,
                    texture=texture,
                    icon="" if it.card else "account_outline",
                    trailing=words("accounts.current") if here else "",
                )
            )
        listing.data = [*rows, row(ADD, words("accounts.add"), icon="account_plus_outline")]

    def choose(self, key: str) -> None:
        """Becomes another account."""
        app = App.get_running_app()
        home = self.session.client.home
        place = profiles.fresh(home) if key == ADD else self._places[key]
        if place != home:
            app.desktop.switch(place)
        else:
            self.done()


kv.load(__file__)
