"""What the library hands out: accounts, conversations, messages, and the events of a client."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


class MessageState(StrEnum):
    """Where a message stands, as far as this device knows."""

    SENDING = "sending"
    """In the outbox; not acknowledged."""
    STORED = "stored"
    """Committed by the server; it has a seq."""
    FAILED = "failed"
    """Refused for good; the user can resend or discard it."""


class ConnectionState(StrEnum):
    """Whether the client has its live stream."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    ONLINE = "online"
    SIGNED_OUT = "signed_out"


class ConversationKind(StrEnum):
    """The kinds of conversations."""

    UNKNOWN = "unknown"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `seq` is 0 until the server has stored it."""

    conversation_id: str
    seq: int
    sender_id: str
    client_message_id: str
    text: str
    created_at: datetime
    """When the server stored it; before that, when this device wrote it. Orders nothing."""
    state: MessageState = MessageState.STORED
    failure: str = ""
    """The server's reason, when the state is FAILED."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a conversation, and up to which seq that member has read."""

    user_id: str
    read_seq: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as the account sees it."""

    conversation_id: str
    kind: ConversationKind
    members: tuple[Member, ...]
    last_seq: int
    unread_count: int
    last_message: Message | None = None

    def read_seq(self, user_id: str) -> int:
        """Returns a member's read cursor, 0 for who is no member."""
        return next((it.read_seq for it in self.members if it.user_id == user_id), 0)

    def peer_id(self, user_id: str) -> str:
        """Returns the other member of a direct conversation; the user in a note to self."""
        return next((it.user_id for it in self.members if it.user_id != user_id), user_id)

    def read_by_others(self, user_id: str) -> int:
        """Returns the greatest seq that everyone but the user has read."""
        others = [it.read_seq for it in self.members if it.user_id != user_id]
        return min(others, default=0)


@dataclass(frozen=True, slots=True)
class User:
    """What others see of a user."""

    user_id: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Account:
    """What a user sees of themself."""

    user_id: str
    display_name: str
    email: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """One log-in of one device."""

    session_id: str
    device_id: str
    device_name: str
    platform: str
    created_at: datetime
    used_at: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a screen may want to show; each kind is a subclass."""


@dataclass(frozen=True, slots=True)
class MessageQueued(Event):
    """A message of this device is in the outbox."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageAdded(Event):
    """A message took its place at the end of its conversation: once each, in the order of seq.

    `live` is false for what was fetched to catch up. Own messages come too, those of this
    device under the client_message_id of their MessageQueued.
    """

    message: Message
    live: bool


@dataclass(frozen=True, slots=True)
class MessageStateChanged(Event):
    """A message of this device is stored, failed, is sent again, or was discarded (`gone`)."""

    message: Message
    gone: bool = False


@dataclass(frozen=True, slots=True)
class HistoryReset(Event):
    """The device was too far behind: what is shown of a conversation starts anew at first_seq.

    What lies between is fetched by `Client.history` when it is needed.
    """

    conversation_id: str
    first_seq: int


@dataclass(frozen=True, slots=True)
class ConversationChanged(Event):
    """A conversation is new, or its members, unread count or last message changed."""

    conversation: Conversation


@dataclass(frozen=True, slots=True)
class ReadMoved(Event):
    """A member's read cursor moved forward."""

    conversation_id: str
    user_id: str
    read_seq: int


@dataclass(frozen=True, slots=True)
class ConnectionChanged(Event):
    """The connection is in another state; `reason` says why when it is not simply a cut."""

    state: ConnectionState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CaughtUp(Event):
    """All that the server had for this device is in the cache."""


@dataclass(frozen=True, slots=True)
class SignedOut(Event):
    """The session has ended; the tokens are gone."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Lagged(Event):
    """A listener was too slow and events were left out: read the cache again."""

    missed: int = field(default=0)


def from_micros(micros: int) -> datetime:
    """Converts microseconds since 1970 UTC."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC)


def to_micros(moment: datetime) -> int:
    """Converts to microseconds since 1970 UTC."""
    return round(moment.timestamp() * 1_000_000)
