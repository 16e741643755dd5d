"""What presence is: a lease for each gate that holds a user, and when the user was last seen."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
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
    async def forget(self, gate_id: str) -> None: ...
    async def gates(self, now: float) -> dict[str, int]: ...


FindHidden = Callable[[Collection[str]], Awaitable[set[str]]]
"""Returns which of some users show their presence to nobody."""


class Directory:
    """Leases of users, renewed by gates and read by everybody.

    To the devices that watch a user, the user is online for `grace_seconds` more.
    """

    def __init__(
        self,
        leases: Leases,
        find_hidden: FindHidden,
        grace_seconds: float,
        now: Callable[[], float],
    ) -> None:
        self._leases = leases
        self._find_hidden = find_hidden
        self._grace_seconds = grace_seconds
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

    async def forget(self, gate_id: str) -> None:
        """Takes a gate off the list; its users keep their leases."""
        await self._leases.forget(gate_id)

    async def gates(self) -> dict[str, int]:
        """Returns the gates that have a lease, and how many sessions each holds."""
        return await self._leases.gates(self._now())

    async def presences(self, user_ids: Sequence[str], viewer: str) -> list[Presence]:
        """Returns presences as a user may see them, in the order of the ids; not known while the
        leases are away.

        Who hides their presence is offline to all but themself, and does not see when others
        were last seen.
        """
        found, hidden = await self._find(user_ids, [viewer], 0.0)
        blind = viewer in hidden
        hidden.discard(viewer)
        return [
            Presence(one.user_id, online=False, active_at=None)
            if one.user_id in hidden and one.online is not None
            else replace(one, active_at=None if blind and one.user_id != viewer else one.active_at)
            for one in found
        ]

    async def look(
        self, user_ids: Sequence[str], viewers: Collection[str]
    ) -> tuple[list[Presence], set[str]]:
        """Returns presences in truth, and which of the users and viewers hide theirs.

        Who was here a moment ago is online still: nobody is told of one who reconnects.
        """
        return await self._find(user_ids, viewers, self._grace_seconds)

    async def _find(
        self, user_ids: Sequence[str], viewers: Collection[str], grace: float
    ) -> tuple[list[Presence], set[str]]:
        now = self._now()
        hidden = await self._find_hidden([*user_ids, *viewers])
        try:
            seen = await self._leases.look(user_ids, now) if user_ids else []
        except AppError:
            return [Presence(user_id, None, None) for user_id in user_ids], hidden
        return [
            Presence(
                user_id,
                one.online_until > now
                or (one.active_at is not None and now - one.active_at < grace),
                one.active_at,
            )
            for user_id, one in zip(user_ids, seen, strict=True)
        ], hidden
