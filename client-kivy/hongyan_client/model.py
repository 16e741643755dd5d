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
    GROUP = "group"


class MessageKind(StrEnum):
    """The kinds of entries of a log."""

    TEXT = "text"
    TIMER = "timer"
    """Somebody set after how long messages disappear: `Change.seconds`."""
    PIN = "pin"
    """Somebody pinned an earlier message, or took it down."""
    REMOVED = "removed"
    """What is left of a message that is gone; `Message.removed` says why."""
    RECALL = "recall"
    EDIT = "edit"
    REACTION = "reaction"
    EVENT = "event"
    """Something happened to the group: `Message.event`."""
    NOTE = "note"
    """An event that is not shown, such as a nickname."""
    UNKNOWN = "unknown"
    """Of a newer version of the contract."""


SHOWN = (
    MessageKind.TEXT,
    MessageKind.TIMER,
    MessageKind.PIN,
    MessageKind.REMOVED,
    MessageKind.EVENT,
)
"""The kinds that a chat shows; the others change how earlier ones are shown."""
HIDEABLE = (MessageKind.TEXT, MessageKind.REMOVED)
"""The kinds that an account can hide: what did something to another message stays."""
HIDDEN = "hidden"
"""Why a message is gone that the account has hidden."""
FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Until when a chat is muted, or a member silenced, that is so without an end."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an entry does to an earlier message, or sets."""

    seq: int = 0
    text: str = ""
    emoji: str = ""
    removed: bool = False
    seconds: int = 0
    mentioned: tuple[str, ...] = ()
    everybody: bool = False
    moderated: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """Which earlier message a text answers."""

    seq: int
    sender_id: str = ""


@dataclass(frozen=True, slots=True)
class Reactions:
    """Who has reacted with one emoji."""

    emoji: str
    user_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupEvent:
    """What happened to a group, or in a direct chat that the two are friends.

    `what` is the name in the contract: created, joined, left, role, transferred, changed,
    announced, silenced, dissolved, friends. Who did it is the message's sender.
    """

    what: str = ""
    user_ids: tuple[str, ...] = ()
    inviter_id: str = ""
    by_invite: bool = False
    text: str = ""
    """The name of a new group, or what is announced."""
    role: str = ""
    until: datetime | None = None
    fields: tuple[str, ...] = ()
    """Which settings changed."""
    settings: "GroupSettings | None" = None
    member_count: int = 0
    member_version: int = 0
    raw: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a conversation's log, as it stands; `seq` is 0 until the server has it."""

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
    kind: MessageKind = MessageKind.TEXT
    change: Change | None = None
    removed: str = ""
    """Why it is gone: recalled, moderated, expired or hidden."""
    quote: Quote | None = None
    mentioned: tuple[str, ...] = ()
    mentions_everybody: bool = False
    forwarded_from: str = ""
    edited_at: datetime | None = None
    reactions: tuple[Reactions, ...] = ()
    expires_at: datetime | None = None
    event: GroupEvent | None = None
    card_user_id: str = ""
    """With a text: the user whose card it is."""
    request: bytes = field(default=b"", repr=False, compare=False)
    """What asks the server to store it, while it is in the outbox."""

    def mentions(self, user_id: str) -> bool:
        """Returns whether a user other than the sender is mentioned; an announcement is for all."""
        announced = self.event is not None and self.event.what == "announced" and self.event.text
        everybody = self.mentions_everybody or bool(announced)
        return self.sender_id != user_id and (everybody or user_id in self.mentioned)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a conversation, and up to which seq that member has read and received."""

    user_id: str
    read_seq: int
    received_seq: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a conversation is to the account."""

    pinned: bool = False
    muted_until: datetime | None = None
    archived: bool = False
    marked_unread: bool = False
    draft: str = ""
    cleared_seq: int = 0
    removed: bool = False


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """What a group is set to; `may_…` are the least roles that may: member, admin, owner."""

    name: str = ""
    may_invite: str = "member"
    may_edit: str = "member"
    may_announce: str = "admin"
    approval: bool = False
    muted: bool = False
    large: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """What a group is to the account; `role` is empty for who was a member once."""

    settings: GroupSettings
    role: str = ""
    member_count: int = 0
    member_version: int = 0
    announcement: str = ""
    announcement_seq: int = 0
    silenced_until: datetime | None = None
    dissolved: bool = False
    nickname: str = ""
    picture_user_ids: tuple[str, ...] = ()
    waiting_count: int = 0


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a group."""

    user_id: str
    role: str
    nickname: str = ""
    silenced_until: datetime | None = None
    joined_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Invite:
    """A way into a group; the code is there only when it is made. 0 uses: any number."""

    invite_id: str
    inviter_id: str
    expires_at: datetime
    uses_left: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """Where an invite leads."""

    conversation_id: str
    name: str
    member_count: int
    inviter_id: str
    member: bool
    approval: bool


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Somebody who waits to be let into a group."""

    user_id: str
    inviter_id: str
    greeting: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """What a user is to the account."""

    user_id: str
    friend: bool = False
    remark: str = ""
    tags: tuple[str, ...] = ()
    starred: bool = False
    blocked: bool = False
    friends_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """A request to be friends; `state` is pending, accepted, declined, expired or withdrawn."""

    user_id: str
    incoming: bool
    greeting: str
    source: str
    state: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ContactCode:
    """A code by which others can ask the account; the secret is there only when it is made."""

    code_id: str
    expires_at: datetime
    code: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as the account sees it."""

    conversation_id: str
    kind: ConversationKind
    members: tuple[Member, ...]
    last_seq: int
    unread_count: int
    last_message: Message | None = None
    mention_count: int = 0
    settings: Settings = Settings()
    disappear_seconds: int = 0
    pinned_seqs: tuple[int, ...] = ()
    group: Group | None = None
    request: bool = False
    """Whether a stranger began it and the account has not answered."""

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

    def received_by_others(self, user_id: str) -> int:
        """Returns the greatest seq that a device of everyone but the user has."""
        others = [it.received_seq for it in self.members if it.user_id != user_id]
        return min(others, default=0)


@dataclass(frozen=True, slots=True)
class Readers:
    """How far a message has come, by user ids; its sender is not among them."""

    read: tuple[str, ...]
    received: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what a search found, the newest first."""

    messages: tuple[Message, ...]
    next_page_token: str = ""
    indexing: bool = False
    """Whether asking again finds more: older messages are being made ready."""


@dataclass(frozen=True, slots=True)
class User:
    """What others see of a user."""

    user_id: str
    display_name: str
    handle: str = ""
    signature: str = ""
    region: str = ""
    bot: bool = False
    """Whether it is a program."""
    avatar_id: str = ""
    """The picture; empty: there is none."""


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot of the account."""

    user_id: str
    display_name: str
    handle: str
    signature: str
    public: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BotToken:
    """What is known of a bot's token besides itself; `expires_at` is None when it does not end."""

    token_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    used_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BotCommand:
    """One thing that a bot understands: what is written after the slash, and what it does."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Privacy:
    """Who may find a user, ask the user, and see what of the user.

    `who_may_add` is everybody, known, code or nobody; `strangers` is box or refuse: what becomes
    of direct messages by who is no friend.
    """

    found_by_handle: bool = True
    found_by_email: bool = True
    who_may_add: str = "everybody"
    strangers: str = "box"
    read_receipts: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """What a user sees of themself."""

    user_id: str
    display_name: str
    email: str
    created_at: datetime
    presence_hidden: bool = False
    handle: str = ""
    signature: str = ""
    region: str = ""
    gender: str = ""
    """female, male or other; empty: not said."""
    avatar_id: str = ""
    privacy: Privacy = Privacy()


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


class LoginCodeState(StrEnum):
    """What has become of a code by which another device logs in."""

    WAITING = "waiting"
    """Nobody has claimed it."""
    CLAIMED = "claimed"
    """A device has, and waits for the answer."""
    APPROVED = "approved"
    """The answer was yes; the device has not logged in yet."""
    DECLINED = "declined"
    EXPIRED = "expired"
    USED = "used"
    """The device has logged in."""


@dataclass(frozen=True, slots=True)
class LoginCode:
    """A code by which another device logs in, as the device that shows it sees it.

    What the claimer calls itself is the claimer's word; the number is the server's.
    """

    code_id: str
    state: LoginCodeState
    expires_at: datetime
    """By the server's clock; a claim sets it anew."""
    device_name: str = ""
    """Of who has claimed it, as the two that follow."""
    platform: str = ""
    number: str = ""
    """Four digits, which the claiming device shows too: approve when they are the same."""
    link: str = field(default="", repr=False)
    """What to show as a QR code; there only when it is made."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a device has that claimed a code, until the other device answers."""

    token: str = field(repr=False)
    display_name: str
    """Who will be logged in."""
    number: str
    """Four digits to show: the other device shows the same."""
    expires_at: datetime
    """By the server's clock."""


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
class MessageChanged(Event):
    """A message that is here looks different now: edited, reacted to, or gone."""

    message: Message


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
class ReceivedMoved(Event):
    """A member's received cursor moved forward."""

    conversation_id: str
    user_id: str
    received_seq: int


@dataclass(frozen=True, slots=True)
class TypingStarted(Event):
    """A member is writing; over after some seconds, or with the next message."""

    conversation_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a user can be reached: None when that is not known."""

    user_id: str
    online: bool | None
    active_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PresenceChanged(Event):
    """The presence of a watched user is known, or another one."""

    presence: Presence


@dataclass(frozen=True, slots=True)
class ContactChanged(Event):
    """A contact is new or another, or gone: then it is neither friend nor blocked."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class ContactRequestChanged(Event):
    """A request to be friends came, or was answered."""

    request: ContactRequest


@dataclass(frozen=True, slots=True)
class CacheReset(Event):
    """The cache began anew; what waits to be sent is still there."""


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
