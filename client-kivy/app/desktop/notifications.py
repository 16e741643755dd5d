"""What is told of messages that come while nobody looks at their chat, and how often."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from app.preferences import Preferences
from app.session import Session
from app.strings import Words
from hongyan_client.model import Conversation, Message, MessageKind

# Between two rounds: a busy group is told of once a second at most.
ROUND_SECONDS = 1.0
# Rounds that wait for a chat or a name that is not here yet.
PATIENCE = 5
# More chats than this in one round are told of as one.
MOST_CHATS = 4
LONGEST = 200
ALL = ""


class Notifier(Protocol):
    """What shows notifications on this system."""

    async def start(self) -> bool:
        """Returns whether there is a way to show any."""
        ...

    async def show(self, key: str, title: str, text: str, *, sound: bool, action: str) -> bool:
        """Shows one in the place of the key's last one."""
        ...

    async def withdraw(self, key: str) -> None:
        """Takes the key's away."""
        ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came in one chat since the last round: the newest, and whether one mentions the user."""

    message: Message
    mentioned: bool = False
    waited: int = 0


class Notifications:
    """Tells of what arrives, one notification a chat. `in_sight` is the chat that is looked at."""

    def __init__(
        self,
        session: Session,
        preferences: Preferences,
        words: Words,
        notifier: Notifier,
        in_sight: Callable[[], str],
    ) -> None:
        self._session = session
        self._preferences = preferences
        self._words = words
        self._notifier = notifier
        self._in_sight = in_sight
        self._waiting: dict[str, Arrival] = {}
        self._shown: dict[str, int] = {}
        """How many messages each chat's notification stands for."""
        self._something = asyncio.Event()

    async def run(self) -> None:
        """Tells until it is cancelled."""
        self._session.bind(on_arrived=self._arrived, on_chats=self._look, user_id=self._forget)
        try:
            while True:
                await self._something.wait()
                self._something.clear()
                await self._round()
                await asyncio.sleep(ROUND_SECONDS)
        finally:
            self._session.unbind(
                on_arrived=self._arrived, on_chats=self._look, user_id=self._forget
            )

    def _arrived(self, _: Any, message: Message) -> None:
        announced = message.event is not None and bool(message.event.text)
        is_said = message.kind is MessageKind.TEXT and not message.removed
        if not self._preferences.notify or not (is_said or announced):
            return
        before = self._waiting.get(message.conversation_id)
        mentioned = message.mentions(self._session.user_id) or bool(before and before.mentioned)
        self._waiting[message.conversation_id] = Arrival(message, mentioned)
        self._shown[message.conversation_id] = self._shown.get(message.conversation_id, 0) + 1
        self._something.set()

    def _look(self, *_: Any) -> None:
        if self._shown:
            self._something.set()

    def _forget(self, *_: Any) -> None:
        """Another account: what was told of the last one is no longer true."""
        self._waiting.clear()
        self._something.set()

    async def _round(self) -> None:
        await self._withdraw_read()
        waiting, self._waiting = self._waiting, {}
        told: list[tuple[Arrival, Conversation]] = []
        for id, arrival in waiting.items():
            if id == self._in_sight():
                self._shown.pop(id, None)
                continue
            conversation = self._conversation(id)
            if conversation is None or not self._session.name(arrival.message.sender_id):
                self._wait(id, arrival)
            elif self._is_told(conversation, arrival):
                told.append((arrival, conversation))
            else:
                self._shown.pop(id, None)
        if len(told) > MOST_CHATS:
            count = sum(self._shown.get(it.conversation_id, 1) for _, it in told)
            await self._show(ALL, *self._plain(count))
            return
        for arrival, conversation in told:
            await self._show(conversation.conversation_id, *self._said(arrival, conversation))

    def _conversation(self, id: str) -> Conversation | None:
        return self._session.client.conversation(id) if self._session.signed_in else None

    def _wait(self, id: str, arrival: Arrival) -> None:
        """Tries again when more is known; what stays unknown is not told of."""
        if arrival.waited < PATIENCE and self._session.signed_in:
            later = Arrival(arrival.message, arrival.mentioned, arrival.waited + 1)
            self._waiting.setdefault(id, later)
            self._something.set()
        else:
            self._shown.pop(id, None)

    def _is_told(self, conversation: Conversation, arrival: Arrival) -> bool:
        """A muted chat is silent unless the user is mentioned; a stranger's request always."""
        until = conversation.settings.muted_until
        muted = until is not None and until > datetime.now(UTC)
        return not conversation.request and (not muted or arrival.mentioned)

    def _plain(self, count: int) -> tuple[str, str]:
        key = "notice.one" if count == 1 else "notice.several"
        return self._words("app.name"), self._words(key, count=count)

    def _said(self, arrival: Arrival, conversation: Conversation) -> tuple[str, str]:
        """Returns title and text."""
        message, count = arrival.message, self._shown.get(conversation.conversation_id, 1)
        if not self._preferences.notify_preview:
            return self._plain(count)
        text = message.event.text if message.event else message.text
        text = " ".join(text.split())[:LONGEST]
        if conversation.group is not None:
            text = self._words("notice.said", name=self._session.name(message.sender_id), text=text)
        if arrival.mentioned:
            text = self._words("notice.mention") + text
        if count > 1:
            text = self._words("notice.count", count=count) + text
        return self._session.title(conversation), text

    async def _show(self, key: str, title: str, text: str) -> None:
        sound = self._preferences.notify_sound
        action = self._words("notice.open")
        await self._notifier.show(key, title, text, sound=sound, action=action)

    async def _withdraw_read(self) -> None:
        """Takes away what stands for messages that are read, here or on another device."""
        for id in list(self._shown):
            conversation = self._conversation(id)
            unread = conversation is not None and conversation.unread_count
            if id not in self._waiting and (not unread or id == self._in_sight()):
                del self._shown[id]
                await self._notifier.withdraw(id)
        if not self._shown:
            await self._notifier.withdraw(ALL)

    async def test(self) -> bool:
        """Shows one as they will look; false when the system could not."""
        return await self._notifier.show(
            "test",
            self._words("app.name"),
            self._words("notice.test"),
            sound=self._preferences.notify_sound,
            action=self._words("notice.open"),
        )
