"""A new password for who forgot the old one, with a code that comes by mail."""

from kivy.app import App

from app import kv
from app.screens.form import Form


class Reset(Form):
    """Sets a new password; every device of the account is logged out by it."""

    purpose = "reset_password"

    def checked(self) -> tuple[str, ...]:
        return "email", "code", "password"

    async def act(self) -> None:
        email, code = self.value("email"), self.value("code")
        await self.session.client.reset_password(email, code, self.value("password"))
        App.get_running_app().tell("password.set")
        self.forget()
        self.entry.form = "login"


kv.load(__file__)
