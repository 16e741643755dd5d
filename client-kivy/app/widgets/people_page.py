"""A page that reads what it shows of people anew when they, or the language, have changed."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock

from app.widgets.page import Page

# Changes come in swarms: they are read together.
GATHER_SECONDS = 0.05


class PeoplePage(Page):
    """Reads while it is in sight."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.refresh = Clock.create_trigger(self.read_again, GATHER_SECONDS)
        """Reads soon."""

    def entered(self) -> None:
        self.session.bind(on_people=self.refresh)
        App.get_running_app().words.bind(language=self.refresh)
        self.read_again()

    def left(self) -> None:
        self.session.unbind(on_people=self.refresh)
        App.get_running_app().words.unbind(language=self.refresh)
        self.refresh.cancel()

    def read_again(self, *_: Any) -> None:
        """Reads now."""
        if self.session.signed_in:
            self.session.spawn(self.read())

    async def read(self) -> None:
        """Reads what the page shows, and shows it."""
        raise NotImplementedError
