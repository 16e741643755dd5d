"""Who calls: set by the authentication interceptor, read by every rpc."""

from contextvars import ContextVar
from dataclasses import dataclass

from hongyan.options.v1 import access_pb2

from services.common.errors import Denied


@dataclass(frozen=True, slots=True)
class Caller:
    """A user's session, as its access token says."""

    user_id: str
    session_id: str
    scopes: frozenset[int] | None = None
    """What a bot's token holds, numbers of the contract's Scope; None: a person's session."""

    def may(self, scope: int) -> bool:
        """Says whether an rpc of this scope is open to the caller."""
        return self.scopes is None or scope in self.scopes

    def require(self, scope: int) -> None:
        """Raises Denied for a bot whose token does not hold the scope."""
        if self.may(scope):
            return
        if not scope:
            raise Denied("NOT_FOR_BOTS", "this is for people: a bot may not do it")
        name = access_pb2.Scope.Name(access_pb2.Scope.ValueType(scope))
        raise Denied("SCOPE_MISSING", f"the bot's token does not hold {name}")


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
