"""Who has read a message of a group, who has got it, and who has not."""

from typing import Any

from kivy.app import App
from kivy.properties import NumericProperty, StringProperty

from app import kv
from app.widgets.listing import heading, row
from app.widgets.page import Page


class Readers(Page):
    """Asks once, when it is opened; a press leads to the person."""

    conversation_id = StringProperty("")
    seq = NumericProperty(0)

    def entered(self) -> None:
        self.session.bind(on_people=self._show)
        self._readers: Any = None
        self.session.spawn(self._ask())

    def left(self) -> None:
        self.session.unbind(on_people=self._show)

    async def _ask(self) -> None:
        client = self.session.client
        self._readers = await client.readers(self.conversation_id, int(self.seq))
        self._show()

    def _show(self, *_: Any) -> None:
        if self._readers is None:
            return
        words, data = App.get_running_app().words, []
        for name in ("read", "received", "waiting"):
            users = getattr(self._readers, name)
            if users:
                data.append(heading(words(f"readers.{name}", count=len(users))))
            data += [
                row(it, self.session.name(it) or "…", texture=self.faces.of_user(it))
                for it in users
            ]
        self.ids.list.data = data

    def open(self, user_id: str) -> None:
        """Shows who that is."""
        App.get_running_app().go(
            "person", user_id=user_id, source="group", conversation_id=self.conversation_id
        )


kv.load(__file__)
