"""Making an account with a code that comes by mail."""

from app import kv
from app.screens.form import Form


class Register(Form):
    """Who has no account yet makes one, and is logged in."""

    purpose = "register"

    def checked(self) -> tuple[str, ...]:
        return "name", "email", "code", "password"

    async def act(self) -> None:
        email, password = self.value("email"), self.value("password")
        client = self.session.client
        await client.register(email, self.value("code"), password, self.value("name"))
        await self.session.login(email, password)


kv.load(__file__)
