"""The settings' first page: whose account it is, and a way to each thing that can be set."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import ObjectProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout

from app import kv
from app.session import Session


class OwnCard(ButtonBehavior, BoxLayout):
    """The own picture and name; it leads to the own profile."""

    session = ObjectProperty(None)
    name = StringProperty("")
    note = StringProperty("")


class SettingsPane(BoxLayout):
    """The settings. What is known of the account shows without the server too."""

    session = ObjectProperty(None)
    me = StringProperty("")
    note = StringProperty("")

    def __init__(self, session: Session, **options: Any) -> None:
        super().__init__(session=session, **options)
        self._refresh = Clock.create_trigger(self._show, 0.05)
        session.bind(signed_in=self._refresh, account=self._refresh, on_people=self._refresh)
        App.get_running_app().words.bind(language=self._refresh)
        self._refresh()

    def _show(self, *_: Any) -> None:
        if not self.session.signed_in:
            self.me = self.note = ""
            return
        user, account = self.session.client.known_user(self.session.user_id), self.session.account
        words = App.get_running_app().words
        self.me = user.display_name if user else account.display_name if account else ""
        handle = user.handle if user else ""
        email = account.email if account else ""
        self.note = f"{words('account.handle')} {handle}" if handle else email

    def ask_logout(self) -> None:
        """Logs out of this device, if that is meant."""
        self.session.spawn(self._ask_logout())

    async def _ask_logout(self) -> None:
        app = App.get_running_app()
        unsent = len(self.session.client.pending())
        text = app.words("logout.unsent", count=unsent) if unsent else app.words("logout.text")
        if await app.dialogs.confirm(
            app.words("logout.title"), text, yes=app.words("settings.logout"), danger=True
        ):
            await self.session.logout()


kv.load(__file__)
