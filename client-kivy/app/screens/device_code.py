"""A code by which another device logs in: shown here, taken there, and approved here."""

import asyncio
import contextlib
import time
from typing import Any

from kivy.app import App
from kivy.core.clipboard import Clipboard
from kivy.factory import Factory
from kivy.properties import NumericProperty, ObjectProperty, OptionProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from app import kv
from app.screens.devices import ICONS, PLATFORMS
from app.widgets.page import Page
from hongyan_client.errors import HongyanError, NotFound, Unavailable
from hongyan_client.model import LoginCode, LoginCodeState

CODE_SECONDS = 120
ASK_SECONDS = 1.0


class CodeCard(BoxLayout):
    """What is shown in one state of the code."""

    page = ObjectProperty(None, rebind=True)


class DeviceCodePage(Page):
    """A QR code that lives two minutes; who has scanned it is let in only with a yes here.

    The number is made by the server: the device's name is its own word, and could be anybody's.
    """

    state = OptionProperty(
        "none", options=["none", "waiting", "claimed", "approved", "declined", "expired"]
    )
    link = StringProperty("")
    seconds = NumericProperty(0)
    device = StringProperty("")
    platform = StringProperty("")
    platform_icon = StringProperty("devices")
    number = StringProperty("")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._code_id = ""
        self._ends = 0.0
        self._watching: asyncio.Task[Any] | None = None

    def entered(self) -> None:
        self.begin()

    def on_state(self, *_: Any) -> None:
        """Puts in what belongs to the state."""
        body = self.ids.body
        shown = {"waiting": "CodeShown", "claimed": "CodeClaimed"}.get(self.state, "CodeOver")
        body.clear_widgets()
        if self.state != "none":
            body.add_widget(getattr(Factory, shown)(page=self))

    def left(self) -> None:
        if self._watching:
            self._watching.cancel()
        if self.state in ("waiting", "claimed") and self.session.signed_in:
            self.session.spawn(self._withdraw(self._code_id))

    async def _withdraw(self, code_id: str) -> None:
        """Ends a code that nobody sees any more; if that fails, it ends by itself soon."""
        with contextlib.suppress(HongyanError):
            await self.session.client.answer_login_code(code_id, approve=False)

    def begin(self) -> None:
        """Shows a new code."""
        if self._watching:
            self._watching.cancel()
        self.state, self.link, self.number = "none", "", ""
        self._watching = self.session.spawn(self._watch())

    async def _watch(self) -> None:
        self._take(await self.session.client.create_login_code())
        await self._follow()

    async def _follow(self) -> None:
        """Asks what has become of the code until it is over."""
        while self.state in ("waiting", "claimed"):
            self.seconds = max(0, round(self._ends - time.monotonic()))
            await asyncio.sleep(ASK_SECONDS)
            try:
                self._take(await self.session.client.login_code(self._code_id))
            except NotFound:
                self.state = "expired"
            except Unavailable:
                if time.monotonic() > self._ends:
                    self.state = "expired"

    def _take(self, code: LoginCode) -> None:
        """Shows what has become of the code."""
        state = "approved" if code.state is LoginCodeState.USED else code.state.value
        self._code_id = code.code_id
        self.link = code.link or self.link
        self.device = code.device_name
        self.platform = PLATFORMS.get(code.platform.lower(), code.platform)
        self.platform_icon = ICONS.get(code.platform.lower(), "devices")
        self.number = code.number
        if state != self.state and state in ("waiting", "claimed"):
            self._ends = time.monotonic() + CODE_SECONDS  # by this device's own clock
        self.state = state

    def answer(self, approve: bool) -> None:
        """Lets the device in that has scanned the code, or not."""
        if self._watching:
            self._watching.cancel()
        self.session.spawn(self._answer(approve))

    async def _answer(self, approve: bool) -> None:
        try:
            code = await self.session.client.answer_login_code(self._code_id, approve=approve)
        except NotFound:
            self.state = "expired"
            return
        except HongyanError:
            self._watching = self.session.spawn(self._follow())
            raise
        self._take(code)

    def copy(self) -> None:
        """Copies the link, for a device without a camera."""
        Clipboard.copy(self.link)
        App.get_running_app().tell("code.copied")


kv.load(__file__)
