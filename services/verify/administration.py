"""What administrators may do with accounts: find them, suspend them, end their sessions."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from prometheus_client import Counter

from services.common.database import LostRace
from services.common.errors import Invalid, NotFound, Unavailable
from services.verify.model import Account, Suspension
from services.verify.names import normal_email, normal_handle
from services.verify.rules import ATTEMPTS

PAGE = 50
ACTS = Counter("hongyan_verify_admin_acts", "What administrators did with accounts.", ["act"])

Result = TypeVar("Result")


class AdminStore(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def account(self, user_id: str) -> Account | None: ...
    async def locked_account(self, user_id: str) -> Account | None: ...
    async def find(
        self, query: str, handle_key: str, email: str, after: str, limit: int
    ) -> list[Account]: ...
    async def session_counts(self, user_ids: Collection[str]) -> dict[str, int]: ...
    async def suspensions(self, user_ids: Collection[str]) -> dict[str, Suspension]: ...
    async def suspend(self, user_id: str, new: Suspension) -> None: ...
    async def restore(self, user_id: str) -> None: ...
    async def end_all(self, user_id: str, now: int) -> None: ...
    async def bots(self, owner_id: str) -> list[Account]: ...


Begin = Callable[[], AbstractAsyncContextManager[AdminStore]]


@dataclass(frozen=True, slots=True)
class Seen:
    """An account as administrators see it. `suspension` is None unless it holds now."""

    account: Account
    session_count: int
    suspension: Suspension | None


class Administration:
    """The rules of administration; `now` is microseconds since 1970 UTC."""

    def __init__(self, begin: Begin, read: Begin, *, now: Callable[[], int]) -> None:
        self._begin = begin
        self._read = read
        self._now = now

    async def find(self, query: str, after: str, limit: int) -> tuple[list[Seen], str]:
        """Returns a page of users, and the token of the next one."""
        async with self._read() as store:
            found = await store.find(
                query, normal_handle(query), normal_email(query), after, limit + 1
            )
            seen = await self._seen(store, found[:limit])
        return seen, found[limit - 1].user_id if len(found) > limit else ""

    async def suspend(self, user_id: str, reason: str, until: int) -> Seen:
        """Suspends an account until a time, or for good if that is 0, and ends its sessions.

        The tokens of its bots end too: they would speak on for who may not.
        """
        if until and until <= self._now():
            raise Invalid("INVALID_FIELD", "until is over", fields={"until": "must be to come"})

        async def work(store: AdminStore) -> Seen:
            # A log-in locks the account too: it comes before, and its session ends, or after.
            current = await _living(store, user_id)
            for ended in (user_id, *[bot.user_id for bot in await store.bots(user_id)]):
                await store.end_all(ended, self._now())
            await store.suspend(user_id, Suspension(reason, self._now(), until))
            return (await self._seen(store, [current]))[0]

        return await self._act("suspend", work)

    async def restore(self, user_id: str) -> Seen:
        """Ends a suspension; one that is not there is no mistake."""

        async def work(store: AdminStore) -> Seen:
            current = await _living(store, user_id)
            await store.restore(user_id)
            return (await self._seen(store, [current]))[0]

        return await self._act("restore", work)

    async def end_sessions(self, user_id: str) -> int:
        """Ends every session of an account; returns how many."""

        async def work(store: AdminStore) -> int:
            await _living(store, user_id)
            count = (await store.session_counts([user_id])).get(user_id, 0)
            await store.end_all(user_id, self._now())
            return count

        return await self._act("end_sessions", work)

    async def _seen(self, store: AdminStore, accounts: Collection[Account]) -> list[Seen]:
        if not accounts:
            return []
        ids = [account.user_id for account in accounts]
        counts, suspensions = await store.session_counts(ids), await store.suspensions(ids)
        now = self._now()
        return [
            Seen(
                account,
                counts.get(account.user_id, 0),
                it if (it := suspensions.get(account.user_id)) and it.holds(now) else None,
            )
            for account in accounts
        ]

    async def _act(self, act: str, work: Callable[[AdminStore], Awaitable[Result]]) -> Result:
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    result = await work(store)
            except LostRace:
                continue
            ACTS.labels(act).inc()
            return result
        raise Unavailable("DATABASE_BUSY", "the account is too busy", retry_seconds=0.5)


async def _living(store: AdminStore, user_id: str) -> Account:
    current = await store.locked_account(user_id)
    if current is None or current.deleted:
        raise NotFound("USER_NOT_FOUND", "no such user")
    return current
