"""Transactions that change what users have: each change is under the user's next version.

Every device of the user gets it, at once or with its next difference.
"""

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from services.chat.model import Change
from services.common.database import Duplicate, LostRace
from services.common.errors import Unavailable

ATTEMPTS = 4
# A device that missed more starts anew.
KEPT_CHANGES = 1_000

T = TypeVar("T")


class VersionStore(Protocol):
    """The storage that versions need, inside one transaction."""

    async def lock_version(self, user_id: str) -> int: ...
    async def set_version(self, user_id: str, version: int) -> None: ...
    async def add_change(self, user_id: str, change: Change, keep: int) -> None: ...


class Notes:
    """What one transaction changes for whom."""

    def __init__(self, versions: dict[str, int]) -> None:
        self.versions = versions
        self.made: list[tuple[str, Change]] = []

    def add(self, user_id: str, write: Callable[[int], bytes]) -> None:
        """Adds a change of a user; `write` makes its payload with its version."""
        version = self.versions[user_id] + 1
        self.versions[user_id] = version
        self.made.append((user_id, Change(version, write(version))))


class UserChanges:
    """Runs such transactions. `on_changed` is called for each change after the commit."""

    def __init__(
        self,
        begin: Callable[[], AbstractAsyncContextManager[Any]],
        on_changed: Callable[[str, Change], None],
    ) -> None:
        self._begin = begin
        self._on_changed = on_changed

    async def run(
        self, user_ids: Collection[str], work: Callable[[Any, Notes], Awaitable[T]]
    ) -> tuple[T, dict[str, int]]:
        """Does work with these users' versions locked; returns its result and the versions."""
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    # In the order of the ids, so that no two transactions wait in a ring.
                    users = sorted(set(user_ids))
                    notes = Notes({user_id: await store.lock_version(user_id) for user_id in users})
                    result = await work(store, notes)
                    for user_id, change in notes.made:
                        await store.add_change(user_id, change, KEPT_CHANGES)
                    for user_id in {user_id for user_id, _ in notes.made}:
                        await store.set_version(user_id, notes.versions[user_id])
            except (LostRace, Duplicate):  # a duplicate: the user's first change, twice at once
                continue
            for user_id, change in notes.made:
                self._on_changed(user_id, change)
            return result, notes.versions
        raise Unavailable("DATABASE_BUSY", "the settings are too busy", retry_seconds=0.5)
