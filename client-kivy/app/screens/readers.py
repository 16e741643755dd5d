"""Who has read a message of a group, who has got it, and who has not."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import NumericProperty, ObjectProperty

from app import kv
from app.widgets.conversation_page import GroupPage
from app.widgets.listing import heading, row
from hongyan_client.errors import HongyanError
from hongyan_client.model import Conversation, Group, GroupMember

# In a group nobody is told who has read what: who wants to see it asks, while it is in sight.
AGAIN_SECONDS = 3


class ReadPage(GroupPage):
    """A page that knows who has read the message `seq`, as long as it is open."""

    seq = NumericProperty(0)
    readers = ObjectProperty(None, allownone=True)
    """None while it is not known."""

    def __init__(self, **options: Any) -> None:
        self._asking = False
        self._again = Clock.create_trigger(self.ask, AGAIN_SECONDS, interval=True)
        super().__init__(**options)
        self.bind(readers=self.refresh)

    def entered(self) -> None:
        super().entered()
        self._again()
        self.ask()

    def left(self) -> None:
        super().left()
        self._again.cancel()

    def on_seq(self, *_: Any) -> None:
        self.readers = None
        self.ask()

    def ask(self, *_: Any) -> None:
        """Asks who has read it, unless another page lies on this one."""
        pages = App.get_running_app().desk.pages
        if self.seq and not self._asking and pages and pages[-1] is self:
            self._asking = True
            self.session.spawn(self._ask())

    async def _ask(self) -> None:
        try:
            await self.look(int(self.seq))
        except HongyanError:
            return  # what is known stays; it is asked for again soon
        finally:
            self._asking = False

    async def look(self, seq: int) -> None:
        """Asks the server."""
        found = await self.session.client.readers(self.conversation_id, seq)
        if seq == self.seq:
            self.readers = found


class Readers(ReadPage):
    """Names under headings; a press leads to the person."""

    with_members = True

    def show_group(self, conversation: Conversation, group: Group) -> None:
        words = App.get_running_app().words
        self.title = words("readers.title")
        if self.readers is None:
            return
        members = {it.user_id: it for it in self.members}
        data: list[dict[str, Any]] = []
        for name in ("read", "received", "waiting"):
            user_ids = getattr(self.readers, name)
            if user_ids:
                data.append(heading(words(f"readers.{name}", count=len(user_ids))))
            for it in user_ids:
                called = self.called(members.get(it) or GroupMember(it, "member"))
                data.append(row(it, called, face=it))
        self.ids.list.data = data


kv.load(__file__)
