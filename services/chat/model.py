"""What chat's rules and stores speak of: messages, conversations, members."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

DIRECT = 1
GROUP = 2

MEMBER = 1
ADMIN = 2
OWNER = 3
"""The roles in a group; who has a greater one may do what a lesser one may."""

FREE = 0
NOT_FRIENDS = 1
BLOCKED = 2
"""Whether a member may write in a direct conversation, and why not."""

TEXT = 1
"""A body of plain UTF-8. Every other kind has the contract's content for a body; see bodies."""
RICH = 2
"""A text with a quote, mentions, or an origin elsewhere."""
RECALL = 3
EDIT = 4
REACTION = 5
PIN = 6
TIMER = 7
REMOVED = 8
"""What was a text and is gone."""
EVENT = 9
"""Something happened to the group."""
NOTE = 10
"""An event that clients take note of and do not show, such as a nickname."""

TEXTS = (TEXT, RICH)
"""The kinds that count as unread, and to which the others may refer."""
SHOWN = (TEXT, RICH, TIMER, EVENT)
"""The kinds that a list of conversations shows, and by which it is ordered."""


class Message(NamedTuple):
    """One entry of a log, as it stands now. Times are microseconds since 1970 UTC; 0: never.

    A tuple, since each page makes many: a frozen dataclass costs seven times as much.
    """

    conversation_id: str
    seq: int
    sender_id: str
    client_message_id: str
    kind: int
    body: bytes
    created_at: int
    edited_seq: int = 0
    edited_at: int = 0
    reacted: int = 0
    expires_at: int = 0
    reactions: tuple[tuple[str, str], ...] = ()
    """(emoji, user_id) in the order in which they were given."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a conversation is to one of its members."""

    pinned: bool = False
    muted_until: int = 0
    archived: bool = False
    marked_unread: bool = False
    draft: str = ""
    cleared_seq: int = 0
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a conversation, and up to where the user has received and read it."""

    user_id: str
    read_seq: int
    received_seq: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """A conversation as a list shows it. `active_at` orders lists, newest first."""

    conversation_id: str
    kind: int
    last_seq: int
    active_at: int
    shown_seq: int
    disappear_seconds: int


@dataclass(frozen=True, slots=True)
class GroupRules:
    """What a group is set to; `may_…` are the least roles that may."""

    name: str = ""
    may_invite: int = MEMBER
    may_edit: int = MEMBER
    may_announce: int = ADMIN
    approval: bool = False
    muted: bool = False
    large: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """What a commit must know of a conversation in which not everybody may do everything.

    `barred` and `asked` are of direct conversations, the others of groups.
    """

    rules: GroupRules | None = None
    roles: Mapping[str, int] = field(default_factory=dict)
    silenced: Mapping[str, int] = field(default_factory=dict)
    """Until when a member may not write, in microseconds."""
    barred: Mapping[str, int] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    """In whose box of requests it is."""


@dataclass(frozen=True, slots=True)
class Group:
    """What a conversation is besides, when it is a group."""

    rules: GroupRules
    member_count: int
    member_version: int
    announcement: str = ""
    announcement_seq: int = 0
    dissolved: bool = False
    picture: tuple[str, ...] = ()
    """The first of its members, for the picture."""
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    """What a user is in a group."""

    user_id: str
    role: int
    nickname: str = ""
    silenced_until: int = 0
    joined_at: int = 0


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as one of its members sees it."""

    head: Head
    members: tuple[Member, ...]
    settings: Settings
    unread: int
    mentions: int = 0
    pinned_seqs: tuple[int, ...] = ()
    last_message: Message | None = None
    hides: int = 0
    """How many messages the member has hidden in it."""
    group: Group | None = None
    post: Post | None = None
    """What the member is in the group."""
    request: bool = False
    """Whether it is in the member's box of requests."""

    @property
    def left(self) -> bool:
        """Whether it is a group in which the user is a member no more."""
        return self.group is not None and self.post is None


@dataclass(frozen=True, slots=True)
class Seat:
    """What a member's own row says to the reader of a log.

    `last_seq` is where the log ends for the member, who may have left.
    """

    last_seq: int
    cleared_seq: int
    hides: int
    left: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of conversations ended."""

    active_at: int
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a user: the contract's UserChange, serialized, under its version."""

    version: int
    payload: bytes
