"""What presence is: a lease for each gate that holds a user, and when the user was last seen."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.errors import AppError


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a user. Times are Unix seconds; None: never seen."""

    online_until: float
    active_at: float | None


@dataclass(frozen=True, slots=True)
class Presence:
    """A user's presence; `online` is None while presence cannot be read."""

    user_id: str
    online: bool | None
    active_at: float | None


class Leases(Protocol):
    """Where leases are kept."""

    async def renew(self, gate_id: str, user_ids: Sequence[str], now: float) -> None: ...
    async def drop(self, gate_id: str, user_ids: Sequence[str], now: float) -> None: ...
    async def look(self, user_ids: Sequence[str], now: float) -> list[Seen]: ...
    async def count(self, gate_id: str, sessions: int, now: float) -> None: ...
    async def gates(self, now: float) -> dict[str, int]: ...


FindHidden = Callable[[Collection[str]], Awaitable[set[str]]]
"""Returns which of some users show their presence to nobody."""


class Directory:
    """Leases of users, renewed by gates and read by everybody."""

    def __init__(self, leases: Leases, find_hidden: FindHidden, now: Callable[[], float]) -> None:
        self._leases = leases
        self._find_hidden = find_hidden
        self._now = now

    async def renew(
        self, gate_id: str, user_ids: Sequence[str], left_user_ids: Sequence[str]
    ) -> None:
        """Renews leases on a gate and ends others."""
        now = self._now()
        if user_ids:
            await self._leases.renew(gate_id, user_ids, now)
        if left_user_ids:
            await self._leases.drop(gate_id, left_user_ids, now)

    async def count(self, gate_id: str, sessions: int) -> None:
        """Notes how many sessions a gate holds."""
        await self._leases.count(gate_id, sessions, self._now())

    async def gates(self) -> dict[str, int]:
        """Returns the gates that have a lease, and how many sessions each holds."""
        return await self._leases.gates(self._now())

    async def presences(self, user_ids: Sequence[str], viewer: str = "") -> list[Presence]:
        """Returns presences in the order of the ids; not known while the leases are away.

        Who hides their presence is offline to all but themself, and does not see when others
        were last seen.
        """
        now = self._now()
        hidden = await self._find_hidden([*user_ids, *([viewer] if viewer else [])])
        blind = viewer in hidden
        hidden.discard(viewer)
        try:
            seen = await self._leases.look(user_ids, now)
        except AppError:
            return [Presence(user_id, None, None) for user_id in user_ids]
        return [
            Presence(user_id, online=False, active_at=None)
            if user_id in hidden
            else Presence(
                user_id,
                one.online_until > now,
                None if blind and user_id != viewer else one.active_at,
            )
            for user_id, one in zip(user_ids, seen, strict=True)
        ]
