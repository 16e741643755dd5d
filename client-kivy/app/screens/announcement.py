"""What is announced in a group: who said it when, who has read it; written anew or taken down."""

from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, StringProperty

from app import clock, kv
from app.screens.readers import ReadPage
from app.widgets import one_of  # noqa: F401 - the rules name it
from hongyan_client.model import Conversation, Group, Message
from hongyan_client.permissions import Act

BYTES = 4_000


class Announcement(ReadPage):
    """The announcement; while it is `editing` the field is in its place."""

    text = StringProperty("")
    about = StringProperty("")
    author_id = StringProperty("")
    reading = StringProperty("")
    """How many have read it, "" while that is not known."""
    may_announce = BooleanProperty(False)
    editing = BooleanProperty(False)
    busy = BooleanProperty(False)

    def __init__(self, **options: Any) -> None:
        self._message: Message | None = None
        super().__init__(**options)

    def show_group(self, conversation: Conversation, group: Group) -> None:
        words = App.get_running_app().words
        self.title = words("group.announcement")
        self.may_announce = self.may(Act.ANNOUNCE)
        self.text, self.seq = group.announcement, group.announcement_seq
        if not self.may_announce:
            self.editing = False
        elif not self.seq and not self.editing:
            self.editing = self.ids.field.focus = True
        self.author_id = self.about = self.reading = ""
        if (message := self._message) and message.seq == self.seq:
            when = clock.full(message.created_at, self.now(), words)
            self.author_id = message.sender_id
            self.about = f"{self.session.name(message.sender_id)} · {when}"
        if self.readers is not None:
            left = len(self.readers.received) + len(self.readers.waiting)
            self.reading = words("announcement.reading", read=len(self.readers.read), left=left)

    async def look(self, seq: int) -> None:
        if self._message is None or self._message.seq != seq:
            self._message = await self.session.client.message(self.conversation_id, seq)
        await super().look(seq)
        self.refresh()

    def edit(self) -> None:
        """Lets one write another one."""
        self.ids.field.text, self.editing = self.text, True
        self.ids.field.focus = True

    def unsaved(self) -> bool:
        return bool(self.editing and self.ids.field.text.strip() not in ("", self.text.strip()))

    def give_up(self) -> None:
        """Leaves it as it was; asks before, if something was written."""
        self.session.spawn(self._give_up())

    async def _give_up(self) -> None:
        if self.unsaved() and not await self.may_discard():
            return
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
        App.get_running_app().go("readers", conversation_id=id, seq=seq)


kv.load(__file__)
