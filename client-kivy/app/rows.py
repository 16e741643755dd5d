"""What a chat shows, row by row, with the height of each, before there is any widget."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kivy.metrics import dp

from app import clock
from app.strings import Words
from app.text import layout, scaled
from hongyan_client.model import Conversation, Message, MessageKind, MessageState

PAD_X, PAD_Y = 12.0, 9.0
AVATAR = 40.0
SIDE = 64.0
RUN_GAP, GAP = 3.0, 12.0
NAME, TIME, NOTICE, DIVIDER, QUOTE, REACTIONS = 20.0, 40.0, 34.0, 40.0, 30.0, 28.0


@dataclass(frozen=True, slots=True)
class Look:
    """What decides how messages look here: who looks, what others are called, and the width."""

    user_id: str
    name: Callable[[str], str]
    message: Callable[[int], Message | None]
    words: Words
    now: datetime
    width: float
    scale: float = 1.0

    @property
    def bubble(self) -> float:
        """How wide the text of a bubble may be."""
        return min(dp(480), self.width - 2 * dp(SIDE) - dp(2 * PAD_X) - dp(24))


def rows(
    messages: Sequence[Message], conversation: Conversation | None, unread_from: int, look: Look
) -> list[dict[str, Any]]:
    """Returns the rows of a chat, the oldest first; `unread_from` is the first new seq, or 0."""
    return list(_rows(messages, conversation, unread_from, look))


def _rows(
    messages: Sequence[Message], conversation: Conversation | None, unread_from: int, look: Look
) -> Iterator[dict[str, Any]]:
    before: Message | None = None
    said_at: datetime | None = None
    divided = not unread_from
    for message in messages:
        words = "" if message.kind is MessageKind.TEXT else notice(message, look)
        if message.kind is not MessageKind.TEXT and not words:
            continue
        if said_at is None or message.created_at - said_at > clock.APART:
            yield _line("time", clock.full(message.created_at, look.now, look.words), TIME)
            before = None
        said_at = message.created_at
        if not divided and message.seq >= unread_from and message.sender_id != look.user_id:
            divided, before = True, None
            yield _line("divider", look.words("chat.unread"), DIVIDER)
        if message.kind is MessageKind.TEXT:
            first = before is None or before.sender_id != message.sender_id
            yield _bubble(message, conversation, first, look)
            before = message
        else:
            yield _line("notice", words, NOTICE)
            before = None


def _line(kind: str, text: str, height: float) -> dict[str, Any]:
    return {
        **EMPTY,
        "kind": kind,
        "text": text,
        "height": dp(height),
        "key_size": (None, dp(height)),
    }


# Rows of a list share their widgets: each has every value.
EMPTY: dict[str, Any] = {
    "kind": "time",
    "text": "",
    "mine": False,
    "first": False,
    "label": "",
    "user_id": "",
    "tick": "",
    "quote": "",
    "reactions": "",
    "seq": 0,
    "client_message_id": "",
    "bubble_width": 300.0,
    "text_size": (0.0, 0.0),
}


def _bubble(
    message: Message, conversation: Conversation | None, first: bool, look: Look
) -> dict[str, Any]:
    mine = message.sender_id == look.user_id
    in_group = conversation is not None and conversation.group is not None
    label = look.name(message.sender_id) if in_group and first and not mine else ""
    text = message.text or look.words("message.card")
    shape = layout(text, scaled(15, look.scale), look.bubble)
    quote = _quote(message, look) if message.quote else ""
    reactions = "  ".join(f"{it.emoji} {len(it.user_ids)}" for it in message.reactions)
    width = shape.width
    height = shape.height + dp(2 * PAD_Y)
    if quote:
        height += dp(QUOTE)
        width = max(width, min(look.bubble, layout(quote, scaled(12), 1e6).width + dp(8)))
    gap = dp(GAP if first else RUN_GAP)
    whole = max(height, dp(AVATAR) if first else 0) + gap
    whole += dp(NAME) if label else 0
    whole += dp(REACTIONS) if reactions else 0
    return {
        **EMPTY,
        "kind": "bubble",
        "text": text,
        "mine": mine,
        "first": first,
        "label": label,
        "user_id": message.sender_id,
        "tick": tick(message, conversation, look.user_id) if mine else "",
        "quote": quote,
        "reactions": reactions,
        "seq": message.seq,
        "client_message_id": message.client_message_id,
        "bubble_width": look.bubble,
        "text_size": (width, height - dp(2 * PAD_Y)),
        "height": whole,
        "key_size": (None, whole),
    }


def _quote(message: Message, look: Look) -> str:
    assert message.quote
    quoted = look.message(message.quote.seq)
    said = quoted.text if quoted else f"#{message.quote.seq}"
    return f"{look.name(message.quote.sender_id)}: {' '.join(said.split())}"


def tick(message: Message, conversation: Conversation | None, user_id: str) -> str:
    """Returns what became of an own message: sending, failed, stored, received or read."""
    if message.state is MessageState.SENDING:
        return "sending"
    if message.state is MessageState.FAILED:
        return "failed"
    if conversation is None or conversation.group is not None:
        return "stored"
    if message.seq <= conversation.read_by_others(user_id):
        return "read"
    return "received" if message.seq <= conversation.received_by_others(user_id) else "stored"


def notice(message: Message, look: Look) -> str:
    """Says what an entry is that is no text; "" for what is not shown."""
    words, event = look.words, message.event

    def called(user_id: str) -> str:
        return words("you") if user_id == look.user_id else look.name(user_id)

    if message.kind is MessageKind.REMOVED:
        return words(f"message.removed.{message.removed}", name=called(message.sender_id))
    if message.kind is not MessageKind.EVENT or event is None:
        return ""
    users = "、".join(called(it) for it in event.user_ids)
    key = f"event.{event.what}"
    if event.what == "joined" and event.by_invite:
        key = "event.joined_invite"
    elif event.what == "left" and message.sender_id not in event.user_ids:
        key = "event.removed"
    return words(key, name=called(message.sender_id), users=users, text=event.text)


def preview(conversation: Conversation, look: Look) -> str:
    """Returns what the list shows of a conversation's last message."""
    if draft := conversation.settings.draft:
        return look.words("chats.draft") + draft
    message = conversation.last_message
    if message is None:
        return ""
    if message.kind is not MessageKind.TEXT:
        return notice(message, look)
    text = message.text or look.words("message.card")
    if conversation.group is not None and message.sender_id != look.user_id:
        return f"{look.name(message.sender_id)}: {text}"
    return text
