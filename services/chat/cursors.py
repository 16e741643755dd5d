"""Read cursors: the ones that are ready together move forward in one transaction."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import Counter

from services.chat.rules import not_a_member
from services.common.database import LostRace
from services.common.errors import AppError, Unavailable

ATTEMPTS = 3
SIZE = 500

MOVED = Counter("hongyan_chat_read_cursors_moved", "Read cursors that moved forward.")

log = structlog.get_logger()

Key = tuple[str, str]
"""(user_id, conversation_id)"""


@dataclass(frozen=True, slots=True)
class Moved:
    """A cursor that moved, and who is to know."""

    conversation_id: str
    user_id: str
    read_seq: int
    members: tuple[str, ...]


class CursorStore(Protocol):
    """The storage that cursors need, inside one transaction."""

    async def cursors(self, keys: Iterable[Key]) -> dict[Key, tuple[int, int]]:
        """Returns (read_seq, the log's last_seq) of each member there is, locked."""

    async def move(self, targets: Mapping[Key, int]) -> None: ...
    async def member_ids(self, ids: list[str]) -> dict[str, tuple[str, ...]]: ...


Begin = Callable[[], AbstractAsyncContextManager[CursorStore]]


class Cursors:
    """Moves read cursors forward, never back. `on_moved` is called after the commit."""

    def __init__(self, begin: Begin, on_moved: Callable[[list[Moved]], None]) -> None:
        self._begin = begin
        self._on_moved = on_moved
        self._wanted: dict[Key, int] = {}
        self._wake = asyncio.Event()

    def submit(self, user_id: str, conversation_id: str, seq: int) -> None:
        """Queues a move; many moves of one cursor are one."""
        key = (user_id, conversation_id)
        self._wanted[key] = max(seq, self._wanted.get(key, 0))
        self._wake.set()

    async def run(self) -> None:
        """Moves what was submitted, for ever; an error loses a hint that the device repeats."""
        while True:
            await self._wake.wait()
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
        """Moves one cursor now and returns where it stands; raises Denied to a non-member."""
        key = (user_id, conversation_id)
        cursors = await self.move({key: seq})
        if key not in cursors:
            raise not_a_member()
        return cursors[key]

    async def move(self, wanted: Mapping[Key, int]) -> dict[Key, int]:
        """Moves cursors and returns where they stand; keys of non-members are left out."""
        for _ in range(ATTEMPTS):
            try:
                return await self._transaction(wanted)
            except LostRace:
                continue
        raise Unavailable("DATABASE_BUSY", "the cursors are too busy", retry_seconds=0.5)

    async def _transaction(self, wanted: Mapping[Key, int]) -> dict[Key, int]:
        async with self._begin() as store:
            current = await store.cursors(sorted(wanted))
            cursors = {
                key: max(read_seq, min(wanted[key], last_seq))
                for key, (read_seq, last_seq) in current.items()
            }
            targets = {key: seq for key, seq in cursors.items() if seq > current[key][0]}
            members: dict[str, tuple[str, ...]] = {}
            if targets:
                await store.move(targets)
                members = await store.member_ids(sorted({id for _, id in targets}))
        MOVED.inc(len(targets))
        if targets:
            self._on_moved(
                [Moved(id, user, seq, members[id]) for (user, id), seq in targets.items()]
            )
        return cursors
