"""The groups that the account is in, by name; or some of them, such as those with a friend."""

from collections.abc import Sequence
from typing import Any

from kivy.app import App
from kivy.clock import Clock

from app import kv
from app.widgets.listing import row
from app.widgets.page import Page
from hongyan_client import sorting


class GroupsList(Page):
    """A press opens the group's chat. `ids` limits the list to some groups."""

    def __init__(self, title: str = "", ids: Sequence[str] | None = None, **options: Any) -> None:
        super().__init__(title=title or App.get_running_app().words("contacts.groups"), **options)
        self._ids = set(ids) if ids is not None else None

    def entered(self) -> None:
        self._refresh = Clock.create_trigger(self._show, 0.05)
        self.session.bind(on_chats=self._refresh)
        self.faces.bind(on_changed=self._refresh)
        App.get_running_app().words.bind(language=self._refresh)
        self._show()

    def left(self) -> None:
        self.session.unbind(on_chats=self._refresh)
        self.faces.unbind(on_changed=self._refresh)
        App.get_running_app().words.unbind(language=self._refresh)
        self._refresh.cancel()

    def _show(self, *_: Any) -> None:
        if not self.session.signed_in:
            return
        words = App.get_running_app().words
        groups = [
            (self.session.title(it), it)
            for it in self.session.client.known_conversations()
            if it.group and it.group.role and (self._ids is None or it.conversation_id in self._ids)
        ]
        groups.sort(key=lambda it: sorting.place(it[0]))
        self.ids.list.data = [
            row(
                it.conversation_id,
                title,
                note=words("groups.members", count=it.group.member_count) if it.group else "",
                texture=self.faces.of(it),
            )
            for title, it in groups
        ]
        self.ids.none.opacity = 0 if groups else 1

    def open(self, conversation_id: str) -> None:
        """Opens a group's chat."""
        App.get_running_app().open_chat(conversation_id)


kv.load(__file__)
