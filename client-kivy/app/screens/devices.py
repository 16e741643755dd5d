"""Where the account is logged in, and how a device is logged out or another one in."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kivy.app import App
from kivy.factory import Factory
from kivy.properties import BooleanProperty, ListProperty

from app import clock, kv
from app.widgets.page import Page
from app.widgets.section import Row
from hongyan_client.errors import NotFound
from hongyan_client.model import Session as Login

ICONS = {
    "linux": "linux",
    "windows": "microsoft_windows",
    "darwin": "apple",
    "macos": "apple",
    "android": "android",
    "ios": "apple_ios",
    "web": "web",
}
PLATFORMS = {
    "linux": "Linux",
    "windows": "Windows",
    "darwin": "macOS",
    "macos": "macOS",
    "android": "Android",
    "ios": "iOS",
    "web": "Web",
}
RECENT = timedelta(minutes=2)


class DevicesPage(Page):
    """This device, and the others; a press on one of those logs it out."""

    logins = ListProperty([])
    loaded = BooleanProperty(False)

    def entered(self) -> None:
        App.get_running_app().words.bind(language=self._show)
        self.session.spawn(self._load())

    def left(self) -> None:
        App.get_running_app().words.unbind(language=self._show)

    async def _load(self) -> None:
        self.logins = await self.session.client.sessions()
        self.loaded = True
        self._show()

    def _show(self, *_: Any) -> None:
        here, others = self.ids.here, self.ids.others
        here.clear_rows()
        others.clear_rows()
        for it in self.logins:
            (here if it.current else others).add_widget(self._row(it))
        everything = Factory.Row(
            icon="logout", danger=True, label=App.get_running_app().words("devices.end_all")
        )
        everything.bind(on_release=lambda *_: self.session.spawn(self._end_all()))
        if len(self._others()) > 1:
            others.add_widget(everything)

    def _others(self) -> list[Login]:
        return [it for it in self.logins if not it.current]

    def _row(self, login: Login) -> Row:
        words = App.get_running_app().words
        platform = PLATFORMS.get(login.platform.lower(), login.platform)
        now = datetime.now(UTC)
        if login.current:
            detail = words("devices.now", platform=platform)
        else:
            recent = now - login.used_at < RECENT
            when = words("devices.just_now") if recent else clock.full(login.used_at, now, words)
            detail = words("devices.used", platform=platform, when=when)
        row = Row(
            icon=ICONS.get(login.platform.lower(), "devices"),
            label=login.device_name or words("devices.unnamed"),
            detail=detail,
            value=words("devices.here") if login.current else "",
            leads=not login.current,
        )
        if not login.current:
            row.bind(on_release=lambda *_: self.session.spawn(self._end(login)))
        return row

    async def _end(self, login: Login) -> None:
        app = App.get_running_app()
        name = login.device_name or app.words("devices.unnamed")
        if await app.dialogs.confirm(
            app.words("devices.end"),
            app.words("devices.end_text", name=name),
            yes=app.words("devices.end_yes"),
            danger=True,
        ):
            await self._end_sessions([login])

    async def _end_all(self) -> None:
        app = App.get_running_app()
        others = self._others()
        if await app.dialogs.confirm(
            app.words("devices.end_all"),
            app.words("devices.end_all_text", count=len(others)),
            yes=app.words("devices.end_yes"),
            danger=True,
        ):
            await self._end_sessions(others)

    async def _end_sessions(self, logins: list[Login]) -> None:
        try:
            for it in logins:
                try:
                    await self.session.client.end_session(it.session_id)
                except NotFound:
                    continue  # it has logged out by itself
            App.get_running_app().tell("devices.ended")
        finally:
            await self._load()

    def another(self) -> None:
        """Shows a code for another device, and then who has come."""
        self.session.spawn(self._another())

    async def _another(self) -> None:
        await App.get_running_app().pick("device_code")
        if self.session.signed_in:
            await self._load()


kv.load(__file__)
