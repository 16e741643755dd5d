"""The end of an account: what it means, the password, and one more question."""

from kivy.app import App
from kivy.properties import BooleanProperty

from app import kv
from app.widgets.page import Page


class DeleteAccountPage(Page):
    """Deletes the account for good, and what this device has of it."""

    busy = BooleanProperty(False)

    def ask(self) -> None:
        """Deletes the account, if that is meant."""
        if self.ids.password.text and not self.busy:
            self.session.spawn(self._ask(self.ids.password.text))

    async def _ask(self, password: str) -> None:
        app = App.get_running_app()
        account = self.session.account or await self.session.load_account()
        text = app.words("delete.ask_text", name=account.display_name, email=account.email)
        if not await app.dialogs.confirm(
            app.words("delete.ask"), text, yes=app.words("delete.button"), danger=True
        ):
            return
        self.busy = True
        try:
            await self.session.delete_account(password)
        finally:
            self.busy = False
        app.tell("delete.done")


kv.load(__file__)
