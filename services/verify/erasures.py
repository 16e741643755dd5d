"""Deleted accounts: what is forgotten at once, and what other services forget later."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog
from prometheus_client import Counter

from services.common.database import LostRace
from services.common.errors import AppError, NotFound, Unavailable
from services.verify.model import Account
from services.verify.rules import ATTEMPTS, MICROS, password_wrong

ERASURES = Counter("hongyan_verify_erasures", "Erasures by outcome.", ["outcome"])
RETRY = 30 * MICROS
LOOK_SECONDS = 2.0
AT_ONCE = 100

log = structlog.get_logger()


class ErasureStore(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def locked_account(self, user_id: str) -> Account | None: ...
    async def end_all(self, user_id: str, now: int) -> None: ...
    async def bots(self, owner_id: str) -> list[Account]: ...
    async def forget(self, gone: Account, now: int) -> None: ...
    async def due(self, now: int, count: int) -> list[str]: ...
    async def put_off(self, user_id: str, due_at: int) -> None: ...
    async def erased(self, user_id: str) -> None: ...


class Eraser(Protocol):
    """A service that keeps something of users."""

    async def erase(self, user_id: str) -> None:
        """Forgets a user; may come again for the same one, and raises when it is not done."""


Begin = Callable[[], AbstractAsyncContextManager[ErasureStore]]


class Erasures:
    """Deletes accounts with their bots, and tells every eraser until it has done it."""

    def __init__(
        self, begin: Begin, read: Begin, *, erasers: Sequence[Eraser], now: Callable[[], int]
    ) -> None:
        self._begin = begin
        self._read = read
        self._erasers = erasers
        self._now = now

    async def delete(self, confirmed: Account) -> None:
        """Deletes an account whose password was right."""
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    current = await store.locked_account(confirmed.user_id)
                    if current is None or current.deleted:
                        raise NotFound("USER_NOT_FOUND", "no such user")
                    # Reset meanwhile: the password that was checked is no longer right.
                    if current.password_hash != confirmed.password_hash:
                        raise password_wrong()
                    # Making a bot waits for its owner's account, so there is none besides.
                    for gone in (*await store.bots(current.user_id), current):
                        await self._forget(store, gone)
                return
            except LostRace:
                continue
        raise Unavailable("DATABASE_BUSY", "the account is too busy", retry_seconds=0.5)

    async def delete_bot(self, owner_id: str, user_id: str) -> None:
        """Deletes one of a user's bots; raises NotFound for anything else."""
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    bot = await store.locked_account(user_id)
                    if bot is None or bot.deleted or bot.owner_id != owner_id:
                        raise NotFound("BOT_NOT_FOUND", "the caller has no such bot")
                    await self._forget(store, bot)
                return
            except LostRace:
                continue
        raise Unavailable("DATABASE_BUSY", "the account is too busy", retry_seconds=0.5)

    async def _forget(self, store: ErasureStore, gone: Account) -> None:
        await store.end_all(gone.user_id, self._now())
        await store.forget(gone, self._now())

    async def run(self) -> None:
        """Erases what is due, for ever."""
        while True:
            try:
                await self.erase_due()
            except AppError as error:
                log.warning("erasure.waits", why=error.reason)
            await asyncio.sleep(LOOK_SECONDS)

    async def erase_due(self) -> None:
        """Hands each due user to every eraser once; who failed comes again later.

        Without erasers all stays on the list, for those that are added later.
        """
        if not self._erasers:
            return
        async with self._read() as store:
            due = await store.due(self._now(), AT_ONCE)
        for user_id in due:
            done = await self._erase(user_id)
            async with self._begin() as store:
                if done:
                    await store.erased(user_id)
                else:
                    await store.put_off(user_id, self._now() + RETRY)
            ERASURES.labels("done" if done else "failed").inc()

    async def _erase(self, user_id: str) -> bool:
        try:
            for eraser in self._erasers:
                await eraser.erase(user_id)
        except Exception as error:  # whatever it is, it is tried again
            log.warning("erasure.failed", why=type(error).__name__)
            return False
        return True
