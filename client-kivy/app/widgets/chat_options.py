"""What a chat is to the account: found again, muted, pinned, put away, timed, cleared."""

from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from app import clock, kv
from hongyan_client.model import FOR_EVER, Conversation
from hongyan_client.permissions import Act, may

HOUR, DAY = 3_600, 86_400
MUTES = (HOUR, 8 * HOUR)
TIMERS = (5 * 60, HOUR, DAY, 7 * DAY, 30 * DAY)
OFF, ALWAYS = "off", "always"


class ChatOptions(BoxLayout):
    """Sections of rows for any chat; `show` gives them what they show."""

    conversation_id = StringProperty("")
    muted = StringProperty("")
    pinned = BooleanProperty(False)
    archived = BooleanProperty(False)
    timer = StringProperty("")
    may_time = BooleanProperty(False)
    in_it = BooleanProperty(True)
    """Whether the account is a member: else there is nothing to mute or to time."""
    silent = BooleanProperty(False)
    seconds = 0

    def show(self, conversation: Conversation) -> None:
        """Shows how a chat is set."""
        words, settings, group = self._app.words, conversation.settings, conversation.group
        now = datetime.now(UTC)
        self.conversation_id = conversation.conversation_id
        self.pinned, self.archived = settings.pinned, settings.archived
        self.silent, self.muted = False, words("options.off")
        if settings.muted_until and settings.muted_until > now:
            self.silent, self.muted = True, clock.until(settings.muted_until, now, words)
        self.in_it = group is None or bool(group.role)
        self.may_time = self.in_it and may(Act.TIMER, group)
        self.seconds = conversation.disappear_seconds
        self.timer = clock.span(self.seconds, words) if self.seconds else words("options.off")

    @property
    def _app(self) -> Any:
        return App.get_running_app()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        self._app.session.spawn(work)

    def search(self) -> None:
        """Looks for something that was said here."""
        self._app.go("search", conversation_id=self.conversation_id)

    def set(self, **values: Any) -> None:
        """Changes fields of `Settings`, on all devices."""
        self._spawn(self._app.session.client.update_settings(self.conversation_id, **values))

    def mute(self) -> None:
        """Asks for how long it is to make no notifications."""
        self._spawn(self._mute())

    async def _mute(self) -> None:
        words = self._app.words
        options = [(OFF, words("options.off"))]
        options += [(str(it), clock.span(it, words)) for it in MUTES]
        options += [(ALWAYS, words("span.forever"))]
        chosen = "" if self.silent else OFF
        answer = await self._app.dialogs.choose(words("options.mute"), options, chosen)
        if answer is None:
            return
        until = None
        if answer != OFF:
            forever = answer == ALWAYS
            until = FOR_EVER if forever else datetime.now(UTC) + timedelta(seconds=int(answer))
        await self._app.session.client.update_settings(self.conversation_id, muted_until=until)

    def mark_unread(self) -> None:
        """Shows it as unread, and goes back to the list: an open chat is a read one."""
        self._spawn(self._mark_unread())

    async def _mark_unread(self) -> None:
        id, app = self.conversation_id, self._app
        app.desk.leave_all()
        app.close_chat()
        await app.session.client.update_settings(id, marked_unread=True)

    def time(self) -> None:
        """Asks after how long messages are to disappear."""
        self._spawn(self._time())

    async def _time(self) -> None:
        words = self._app.words
        lasts = sorted({*TIMERS, self.seconds} - {0})
        options = [("0", words("options.off")), *((str(it), clock.span(it, words)) for it in lasts)]
        answer = await self._app.dialogs.choose(words("options.timer"), options, str(self.seconds))
        if answer is None or int(answer) == self.seconds:
            return
        client = self._app.session.client
        sent = await client.set_timer(self.conversation_id, int(answer))
        await client.settled(sent.client_message_id)

    def clear(self, *, remove: bool = False) -> None:
        """Asks, and clears the history; `remove` takes the chat out of the list too."""
        self._spawn(self._clear(remove))

    async def _clear(self, remove: bool) -> None:
        words, app, id = self._app.words, self._app, self.conversation_id
        kind = "remove" if remove else "clear"
        yes = await app.dialogs.confirm(
            words(f"options.{kind}_title"),
            words(f"options.{kind}_text"),
            yes=words(f"options.{kind}_yes"),
            danger=True,
        )
        if not yes:
            return
        await app.session.client.clear(id, remove=remove)
        if remove:
            app.desk.leave_all()
            app.close_chat()
        app.tell("options.removed" if remove else "options.cleared")


kv.load(__file__)
