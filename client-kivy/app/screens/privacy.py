"""Who finds the account, who may reach it, and what others see of it."""

import asyncio
from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, StringProperty

from app import kv
from app.widgets.page import Page
from hongyan_client.model import Account

ADD = ("everybody", "known", "code", "nobody")
STRANGERS = ("box", "refuse")


class PrivacyPage(Page):
    """Each choice shows at once, and goes back when the server does not take it."""

    known = BooleanProperty(False)
    found_by_handle = BooleanProperty(True)
    found_by_email = BooleanProperty(True)
    who_may_add = StringProperty("everybody")
    strangers = StringProperty("box")
    read_receipts = BooleanProperty(True)
    presence_hidden = BooleanProperty(False)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turn = asyncio.Lock()
        self._wanted: dict[str, Any] = {}

    def entered(self) -> None:
        self.session.bind(account=self._show)
        self._show()
        self.session.spawn(self.session.load_account())

    def left(self) -> None:
        self.session.unbind(account=self._show)

    def _show(self, *_: Any) -> None:
        account = self.session.account
        self.known = account is not None
        if account is None:
            return
        for name in ("found_by_handle", "found_by_email", "who_may_add", "strangers"):
            setattr(self, name, self._wanted.get(name, getattr(account.privacy, name)))
        self.read_receipts = self._wanted.get("read_receipts", account.privacy.read_receipts)
        self.presence_hidden = self._wanted.get("presence_hidden", account.presence_hidden)

    def choose(self, name: str, value: Any) -> None:
        """Sets one of the fields of `Client.update_me`."""
        if self.known:
            self._wanted[name] = value
            self._show()
            self.session.spawn(self._save(name, value))

    async def _save(self, name: str, value: Any) -> None:
        account: Account | None = None
        try:
            async with self._turn:
                account = await self.session.client.update_me(**{name: value})
        finally:
            # A later choice of the same field shows until its own answer.
            if self._wanted.get(name) == value:
                del self._wanted[name]
            if account is not None:
                self.session.take(account)
            self._show()

    def choose_add(self) -> None:
        """Asks who may ask to be friends."""
        self.session.spawn(self._choose("who_may_add", "privacy.add", ADD))

    def choose_strangers(self) -> None:
        """Asks what becomes of messages by strangers."""
        self.session.spawn(self._choose("strangers", "privacy.strangers", STRANGERS))

    async def _choose(self, name: str, key: str, options: tuple[str, ...]) -> None:
        app = App.get_running_app()
        choices = [(it, app.words(f"{key}_{it}")) for it in options]
        chosen = await app.dialogs.choose(app.words(key), choices, getattr(self, name))
        if chosen is not None:
            self.choose(name, chosen)


kv.load(__file__)
