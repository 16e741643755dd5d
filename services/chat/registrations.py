"""Where users are told of messages: what may be registered, and when a registration ends."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.common.database import Duplicate, LostRace
from services.common.errors import AppError, Invalid, NotFound, Unavailable
from services.common.identity import Caller

WEB_PUSH = "web_push"
# A bot's server. The others are what devices call their push services.
WEBHOOK = "webhook"
# How members are noted to be told: later, of what they missed; or at once, of everything.
NOT_TOLD, TOLD_LATER, TOLD_AT_ONCE = 0, 1, 2
REGISTRATIONS_AT_MOST = 20
ATTEMPTS = 4
SESSIONS_AT_ONCE = 500
RETRY_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Registration:
    """One place where a user is told. `created_at` is in microseconds since 1970 UTC."""

    id: str
    user_id: str
    session_id: str
    provider: str
    target: bytes
    show_content: bool
    created_at: int


class RegistrationStore(Protocol):
    """The storage that registrations need, inside one transaction."""

    async def of_users(
        self, user_ids: Collection[str], *, lock: bool = False
    ) -> list[Registration]:
        """Returns the registrations of users, the newest first."""

    async def owners(
        self, ids: Collection[str], session_ids: Collection[str]
    ) -> dict[str, set[str]]:
        """Returns the registrations of these ids or sessions, by user."""

    async def put(self, registration: Registration) -> None: ...
    async def remove(self, ids: Collection[str]) -> None: ...
    async def set_notify(self, user_id: str, notify: int) -> None: ...


Begin = Callable[[], AbstractAsyncContextManager[RegistrationStore]]


class Registrations:
    """The rules of registrations.

    `has_web_push` and `has_webhook` say what this installation can reach.
    """

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        now: Callable[[], int],
        new_id: Callable[[], str],
        *,
        has_web_push: bool,
        has_webhook: bool,
    ) -> None:
        self._begin = begin
        self._read = read
        self._now = now
        self._new_id = new_id
        self._has_web_push = has_web_push
        self._has_webhook = has_webhook
        self._ended: set[str] = set()
        self._wake = asyncio.Event()

    async def register(
        self, caller: Caller, provider: str, target: bytes, show_content: bool
    ) -> Registration:
        """Registers where the caller's session is told, instead of what it had before."""
        if (caller.scopes is not None) is not (provider == WEBHOOK):
            problem = "a bot is told by a webhook, and nobody else is"
            raise Invalid("INVALID_FIELD", problem, fields={"target": problem})
        reachable = {WEBHOOK: True, WEB_PUSH: self._has_web_push}
        if not reachable.get(provider, self._has_webhook):
            raise Invalid(
                "PUSH_NOT_SET_UP",
                "this installation cannot push there",
                fields={"target": "is not set up here"},
            )
        for _ in range(ATTEMPTS):
            try:
                return await self._put(caller, provider, target, show_content)
            except (Duplicate, LostRace):
                continue
        raise Unavailable("DATABASE_BUSY", "the registrations are too busy", retry_seconds=0.5)

    async def _put(
        self, caller: Caller, provider: str, target: bytes, show_content: bool
    ) -> Registration:
        async with self._begin() as store:
            held = await store.of_users([caller.user_id], lock=True)
            own = next((one for one in held if one.session_id == caller.session_id), None)
            registration = Registration(
                # The id stays: receivers drop repeats by it.
                own.id if own else self._new_id(),
                caller.user_id,
                caller.session_id,
                provider,
                target,
                show_content,
                self._now(),
            )
            others = [one for one in held if one is not own]
            # One device that has logged in anew is told once.
            kept = [one for one in others if (one.provider, one.target) != (provider, target)]
            kept = kept[: REGISTRATIONS_AT_MOST - 1]
            await store.put(registration)
            if dropped := {one.id for one in others} - {one.id for one in kept}:
                await store.remove(dropped)
            await store.set_notify(caller.user_id, told(provider))
        return registration

    async def of_user(self, user_id: str) -> Sequence[Registration]:
        """Returns a user's registrations, the newest first."""
        async with self._read() as store:
            return await store.of_users([user_id])

    async def unregister(self, user_id: str, registration_id: str) -> None:
        """Ends a registration of a user; raises NotFound when the user has no such one."""
        for one in await self.of_user(user_id):
            if one.id == registration_id:
                await self.end([registration_id])
                return
        raise NotFound("REGISTRATION_NOT_FOUND", "the caller has no such registration")

    async def end(self, ids: Collection[str] = (), session_ids: Collection[str] = ()) -> None:
        """Ends registrations, by their ids or their sessions; there need not be any."""
        async with self._read() as store:
            owners = await store.owners(ids, session_ids)
        for user_id, ended in sorted(owners.items()):
            await self._remove(user_id, ended)

    async def _remove(self, user_id: str, ids: Collection[str]) -> None:
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    held = await store.of_users([user_id], lock=True)
                    await store.remove(ids)
                    kept = [told(one.provider) for one in held if one.id not in ids]
                    await store.set_notify(user_id, max(kept, default=NOT_TOLD))
                return
            except LostRace:
                continue
        raise Unavailable("DATABASE_BUSY", "the registrations are too busy", retry_seconds=0.5)

    def sessions_ended(self, session_ids: Collection[str]) -> None:
        """Remembers sessions whose registrations are to end; `run` ends them."""
        self._ended.update(session_ids)
        self._wake.set()

    async def run(self) -> None:
        """Ends what belonged to ended sessions, for ever."""
        while True:
            await self._wake.wait()
            part = sorted(self._ended)[:SESSIONS_AT_ONCE]
            try:
                await self.end(session_ids=part)
            except AppError as error:
                log.warning("registrations.not_ended", sessions=len(part), reason=error.reason)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except Exception as error:  # a registration is not worth the service
                log.error("registrations.not_ended", sessions=len(part), exc_info=error)
            self._ended.difference_update(part)
            if not self._ended:
                self._wake.clear()


def told(provider: str) -> int:
    """Returns how who has such a registration is told."""
    return TOLD_AT_ONCE if provider == WEBHOOK else TOLD_LATER
