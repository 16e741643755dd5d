"""A new password: a code is mailed to the account's address, and every session ends."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import BooleanProperty, NumericProperty, StringProperty

from app import kv
from app.widgets.page import Page

CODE_SECONDS = 60
SHORTEST = 8


class PasswordPage(Page):
    """Asks for the code and the new password; afterwards one logs in with it."""

    email = StringProperty("")
    code_wait = NumericProperty(0)
    busy = BooleanProperty(False)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiting: Any = None

    def entered(self) -> None:
        self.session.bind(account=self._show)
        self._show()
        if not self.email:
            self.session.spawn(self.session.load_account())

    def left(self) -> None:
        self.session.unbind(account=self._show)
        if self._waiting:
            self._waiting.cancel()

    def _show(self, *_: Any) -> None:
        if self.session.account:
            self.email = self.session.account.email

    def send_code(self) -> None:
        """Has a code mailed."""
        if self.email and not self.code_wait:
            self.session.spawn(self._send_code())

    async def _send_code(self) -> None:
        await self.session.client.send_code(self.email, "reset_password")
        App.get_running_app().tell("code.sent")
        self.code_wait = CODE_SECONDS
        self._waiting = Clock.schedule_interval(self._tick, 1)

    def _tick(self, *_: Any) -> None:
        self.code_wait -= 1
        if self.code_wait <= 0:
            self._waiting.cancel()

    def submit(self) -> None:
        """Sets the password."""
        if len(self.ids.password.text) < SHORTEST:
            App.get_running_app().tell("password.short")
        elif not self.busy and self.ids.code.text.strip():
            self.busy = True
            self.session.spawn(self._submit())

    async def _submit(self) -> None:
        code, password = self.ids.code.text.strip(), self.ids.password.text
        try:
            await self.session.client.reset_password(self.email, code, password)
        finally:
            self.busy = False
        # The server has ended this session too: what is left is to say so here.
        await self.session.logout()
        App.get_running_app().tell("password.changed")


kv.load(__file__)
