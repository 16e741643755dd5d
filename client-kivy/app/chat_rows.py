"""What a row of the list of chats says, before there is a widget, and which chats a list has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app import clock
from app.rows import Look, notice, tick
from app.session import Session
from hongyan_client.model import Conversation, Message, MessageKind, MessageState

TICKS = {
    "sending": "clock_outline",
    "failed": "alert_circle",
    "stored": "check",
    "received": "check_all",
    "read": "check_all",
}
MARKED = -1
"""The number of new messages of a chat that somebody marked as unread."""
BOXES = ("archived", "strangers")
BOX = "box:"


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as a list sees it: with what this device has not sent yet."""

    conversation: Conversation
    pending: Message | None = None

    @property
    def last(self) -> Message | None:
        """What was said last, also if only this device knows."""
        return self.pending or self.conversation.last_message

    @property
    def active_at(self) -> datetime:
        """When something was said last."""
        return self.last.created_at if self.last else datetime.fromtimestamp(0, UTC)

    @property
    def unread(self) -> int:
        """How much is new; MARKED where somebody wants to come back to it."""
        settings = self.conversation.settings
        return self.conversation.unread_count or (MARKED if settings.marked_unread else 0)

    def muted(self, now: datetime) -> bool:
        """Returns whether it makes no notifications now."""
        until = self.conversation.settings.muted_until
        return until is not None and until > now

    @property
    def box(self) -> str:
        """In which box it lies: archived, strangers, or "" for the list itself."""
        if self.conversation.request:
            return "strangers"
        return "archived" if self.conversation.settings.archived else ""


def chats(session: Session) -> list[Chat]:
    """Returns the chats that lists show: the pinned ones first, then the latest active."""
    waiting: dict[str, Message] = {}
    for message in session.client.pending():
        waiting[message.conversation_id] = message
    found = [
        Chat(it, waiting.get(it.conversation_id))
        for it in session.client.known_conversations()
        if not it.settings.removed
    ]
    # Who never wrote a word is among the contacts, not here.
    shown = [
        it for it in found if it.last or it.conversation.settings.draft or it.conversation.group
    ]
    return sorted(
        shown, key=lambda it: (it.conversation.settings.pinned, it.active_at), reverse=True
    )


class Rows:
    """Makes rows from what the session knows, for one moment."""

    def __init__(
        self, session: Session, faces: Any, words: Any, typing: Mapping[str, float]
    ) -> None:
        self._session, self._faces, self._words = session, faces, words
        self._typing = typing
        self.now = datetime.now(UTC)
        self._look = Look(session.user_id, session.name, lambda _: None, words, self.now, 0)

    def chat(self, chat: Chat, selected: str = "") -> dict[str, Any]:
        """Returns the row of a chat."""
        it, last = chat.conversation, chat.last
        peer_id = "" if it.group else it.peer_id(self._session.user_id)
        peer = self._session.user(peer_id) if peer_id else None
        typing = it.conversation_id in self._typing
        mark, said = self._said(chat, is_open=it.conversation_id == selected)
        return {
            **EMPTY,
            "key": it.conversation_id,
            "title": self._session.title(it) or "…",
            "mark": "" if typing else mark,
            "preview": self._words("chats.typing" if peer_id else "chats.typing_group")
            if typing
            else said,
            "typing": typing,
            "tick": "" if typing or mark else self._tick(chat),
            "when": clock.short(last.created_at, self.now, self._words) if last else "",
            "unread": chat.unread,
            "muted": chat.muted(self.now),
            "pinned": it.settings.pinned,
            "selected": it.conversation_id == selected,
            "online": bool(peer_id) and self._session.is_online(peer_id),
            "bot": bool(peer and peer.bot),
            "texture": self._faces.of(it),
        }

    def _said(self, chat: Chat, *, is_open: bool = False) -> tuple[str, str]:
        """Returns the mark in red, and what follows it."""
        it, last, words = chat.conversation, chat.last, self._words
        if it.settings.draft and not it.mention_count and not is_open:
            return words("chats.draft"), it.settings.draft
        mark = words("chats.mentioned") if it.mention_count else ""
        if last is None:
            return mark, ""
        if last.kind is not MessageKind.TEXT:
            return mark, notice(last, self._look)
        text = f"{words('message.card')} {last.text}" if last.card_user_id else last.text
        if it.group and last.sender_id != self._session.user_id:
            text = words("chats.said", name=self._session.name(last.sender_id) or "…", text=text)
        return mark, text

    def _tick(self, chat: Chat) -> str:
        """Returns the icon for what became of an own last message."""
        it, last, mine = chat.conversation, chat.last, self._session.user_id
        if last is None or last.sender_id != mine or last.kind is not MessageKind.TEXT:
            return ""
        if it.group and last.state is MessageState.STORED:
            return ""  # how far it has come is told where it stands
        return tick(last, it, mine)

    def box(self, kind: str, chats: Iterable[Chat]) -> dict[str, Any]:
        """Returns the row that leads to a box."""
        inside = list(chats)
        count = sum(1 for it in inside if it.unread)
        newest = max(inside, key=lambda it: it.active_at)
        title = self._session.title(newest.conversation) or "…"
        said = self._words("chats.said", name=title, text=self._said(newest)[1])
        when = clock.short(newest.active_at, self.now, self._words) if newest.last else ""
        return {
            **EMPTY,
            "key": BOX + kind,
            "title": self._words(f"box.{kind}"),
            "preview": self._words("box.new", count=count) if count else said,
            "when": when,
            "unread": MARKED if count else 0,
            "muted": True,
            "icon": {"archived": "archive_outline", "strangers": "account_question_outline"}[kind],
        }


# Rows of a list share their widgets: each has every value.
EMPTY: dict[str, Any] = {
    "key": "",
    "title": "",
    "mark": "",
    "preview": "",
    "typing": False,
    "tick": "",
    "when": "",
    "unread": 0,
    "muted": False,
    "pinned": False,
    "selected": False,
    "online": False,
    "bot": False,
    "icon": "",
    "texture": None,
}
