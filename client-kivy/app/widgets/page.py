"""A page: a bar with the way back, a title and what can be done, above what the page is about."""

from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.scrollview import ScrollView

from app import kv


class Page(BoxLayout):
    """A screen that lies on the chat: `App.go` opens one, `App.back` closes it.

    `done` closes it with a result for who waits in `App.pick`.
    """

    title = StringProperty("")
    session = ObjectProperty(None)
    faces = ObjectProperty(None)
    narrow = BooleanProperty(False)
    result: Any = None

    def __init__(self, **options: Any) -> None:
        app = App.get_running_app()
        super().__init__(session=app.session, faces=app.faces, **options)

    def entered(self) -> None:
        """The page is in sight for the first time."""

    def left(self) -> None:
        """The page is closed for good."""

    def unsaved(self) -> bool:
        """Says whether something was written here that going back would lose."""
        return False

    def go_back(self) -> None:
        """Closes the page; asks before, if something would be lost."""
        if self.unsaved():
            self.session.spawn(self._ask_back())
        else:
            self.done()

    async def _ask_back(self) -> None:
        if await self.may_discard():
            self.done()

    @staticmethod
    async def may_discard() -> bool:
        """Asks whether what was written is meant to be lost."""
        app = App.get_running_app()
        title, text = app.words("discard.title"), app.words("discard.text")
        yes = app.words("discard.yes")
        return bool(await app.dialogs.confirm(title, text, yes=yes, danger=True))

    def done(self, result: Any = None) -> None:
        """Closes the page; `result` is what it was opened for."""
        self.result = result
        App.get_running_app().desk.leave(self)


class PageFoot(BoxLayout):
    """The buttons at the bottom of a page: at the right, or as wide as a phone."""

    narrow = BooleanProperty(False)


class Sheet(ScrollView):
    """What scrolls on a page: sections, one below the other, never wider than is good to read."""


kv.load(__file__)
