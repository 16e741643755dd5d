"""At the door: logging in by a code that a device shows which is logged in already."""

import asyncio
from pathlib import Path
from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty

from app import files, images, kv
from app.screens.files import Files
from app.widgets.code_reader import CodeReader
from hongyan_client.errors import HongyanError
from hongyan_client.login_codes import LOGIN_LINK


class DoorFiles(Files):
    """The page to choose a file, where there is no desk that it could lie on."""

    chosen = ObjectProperty(None)

    def done(self, result: Any = None) -> None:
        self.chosen(result)


class CodeLogin(CodeReader):
    """Takes a code as a link, a picture or from the camera; then waits for the other device."""

    waiting = BooleanProperty(False)
    name = StringProperty("")
    number = StringProperty("")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._claiming: asyncio.Task[Any] | None = None
        # Only one of them is in the tree: what is not would be gone.
        self._ways, self._wait = self.ids.ways.__self__, self.ids.wait.__self__
        # And what is not has rules that ask this page, which therefore may not go before it.
        self._ways.page = self._wait.page = self
        self._show()

    def entered(self, link: str = "") -> None:
        """The page is in sight; `link` is what somebody has opened already."""
        super().entered()
        if link:
            self.take(link)

    def left(self) -> None:
        super().left()
        if self._claiming and not self.session.signed_in:
            self._claiming.cancel()

    def done(self, result: Any = None) -> None:
        """Goes back to the door, or from waiting to the ways of taking a code."""
        if self.waiting:
            self.give_up()
        else:
            App.get_running_app().close_code_login()

    def on_waiting(self, *_: Any) -> None:
        self._show()

    def _show(self) -> None:
        """Puts in the ways of taking a code, or what is shown while the other device decides."""
        shown, hidden = self._ways, self._wait
        if self.waiting:
            shown, hidden = hidden, shown
        for it in (hidden, shown):
            if it.parent:
                it.parent.remove_widget(it)
        self.ids.body.add_widget(shown)

    # The ways

    def take_link(self) -> None:
        """Takes the link that was pasted."""
        self.take(self.ids.link.text.strip())

    def found(self, link: str) -> None:
        # The camera sees the same code again and again: one that is not for this is passed over.
        if link.startswith(LOGIN_LINK) or not self.watching:
            self.take(link)

    def take(self, link: str) -> None:
        """Claims a code; a link that is none of ours is refused here."""
        if self._claiming and not self._claiming.done():
            return
        if not link.startswith(LOGIN_LINK):
            App.get_running_app().tell("take.other_code")
            return
        self.stop()
        self._claiming = self.session.spawn(self._claim(link))

    async def _claim(self, link: str) -> None:
        self.busy = True
        try:
            claim = await self.session.client.claim_login_code(link)
            self.name, self.number = claim.display_name, claim.number
            self.waiting = True
            await self.session.login_with_code(claim)
        except HongyanError:
            self.ids.link.text = ""  # a code is good for one claim
            raise
        finally:
            self.busy = self.waiting = False

    def give_up(self) -> None:
        """Waits no longer; the other device may still say yes, which then does nothing."""
        if self._claiming:
            self._claiming.cancel()

    def choose(self) -> None:
        """Asks for a picture of the code."""
        self.session.spawn(self._choose())

    async def _choose(self) -> None:
        title = App.get_running_app().words("take.image")
        path = (
            await files.choose(title, images.SUFFIXES)
            if files.has_dialogs()
            else await self._choose_here(title)
        )
        if path:
            await self.read(await images.opened(path))

    async def _choose_here(self, title: str) -> Path | None:
        """Chooses in a page of the app, over this one."""
        chosen: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        def choose(result: str | None) -> None:
            if not chosen.done():
                chosen.set_result(result)

        page = DoorFiles(title=title, suffixes=images.SUFFIXES, chosen=choose)
        held = list(self.children)
        self.clear_widgets()
        self.add_widget(page)
        page.entered()
        try:
            result = await chosen
        finally:
            self.clear_widgets()
            for it in reversed(held):
                self.add_widget(it)
        return Path(result) if result else None


kv.load(__file__)
