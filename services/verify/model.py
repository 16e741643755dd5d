"""What verify keeps: accounts with their profiles, codes, sessions."""

from dataclasses import dataclass
from enum import IntEnum


class Purpose(IntEnum):
    """What a code is for, as in the contract."""

    REGISTER = 1
    RESET_PASSWORD = 2


class Kind(IntEnum):
    """What a user is, as in the contract."""

    PERSON = 1
    BOT = 2


class Adding(IntEnum):
    """Who may ask a user to be friends, as in the contract."""

    EVERYBODY = 1
    KNOWN = 2
    CODE = 3
    NOBODY = 4


class Strangers(IntEnum):
    """What becomes of direct messages by who is no friend, as in the contract."""

    BOX = 1
    REFUSE = 2


# The hash that no password fits: of deleted accounts, and of bots.
NO_PASSWORD = "!"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Privacy:
    """Who may find a user, ask the user, and see what of the user."""

    hide_from_handle_search: bool = False
    hide_from_email_search: bool = False
    add_policy: Adding = Adding.EVERYBODY
    stranger_policy: Strangers = Strangers.BOX
    hide_read_receipts: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """What a user says of themself. `handle_set_at` is None while there is no handle."""

    handle: str = ""
    handle_set_at: int | None = None
    avatar_id: str = ""
    signature: str = ""
    region: str = ""
    gender: int = 0
    privacy: Privacy = Privacy()


@dataclass(frozen=True, slots=True)
class Account:
    """An account. Times are microseconds since 1970 UTC."""

    user_id: str
    email: str
    display_name: str
    password_hash: str
    created_at: int
    presence_hidden: bool = False
    profile: Profile = Profile()
    kind: Kind = Kind.PERSON
    deleted: bool = False
    owner_id: str = ""
    """Whose bot it is; empty for persons."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """That an account may not be used, and why. `until` is 0 when it has no end."""

    reason: str
    since: int
    until: int

    def holds(self, now: int) -> bool:
        """Says whether it is not over."""
        return not self.until or now < self.until


@dataclass(frozen=True, slots=True)
class Code:
    """A mailed code, which is kept as a hash. `account_id` is set once it made an account."""

    code_hash: bytes
    expires_at: int
    tries: int
    account_id: str | None


@dataclass(frozen=True, slots=True)
class Device:
    """The device of a session."""

    id: str
    name: str
    platform: str


@dataclass(frozen=True, slots=True)
class Session:
    """One log-in of one device, or one token of a bot. `ended_at` is None while it lasts.

    A bot's token has `scopes`, numbers of the contract's Scope, and may end by itself.
    """

    session_id: str
    user_id: str
    device: Device
    refresh_hash: bytes
    former_hash: bytes | None
    created_at: int
    used_at: int
    ended_at: int | None = None
    scopes: frozenset[int] | None = None
    expires_at: int | None = None


class LoginCodeState(IntEnum):
    """What has become of a code for another device, as in the contract. EXPIRED is kept nowhere."""

    WAITING = 1
    CLAIMED = 2
    APPROVED = 3
    DECLINED = 4
    EXPIRED = 5
    USED = 6


@dataclass(frozen=True, slots=True)
class LoginCode:
    """A code by which another device logs in, kept as a hash, and who has claimed it.

    `claim_hash` is None while nobody has: then `device` and `number` are empty.
    """

    code_id: str
    user_id: str
    session_id: str
    """That made it."""
    code_hash: bytes
    state: LoginCodeState
    expires_at: int
    claim_hash: bytes | None
    device: Device
    number: str
    """Four digits that both devices show."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client needs to call as a session."""

    access: str
    access_expires_at: int
    refresh: str
    session_id: str
    user_id: str
