"""Before there is an account: log in, register with a mailed code, set a new password."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import NumericProperty, ObjectProperty, OptionProperty
from kivy.uix.anchorlayout import AnchorLayout

from app import kv
from app.session import Session

CODE_SECONDS = 60
PURPOSES = {"register": "register", "reset": "reset_password"}


class Entry(AnchorLayout):
    """One card in three forms; what was written stays when the form changes."""

    session = ObjectProperty(None)
    form = OptionProperty("login", options=["login", "register", "reset"])
    code_wait = NumericProperty(0)

    def __init__(self, session: Session, **options: Any) -> None:
        super().__init__(session=session, **options)
        self._waiting: Any = None

    def send_code(self) -> None:
        """Has a code mailed."""
        email = self.ids.email.text.strip()
        if email and not self.code_wait:
            self.session.spawn(self._send_code(email))

    async def _send_code(self, email: str) -> None:
        await self.session.client.send_code(email, PURPOSES[self.form])
        App.get_running_app().tell("code.sent")
        self.code_wait = CODE_SECONDS
        self._waiting = Clock.schedule_interval(self._tick, 1)

    def _tick(self, *_: Any) -> None:
        self.code_wait -= 1
        if self.code_wait <= 0:
            self._waiting.cancel()

    def submit(self) -> None:
        """Does what the form is for."""
        if not self.ids.go.busy:
            self.ids.go.busy = True
            self.session.spawn(self._submit())

    async def _submit(self) -> None:
        email, password = self.ids.email.text.strip(), self.ids.password.text
        code, client = self.ids.code.text.strip(), self.session.client
        try:
            if self.form == "reset":
                await client.reset_password(email, code, password)
                App.get_running_app().tell("password.set")
                self.form = "login"
                return
            if self.form == "register":
                await client.register(email, code, password, self.ids.name.text.strip())
            await self.session.login(email, password)
            self.ids.password.text = self.ids.code.text = ""
        finally:
            self.ids.go.busy = False


kv.load(__file__)
