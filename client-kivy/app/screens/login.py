"""Logging in with an address and a password."""

from app import kv
from app.screens.form import Form


class Login(Form):
    """Who has an account comes in here."""

    def checked(self) -> tuple[str, ...]:
        return "email", "password"

    async def act(self) -> None:
        await self.session.login(self.value("email"), self.value("password"))


kv.load(__file__)
