"""What is announced in a group: who said it when, who has read it; written anew or taken down."""

from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, NumericProperty, StringProperty

from app import clock, kv
from app.widgets.conversation_page import GroupPage
from hongyan_client.errors import HongyanError
from hongyan_client.model import Conversation, Group, Message, Readers
from hongyan_client.permissions import Act

BYTES = 4_000


class Announcement(GroupPage):
    """The announcement; while it is `editing` the field is in its place."""

    text = StringProperty("")
    about = StringProperty("")
    author_id = StringProperty("")
    reading = StringProperty("")
    """How many have read it, "" while that is not known."""
    may_announce = BooleanProperty(False)
    editing = BooleanProperty(False)
    busy = BooleanProperty(False)
    seq = NumericProperty(0)

    def __init__(self, **options: Any) -> None:
        self._asking = False
        self._stale = True
        self._message: Message | None = None
        self._readers: Readers | None = None
        super().__init__(**options)
        # What has no parent is kept by nobody else.
        self._paper, self._editor = self.ids.paper_side.__self__, self.ids.editor.__self__
        self.on_editing()

    def on_editing(self, *_: Any) -> None:
        if hasattr(self, "_editor"):
            self.ids.body.clear_widgets()
            self.ids.body.add_widget(self._editor if self.editing else self._paper)

    def show_group(self, conversation: Conversation, group: Group) -> None:
        words = App.get_running_app().words
        self.title = words("group.announcement")
        self.may_announce = self.may(Act.ANNOUNCE)
        if not self.may_announce:
            self.editing = False
        if group.announcement_seq != self.seq:
            self._message = self._readers = None
            self._stale = True
        self.text, self.seq = group.announcement, group.announcement_seq
        if not self.seq and self.may_announce:
            self.editing = True
        if self.seq and self._stale and not self._asking:
            self._stale, self._asking = False, True
            self.session.spawn(self._look())
        self._say()

    def _say(self) -> None:
        """Says who said it and how many have read it, as far as that is known."""
        words, message, readers = App.get_running_app().words, self._message, self._readers
        self.author_id = message.sender_id if message else ""
        self.about = self.reading = ""
        if message:
            when = clock.full(message.created_at, self.now(), words)
            self.about = f"{self.session.name(message.sender_id)} · {when}"
        if readers:
            left = len(readers.received) + len(readers.waiting)
            self.reading = words("announcement.reading", read=len(readers.read), left=left)

    def on_entries(self, session: Any, conversation_id: str) -> None:
        self._stale = self._stale or conversation_id in ("", self.conversation_id)
        super().on_entries(session, conversation_id)

    async def _look(self) -> None:
        seq = int(self.seq)
        try:
            message = await self.session.client.message(self.conversation_id, seq)
            readers = await self.session.client.readers(self.conversation_id, seq)
        except HongyanError:
            return  # what is known is shown; the next event asks again
        finally:
            self._asking = False
        if seq == self.seq:
            self._message, self._readers = message, readers
            self._say()
        if self._stale:
            self.refresh()

    def edit(self) -> None:
        """Lets one write another one."""
        self.ids.field.text, self.editing = self.text, True
        self.ids.field.focus = True

    def give_up(self) -> None:
        """Leaves it as it was."""
        self.editing = False
        if not self.text:
            self.done()

    def publish(self) -> None:
        """Asks, and announces what is written."""
        text = self.ids.field.text.strip()
        if len(text.encode()) > BYTES:
            App.get_running_app().tell("announcement.too_long")
        elif text == self.text:
            self.give_up()
        else:
            self.session.spawn(self._publish(text))

    def take_down(self) -> None:
        """Asks, and takes it down."""
        self.session.spawn(self._publish(""))

    async def _publish(self, text: str) -> None:
        app, kind = App.get_running_app(), "publish" if text else "take_down"
        yes = await app.dialogs.confirm(
            app.words(f"announcement.{kind}_title"),
            app.words(f"announcement.{kind}_text"),
            yes=app.words(f"announcement.{kind}"),
            danger=not text,
        )
        if not yes:
            return
        self.busy = True
        try:
            await self.session.client.announce(self.conversation_id, text)
        finally:
            self.busy = False
        self.editing = False
        app.tell(f"announcement.{kind}_done")
        if not text:
            self.done()

    def open_readers(self) -> None:
        """Opens who has read it."""
        id, seq = self.conversation_id, int(self.seq)
        App.get_running_app().go("group_readers", conversation_id=id, seq=seq)


kv.load(__file__)
