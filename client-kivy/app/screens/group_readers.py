"""Who has read a message of a group, and who has not yet."""

from typing import Any

from kivy.app import App
from kivy.properties import NumericProperty

from app import kv
from app.widgets.conversation_page import GroupPage
from app.widgets.listing import heading, row
from hongyan_client.errors import HongyanError
from hongyan_client.model import Conversation, Group, GroupMember, Readers


class GroupReaders(GroupPage):
    """Names under two headings, kept by what is read meanwhile."""

    with_members = True
    seq = NumericProperty(0)

    def __init__(self, **options: Any) -> None:
        self._asking = False
        self._stale = True
        self._found = Readers((), (), ())
        super().__init__(**options)

    def show_group(self, conversation: Conversation, group: Group) -> None:
        self.title = App.get_running_app().words("readers.title")
        if self._stale and not self._asking:
            self._stale, self._asking = False, True
            self.session.spawn(self._look())
        else:
            self._put()

    def on_entries(self, session: Any, conversation_id: str) -> None:
        self._stale = self._stale or conversation_id in ("", self.conversation_id)
        super().on_entries(session, conversation_id)

    async def _look(self) -> None:
        try:
            self._found = await self.session.client.readers(self.conversation_id, int(self.seq))
        except HongyanError:
            return  # the next event asks again
        finally:
            self._asking = False
        self._put()
        if self._stale:
            self.refresh()

    def _put(self) -> None:
        words, found = App.get_running_app().words, self._found
        members = {it.user_id: it for it in self.members}
        data: list[dict[str, Any]] = []
        for key, user_ids in (
            ("readers.waiting", (*found.received, *found.waiting)),
            ("readers.read", found.read),
        ):
            if user_ids:
                data.append(heading(words(key, count=len(user_ids))))
            for it in user_ids:
                name = self.called(members.get(it) or GroupMember(it, "member"))
                data.append(row(it, name, face=it))
        self.ids.list.data = data

    def open(self, user_id: str) -> None:
        """Opens a member's profile."""
        self.open_person(user_id)


kv.load(__file__)
