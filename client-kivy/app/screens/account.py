"""The account itself: its address and handle, the password, all its data as a file, its end."""

import asyncio
from datetime import datetime
from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty

from app import files, kv
from app.desktop import folders
from app.widgets.page import Page
from hongyan_client.export import export


class AccountPage(Page):
    """What is known of the account, and what can be done with it."""

    email = StringProperty("")
    handle = StringProperty("")
    exporting = BooleanProperty(False)
    progress = StringProperty("")
    exported = ObjectProperty(None, allownone=True)
    """The file that was written last from here."""

    def entered(self) -> None:
        self.session.bind(account=self._show, on_people=self._show)
        self._show()
        self.session.spawn(self.session.load_account())

    def left(self) -> None:
        self.session.unbind(account=self._show, on_people=self._show)

    def _show(self, *_: Any) -> None:
        if account := self.session.account:
            self.email = account.email
        if self.session.signed_in and (user := self.session.user(self.session.user_id)):
            self.handle = user.handle

    def ask_export(self) -> None:
        """Writes all that the server has of the account to a file."""
        if not self.exporting:
            self.session.spawn(self._export())

    async def _export(self) -> None:
        app = App.get_running_app()
        name = app.words("account.export_name", date=f"{datetime.now():%Y-%m-%d}")
        path = await files.place(f"{name}.zip")
        if path is None:
            return
        self.exporting, self.progress = True, app.words("account.export_begins")
        self.exported = None
        try:
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            count = await export(self.session.client, path, self._tell)
        except OSError:
            app.tell("account.export_failed")
            return
        finally:
            self.exporting = False
            path.with_name(f"{path.name}.part").unlink(missing_ok=True)
        self.exported = path
        app.tell("account.exported", count=count)

    def _tell(self, _: str, done: int, total: int) -> None:
        words = App.get_running_app().words
        self.progress = words("account.exporting", done=done, total=total)

    def show_folder(self) -> None:
        """Opens the folder with what was exported."""
        folders.show(self.exported.parent)


kv.load(__file__)
