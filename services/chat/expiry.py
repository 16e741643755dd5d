"""Disappearing messages: what is due loses its text, and keeps its place in the log."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog
from prometheus_client import Counter

from services.common.database import LostRace
from services.common.errors import AppError

# Readers leave out what is due at once; the text goes from the disk within some seconds.
SWEEP_SECONDS = 5.0
SWEEP_ROWS = 500

EXPIRED = Counter("hongyan_chat_messages_expired", "Messages that have disappeared.")

log = structlog.get_logger()

Place = tuple[int, str, int]
"""(expires_at, conversation_id, seq)"""


class ExpiryStore(Protocol):
    """The storage that expiry needs, inside one transaction."""

    async def due(self, now: int, limit: int) -> list[Place]: ...
    async def expire(self, places: Sequence[Place]) -> None: ...


Begin = Callable[[], AbstractAsyncContextManager[ExpiryStore]]


class Expiry:
    """Removes what is due. Several pods may do it at once: doing it twice changes nothing."""

    def __init__(self, begin: Begin, now: Callable[[], int]) -> None:
        self._begin = begin
        self._now = now

    async def run(self) -> None:
        """Sweeps for ever."""
        while True:
            try:
                while await self.sweep() == SWEEP_ROWS:
                    pass
            except AppError as error:
                log.warning("expiry.late", reason=error.reason)
            except Exception as error:  # the next sweep is soon, and not worth the service
                log.error("expiry.late", exc_info=error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """Removes up to SWEEP_ROWS messages that are due; returns how many."""
        try:
            async with self._begin() as store:
                places = await store.due(self._now(), SWEEP_ROWS)
                if places:
                    await store.expire(places)
        except LostRace:
            return 0
        EXPIRED.inc(len(places))
        return len(places)
