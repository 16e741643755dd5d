"""The account itself: its address and handle, the password, all its data as a file, its end."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty

from app import kv
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
        self.session.bind(account=self._show)
        self._show()
        self.session.spawn(self.session.load_account())

    def left(self) -> None:
        self.session.unbind(account=self._show)

    def _show(self, *_: Any) -> None:
        if account := self.session.account:
            self.email, self.handle = account.email, account.handle

    def ask_export(self) -> None:
        """Writes all that the server has of the account to a file, after asking where."""
        if not self.exporting:
            self.session.spawn(self._export())

    async def _export(self) -> None:
        app = App.get_running_app()
        name = app.words("account.export_name", date=f"{datetime.now():%Y-%m-%d}")
        offered = folders.unused(folders.downloads() / f"{name}.zip")
        chosen = await app.dialogs.ask(app.words("account.export_where"), str(offered))
        if not chosen:
            return
        path = Path(os.path.expanduser(chosen))  # noqa: ASYNC240 - no disk is asked
        if path.suffix.lower() != ".zip":
            path = path.with_name(f"{path.name}.zip")
        self.exporting, self.progress = True, app.words("account.export_begins")
        self.exported = None
        try:
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
