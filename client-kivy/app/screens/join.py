"""The door of a group: where an invite leads, and the way in."""

from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import BooleanProperty, OptionProperty, StringProperty

from app import kv
from app.screens.group import counted
from app.widgets import one_of  # noqa: F401 - the rules name it
from app.widgets.page import Page
from hongyan_client.errors import DeadlineExceeded, ServerError, Unavailable
from hongyan_client.model import Door

DEAD = "INVITE_NOT_FOUND"


class Join(Page):
    """What is behind the code, and a button; who waits is led in when the answer comes."""

    code = StringProperty("")
    state = OptionProperty("asking", options=["asking", "door", "waiting", "dead", "away"])
    name = StringProperty("")
    by = StringProperty("")
    count = StringProperty("")
    approval = BooleanProperty(False)
    busy = BooleanProperty(False)
    why = StringProperty("")
    """What to say where the invite leads nowhere."""

    def __init__(self, **options: Any) -> None:
        self._door: Door | None = None
        self._reason = DEAD
        self._refresh = Clock.create_trigger(self._show, 0.03)
        super().__init__(**options)

    def entered(self) -> None:
        self.session.bind(on_people=self.refresh, on_chats=self.refresh)
        App.get_running_app().words.bind(language=self.refresh)
        self._show()
        self.look()

    def left(self) -> None:
        self.session.unbind(on_people=self.refresh, on_chats=self.refresh)
        App.get_running_app().words.unbind(language=self.refresh)
        self._refresh.cancel()

    def refresh(self, *_: Any) -> None:
        """Shows it again in a moment."""
        self._refresh()

    def _show(self, *_: Any) -> None:
        words = App.get_running_app().words
        self.title = words("join.title")
        self.why = words("join.dead") if self._reason == DEAD else words.refusal(self._reason)
        if self._door is None:
            return
        self.name = self._door.name or words("group.unnamed")
        self.count, self.approval = counted(self._door.member_count), self._door.approval
        by = self.session.name(self._door.inviter_id)
        self.by = words("join.by", name=by) if by else ""
        known = self.session.client.conversation(self._door.conversation_id)
        if known and known.group and known.group.role:
            self._enter(self._door.conversation_id)

    def look(self) -> None:
        """Asks where the invite leads."""
        self.state = "asking"
        self.session.spawn(self._look())

    async def _look(self) -> None:
        try:
            self._door = await self.session.client.resolve_invite(self.code.strip())
        except (Unavailable, DeadlineExceeded):
            self.state = "away"
        except ServerError as error:
            # What cannot be a code leads nowhere either.
            self._reason = DEAD if error.reason == "INVALID_FIELD" else error.reason
            self.state = "dead"
            self._show()
        else:
            self.state = "door"
            if self._door.member:
                self._enter(self._door.conversation_id)
            else:
                self._show()

    def join(self) -> None:
        """Goes in, or asks to be let in."""
        if not self.busy:
            self.session.spawn(self._join())

    async def _join(self) -> None:
        self.busy = True
        try:
            joined, id = await self.session.client.join_group(
                self.code.strip(), greeting=self.ids.greeting.text.strip()
            )
        except ServerError as error:
            if error.reason != DEAD:
                raise
            self._reason, self.state = DEAD, "dead"
            self._show()
            return
        finally:
            self.busy = False
        if joined:
            self._enter(id)
        else:
            self.state = "waiting"

    def _enter(self, conversation_id: str) -> None:
        app = App.get_running_app()
        if self in app.desk.pages:
            app.open_chat(conversation_id)


kv.load(__file__)
