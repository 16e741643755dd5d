"""Who calls: set by the authentication interceptor, read by every rpc."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A user's session, as its access token says."""

    user_id: str
    session_id: str


_caller: ContextVar[Caller] = ContextVar("caller")
_admin: ContextVar[str] = ContextVar("admin")


def set_caller(caller: Caller) -> None:
    """Remembers who makes the current call."""
    _caller.set(caller)


def caller() -> Caller:
    """Returns who makes the current call; only in rpcs of ACCESS_USER."""
    return _caller.get()


def set_admin(name: str) -> None:
    """Remembers which administrator makes the current call."""
    _admin.set(name)


def admin() -> str:
    """Returns the name of the administrator who calls; only in rpcs of ACCESS_ADMIN."""
    return _admin.get()
