"""The account's own code: a card with a QR code by which others ask to be friends."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.core.clipboard import Clipboard
from kivy.properties import BooleanProperty, StringProperty

from app import files, kv
from app.widgets.page import Page
from hongyan_client import codes
from hongyan_client.errors import NotFound
from hongyan_client.model import ContactCode
from hongyan_client.people import ADD_LINK
from hongyan_client.tokens import write_private

# A code with less left is made anew: a saved picture should work for some days.
LEFT = timedelta(days=2)
# The server's limit is 20; when it is near, the oldest go, which nobody remembers.
MOST = 18


class MyCode(Page):
    """The same code every time while it works, so that a picture that was saved works too."""

    link = StringProperty("")
    name = StringProperty("")
    region = StringProperty("")
    expires = StringProperty("")
    busy = BooleanProperty(False)

    def entered(self) -> None:
        self._code: ContactCode | None = None
        self._refresh = Clock.create_trigger(self._show, 0.05)
        self.session.bind(on_people=self._refresh)
        App.get_running_app().words.bind(language=self._refresh)
        self._show()
        self.session.spawn(self._open())

    def left(self) -> None:
        self.session.unbind(on_people=self._refresh)
        App.get_running_app().words.unbind(language=self._refresh)
        self._refresh.cancel()

    def _show(self, *_: Any) -> None:
        if not self.session.signed_in:
            return
        words = App.get_running_app().words
        me = self.session.user(self.session.user_id)
        self.name = self.session.name(self.session.user_id)
        self.region = me.region if me else ""
        self.link = ADD_LINK + self._code.code if self._code else ""
        until = ""
        if self._code:
            ends = self._code.expires_at.astimezone()
            until = words(
                "code.until",
                day=words("time.month", month=ends.month, day=ends.day),
                hour=f"{ends:%H:%M}",
            )
        self.expires = until

    # The code

    @property
    def _path(self) -> Path:
        return self.session.client.home / "accounts" / f"{self.session.user_id}.code.json"

    async def _open(self) -> None:
        """Shows the code of last time if it still works, else a new one."""
        self.busy = True
        try:
            working = await self.session.client.contact_codes()
            kept = await asyncio.to_thread(_read, self._path)
            fresh = kept and kept.expires_at - datetime.now(UTC) > LEFT
            if kept and fresh and any(it.code_id == kept.code_id for it in working):
                self._code = kept
            else:
                await self._make(working)
        finally:
            self.busy = False
        self._show()

    async def _make(self, working: list[ContactCode]) -> None:
        oldest = sorted(working, key=lambda it: it.expires_at)
        for it in oldest[: max(0, len(oldest) - MOST)]:
            await self.session.client.revoke_contact_code(it.code_id)
        self._code = await self.session.client.create_contact_code()
        await asyncio.to_thread(_write, self._path, self._code)

    def renew(self) -> None:
        """Makes another code; the one that was shown works no more."""
        self.session.spawn(self._renew())

    async def _renew(self) -> None:
        app = App.get_running_app()
        if not await app.dialogs.confirm(
            app.words("code.renew_ask"), app.words("code.renew_what"), yes=app.words("code.renew")
        ):
            return
        self.busy = True
        try:
            former = self._code
            await self._make(await self.session.client.contact_codes())
            if former:
                # It may have ended by itself, or on another device.
                with contextlib.suppress(NotFound):
                    await self.session.client.revoke_contact_code(former.code_id)
        finally:
            self.busy = False
        self._show()
        app.tell("code.renewed")

    # What can be done with it

    def copy(self) -> None:
        """Puts the link on the clipboard."""
        if self.link:
            Clipboard.copy(self.link)
            App.get_running_app().tell("copied")

    def save(self) -> None:
        """Saves the code as a picture."""
        if self.link:
            self.session.spawn(self._save())

    async def _save(self) -> None:
        app = App.get_running_app()
        data = await asyncio.to_thread(codes.png, self.link)
        try:
            path = await files.save(app.words("code.file") + ".png", data)
        except OSError as error:
            app.tell("picture.not_saved", why=error.strerror or str(error))
            return
        if path:
            app.tell("picture.saved", path=path)


def _read(path: Path) -> ContactCode | None:
    """Returns the code that was kept; None when there is none, or it cannot be read."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        expires_at = datetime.fromisoformat(kept["expires_at"])
        return ContactCode(str(kept["code_id"]), expires_at, str(kept["code"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, code: ContactCode) -> None:
    kept = {
        "code_id": code.code_id,
        "code": code.code,
        "expires_at": code.expires_at.isoformat(),
    }
    write_private(path, json.dumps(kept))


kv.load(__file__)
