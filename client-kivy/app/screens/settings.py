"""What a person sets: how the app looks, the language, and where the account is logged in."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import ListProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from app import kv
from app.preferences import SCALES
from app.session import Session


class Settings(BoxLayout):
    """The settings. What is about looks changes at once."""

    session = ObjectProperty(None)
    me = StringProperty("")
    email = StringProperty("")
    devices = ListProperty([])

    def __init__(self, session: Session, **options: Any) -> None:
        super().__init__(session=session, **options)
        self._refresh = Clock.create_trigger(self._show, 0.05)
        session.bind(signed_in=self._refresh)
        App.get_running_app().words.bind(language=self._refresh)
        self._refresh()

    def _show(self, *_: Any) -> None:
        if self.session.signed_in:
            self.session.spawn(self._load())

    async def _load(self) -> None:
        me = await self.session.client.me()
        self.me, self.email = me.display_name, me.email
        words = App.get_running_app().words
        self.devices = [
            f"{it.device_name}  ({words('settings.this_device')})" if it.current else it.device_name
            for it in await self.session.client.sessions()
        ]

    def next_size(self) -> None:
        """Takes the next size of letters."""
        preferences = App.get_running_app().preferences
        later = [it for it in SCALES if it > preferences.scale]
        preferences.scale = later[0] if later else SCALES[0]
        self.session.dispatch("on_messages", "")

    def logout(self) -> None:
        """Logs out of this device."""
        self.session.spawn(self.session.logout())


kv.load(__file__)
