"""Bots: who makes them, by what tokens they act, and what they say they understand."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeGuard, TypeVar

import structlog
from prometheus_client import Counter

from services.common.database import Duplicate, LostRace
from services.common.errors import AppError, NotFound, Precondition, Unavailable
from services.common.limits import Limit
from services.verify.model import NO_PASSWORD, Account, Adding, Device, Kind, Session, Strangers
from services.verify.profiles import Profiles, Values, handle_taken, not_found
from services.verify.rules import ATTEMPTS, Limits, new_refresh_token, token_hash

# What every token begins with: one that got out is known for what it is.
PREFIX = "hyb_"
PLATFORM = "bot"
TOKENS = 10
LOOK_SECONDS = 2.0
# No address finds a bot, and who wants to write to one adds it first.
CLOSED: Values = {"hide_from_email_search": 1, "stranger_policy": int(Strangers.REFUSE)}

ACTS = Counter("hongyan_verify_bots", "What was done with bots and their tokens.", ["act"])

T = TypeVar("T")

log = structlog.get_logger()


class BotRows(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def account(self, user_id: str) -> Account | None: ...
    async def locked_account(self, user_id: str) -> Account | None: ...
    async def add_account(self, account: Account) -> None: ...
    async def set_profile(self, user_id: str, values: Values) -> None: ...
    async def bots(self, owner_id: str) -> list[Account]: ...
    async def put_commands(self, user_id: str, commands: bytes) -> None: ...
    async def commands(self, user_id: str) -> bytes: ...
    async def add_session(self, session: Session) -> None: ...
    async def session(self, session_id: str) -> Session | None: ...
    async def sessions(self, user_id: str) -> list[Session]: ...
    async def end_session(self, session_id: str, now: int) -> None: ...
    async def expired(self, now: int) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class BotPolicy:
    """How many bots a user may have, and how often bots and tokens are made."""

    bots: int
    make: Limit


Begin = Callable[[], AbstractAsyncContextManager[BotRows]]


class Bots:
    """The rules of bots. `now` is microseconds since 1970 UTC.

    A bot of another user is answered for as one that there is not. A token is a session of the
    bot, which ends as others do; but its refresh token stays the same.
    """

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        *,
        profiles: Profiles,
        policy: BotPolicy,
        limits: Limits,
        now: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._begin = begin
        self._read = read
        self._profiles = profiles
        self._policy = policy
        self._limits = limits
        self._now = now
        self._new_id = new_id

    async def create(self, owner_id: str, wanted: Values, *, public: bool) -> Account:
        """Makes a bot with the values of a profile, named as in the contract."""
        await self._limits.take(self._policy.make, owner_id, closed_without_redis=False)
        user_id = self._new_id()
        # An id is no address, so nobody can have it as one.
        bot = Account(
            user_id, user_id, "", NO_PASSWORD, self._now(), kind=Kind.BOT, owner_id=owner_id
        )
        columns = self._profiles.columns(bot, wanted, "bot")

        async def work(store: BotRows) -> None:
            owner = await store.locked_account(owner_id)
            if owner is None or owner.deleted:
                raise not_found()
            if len(await store.bots(owner_id)) >= self._policy.bots:
                raise Precondition("TOO_MANY_BOTS", f"a user has {self._policy.bots} bots at most")
            await store.add_account(bot)
            await store.set_profile(user_id, {**CLOSED, **_visibility(public), **columns})

        try:
            await self._transaction(work)
        except Duplicate:
            raise handle_taken("bot") from None
        ACTS.labels("created").inc()
        return await self._profiles.me(user_id)

    async def of(self, owner_id: str) -> list[Account]:
        """Returns a user's bots, the oldest first."""
        async with self._read() as store:
            return await store.bots(owner_id)

    async def update(
        self, owner_id: str, user_id: str, wanted: Values, *, public: bool | None
    ) -> Account:
        """Changes values of a bot's profile; `public` stays as it is when it is None."""
        async with self._read() as store:
            await self._own(store, owner_id, user_id)
        values = dict(wanted) if public is None else {**wanted, **_visibility(public)}
        return await self._profiles.change(user_id, values, "bot")

    # Tokens

    async def create_token(
        self, owner_id: str, user_id: str, name: str, scopes: Collection[int], lifetime: int | None
    ) -> tuple[str, Session]:
        """Makes a token that lives for so many microseconds; None: until it is ended."""
        await self._limits.take(self._policy.make, owner_id, closed_without_redis=False)
        now, token, session_id = self._now(), PREFIX + new_refresh_token(), self._new_id()
        made = Session(
            session_id,
            user_id,
            Device(session_id, name, PLATFORM),
            token_hash(token),
            None,
            now,
            now,
            scopes=frozenset(scopes),
            expires_at=None if lifetime is None else now + lifetime,
        )

        async def work(store: BotRows) -> None:
            await self._own(store, owner_id, user_id, lock=True)
            if len(await store.sessions(user_id)) >= TOKENS:
                raise Precondition("TOO_MANY_TOKENS", f"a bot has {TOKENS} tokens at most: end one")
            await store.add_session(made)

        await self._transaction(work)
        ACTS.labels("token_created").inc()
        return token, made

    async def tokens(self, owner_id: str, user_id: str) -> list[Session]:
        """Returns the tokens of a bot that have not ended, the latest used first."""
        async with self._read() as store:
            await self._own(store, owner_id, user_id)
            return await store.sessions(user_id)

    async def revoke_token(self, owner_id: str, user_id: str, token_id: str) -> None:
        """Ends a token; raises NotFound for anything but one of this bot."""

        async def work(store: BotRows) -> None:
            await self._own(store, owner_id, user_id)
            token = await store.session(token_id)
            if token is None or token.user_id != user_id:
                raise NotFound("TOKEN_NOT_FOUND", "the bot has no such token")
            if token.ended_at is None:
                await store.end_session(token_id, self._now())

        await self._transaction(work)
        ACTS.labels("token_revoked").inc()

    async def run(self) -> None:
        """Ends tokens whose time is over, for ever."""
        while True:
            try:
                await self.end_expired()
            except AppError as error:
                log.warning("bots.not_expired", reason=error.reason)
            except Exception as error:  # the next look may do better
                log.error("bots.not_expired", exc_info=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def end_expired(self) -> None:
        """Ends the tokens whose time is over."""
        async with self._read() as store:
            expired = await store.expired(self._now())
        for token_id in expired:
            async with self._begin() as store:
                await store.end_session(token_id, self._now())
            ACTS.labels("token_expired").inc()

    # Commands

    async def set_commands(self, caller_id: str, user_id: str, commands: bytes) -> None:
        """Keeps what a bot understands, for the bot itself or whose bot it is."""

        async def work(store: BotRows) -> None:
            bot = await store.locked_account(user_id)
            if not _is_bot(bot) or caller_id not in (user_id, bot.owner_id):
                raise _no_bot()
            await store.put_commands(user_id, commands)

        await self._transaction(work)
        ACTS.labels("commands_set").inc()

    async def commands(self, user_id: str) -> bytes:
        """Returns what a bot understands, as it was kept; raises NotFound when it is no bot."""
        async with self._read() as store:
            if not _is_bot(await store.account(user_id)):
                raise _no_bot()
            return await store.commands(user_id)

    # What all of them need

    async def _own(
        self, store: BotRows, owner_id: str, user_id: str, *, lock: bool = False
    ) -> Account:
        bot = await (store.locked_account if lock else store.account)(user_id)
        if not _is_bot(bot) or bot.owner_id != owner_id:
            raise _no_bot()
        return bot

    async def _transaction(self, work: Callable[[BotRows], Awaitable[T]]) -> T:
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    return await work(store)
            except LostRace:
                continue
        raise Unavailable("DATABASE_BUSY", "the account is too busy", retry_seconds=0.5)


def _is_bot(account: Account | None) -> TypeGuard[Account]:
    return account is not None and account.kind is Kind.BOT and not account.deleted


def _visibility(public: bool) -> Values:
    """Returns the columns that let anyone find and add a bot, or nobody but whose bot it is."""
    adding = Adding.EVERYBODY if public else Adding.NOBODY
    return {"add_policy": int(adding), "hide_from_handle_search": int(not public)}


def _no_bot() -> NotFound:
    return NotFound("BOT_NOT_FOUND", "there is no such bot for the caller")
