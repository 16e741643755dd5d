"""Read and received cursors: those that are ready together move forward in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import structlog
from prometheus_client import Counter

from services.chat.rules import Hiding, nobody_hides, not_a_member
from services.common.database import LostRace
from services.common.errors import AppError, Unavailable

ATTEMPTS = 3
SIZE = 500
# Ticks may be this late, so that those of many messages cost one transaction.
GATHER_SECONDS = 0.1

MOVED = Counter("hongyan_chat_cursors_moved", "Members whose cursors moved forward.")

log = structlog.get_logger()

Key = tuple[str, str]
"""(user_id, conversation_id)"""


class Wanted(NamedTuple):
    """Up to where a user has read and received; 0: nothing said."""

    read_seq: int = 0
    received_seq: int = 0


class Cursor(NamedTuple):
    """Where a member's cursors stand, and where the log ends."""

    read_seq: int
    received_seq: int
    last_seq: int
    marked_unread: int = 0

    def moved(self, wanted: Wanted) -> "Cursor":
        """Returns the cursors moved forward, not beyond the log's end; who read has received."""
        read_seq = max(self.read_seq, min(wanted.read_seq, self.last_seq))
        received_seq = min(wanted.received_seq, self.last_seq)
        received_seq = max(self.received_seq, received_seq, read_seq)
        return Cursor(read_seq, received_seq, self.last_seq, self.marked_unread)


@dataclass(frozen=True, slots=True)
class Moved:
    """Cursors that moved, and who is to know."""

    conversation_id: str
    user_id: str
    before: Cursor
    now: Cursor
    members: tuple[str, ...]
    readers: tuple[str, ...] = ()
    """Who is to know how far the user has read; the others know what they have received."""


class CursorStore(Protocol):
    """The storage that cursors need, inside one transaction."""

    async def cursors(self, keys: Iterable[Key]) -> dict[Key, Cursor]:
        """Returns the cursors of each member there is, locked."""

    async def move(self, targets: Mapping[Key, Cursor], now: int) -> None: ...
    async def watchers(self, ids: list[str]) -> dict[str, tuple[str, ...]]: ...


Begin = Callable[[], AbstractAsyncContextManager[CursorStore]]


class Cursors:
    """Moves cursors forward, never back. `on_moved` is called after the commit.

    `unmark` is awaited with (user_id, conversation_id) of who has read what they had marked as
    unread.
    """

    def __init__(
        self,
        begin: Begin,
        now: Callable[[], int],
        on_moved: Callable[[list[Moved]], None],
        unmark: Callable[[str, str], Awaitable[object]],
        hiding: Hiding = nobody_hides,
    ) -> None:
        self._begin = begin
        self._now = now
        self._on_moved = on_moved
        self._unmark = unmark
        self._hiding = hiding
        self._wanted: dict[Key, Wanted] = {}
        self._wake = asyncio.Event()

    def submit(self, user_id: str, conversation_id: str, wanted: Wanted) -> None:
        """Queues a move; many moves of one member's cursors are one."""
        key = (user_id, conversation_id)
        if before := self._wanted.get(key):
            wanted = Wanted(
                max(wanted.read_seq, before.read_seq), max(wanted.received_seq, before.received_seq)
            )
        self._wanted[key] = wanted
        self._wake.set()

    async def run(self) -> None:
        """Moves what was submitted, for ever; an error loses a hint that the device repeats."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
            while self._wanted:
                keys = list(self._wanted)[:SIZE]
                wanted = {key: self._wanted.pop(key) for key in keys}
                try:
                    await self.move(wanted)
                except AppError as error:
                    log.warning("cursors.dropped", cursors=len(wanted), reason=error.reason)
                except Exception as error:  # a hint is not worth the service
                    log.error("cursors.dropped", cursors=len(wanted), exc_info=error)
            self._wake.clear()

    async def move_one(self, user_id: str, conversation_id: str, seq: int) -> int:
        """Moves one read cursor now and returns where it stands; raises Denied to a non-member."""
        key = (user_id, conversation_id)
        cursors = await self.move({key: Wanted(read_seq=seq)})
        if key not in cursors:
            raise not_a_member()
        return cursors[key].read_seq

    async def move(self, wanted: Mapping[Key, Wanted]) -> dict[Key, Cursor]:
        """Moves cursors and returns where they stand; keys of non-members are left out."""
        for _ in range(ATTEMPTS):
            try:
                return await self._transaction(wanted)
            except LostRace:
                continue
        raise Unavailable("DATABASE_BUSY", "the cursors are too busy", retry_seconds=0.5)

    async def _transaction(self, wanted: Mapping[Key, Wanted]) -> dict[Key, Cursor]:
        async with self._begin() as store:
            before = await store.cursors(sorted(wanted))
            cursors = {key: cursor.moved(wanted[key]) for key, cursor in before.items()}
            targets = {key: cursor for key, cursor in cursors.items() if cursor != before[key]}
            members: dict[str, tuple[str, ...]] = {}
            if targets:
                await store.move(targets, self._now())
                members = await store.watchers(sorted({id for _, id in targets}))
        for key in [key for key, it in before.items() if it.marked_unread and wanted[key].read_seq]:
            await self._unmark(*key)
        MOVED.inc(len(targets))
        if targets:
            hidden = await self._hiding({it for them in members.values() for it in them})
            self._on_moved(
                [
                    _moved(key, before[key], cursor, members.get(key[1], key[:1]), hidden)
                    for key, cursor in targets.items()
                ]
            )
        return cursors


def _moved(
    key: Key, before: Cursor, now: Cursor, members: tuple[str, ...], hidden: set[str]
) -> Moved:
    user, id = key
    readers = tuple(it for it in members if it == user or not hidden & {it, user})
    return Moved(id, user, before, now, members, readers)
