"""Codes by which another device logs in: shown by one device, claimed by the other, answered."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import structlog
from prometheus_client import Counter

from services.common.database import LostRace
from services.common.errors import AppError, NotFound, Precondition, Unavailable
from services.common.identity import Caller
from services.common.limits import Limit
from services.verify.model import Account, Device, LoginCode, LoginCodeState, Tokens
from services.verify.names import NAME_LENGTH, normal_text
from services.verify.rules import (
    ATTEMPTS,
    LOGINS,
    MICROS,
    Accounts,
    Verify,
    new_refresh_token,
    token_hash,
)

LOOK_SECONDS = 60.0
# For so long the device that showed a code can ask what became of it.
KEEP = 10 * 60 * MICROS
NOBODY = Device("", "", "")

LOGIN_CODES = Counter(
    "hongyan_verify_login_codes", "Codes for other devices, by what became of them.", ["outcome"]
)

T = TypeVar("T")

log = structlog.get_logger()


class LoginCodeRows(Accounts, Protocol):
    """The storage that these rules need, inside one transaction."""

    async def put_login_code(self, code: LoginCode) -> None: ...
    async def login_code(self, code_id: str, *, lock: bool = False) -> LoginCode | None: ...
    async def login_code_by_code(self, code_hash: bytes) -> LoginCode | None: ...
    async def login_code_by_claim(self, claim_hash: bytes) -> LoginCode | None: ...
    async def set_login_code(self, code: LoginCode) -> None: ...
    async def delete_login_codes(self, expired_before: int) -> None: ...
    async def lasts(self, session_id: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class LoginCodePolicy:
    """How long a code and a claim live, in microseconds, and the limits."""

    life: int
    make: Limit
    look: Limit
    claim_ip: Limit
    poll_ip: Limit


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a device has that claimed a code. `token` is told nobody else."""

    token: str
    display_name: str
    number: str
    expires_at: int


Begin = Callable[[], AbstractAsyncContextManager[LoginCodeRows]]


class LoginCodes:
    """The rules of log-ins by a code. `now` is microseconds since 1970 UTC.

    Code and claim are random, kept as hashes, and each works once. Whatever is wrong with one
    of them, the answer is the same. All of it is void once the session that made the code ended.
    """

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        *,
        verify: Verify,
        policy: LoginCodePolicy,
        now: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._begin = begin
        self._read = read
        self._verify = verify
        self._policy = policy
        self._now = now
        self._new_id = new_id

    # The device that is logged in

    async def create(self, maker: Caller) -> tuple[str, LoginCode]:
        """Makes a code, which takes the place of the one that the session made before."""
        await self._verify.take(self._policy.make, maker.user_id)
        code = new_refresh_token()
        made = LoginCode(
            self._new_id(),
            maker.user_id,
            maker.session_id,
            token_hash(code),
            LoginCodeState.WAITING,
            self._now() + self._policy.life,
            None,
            NOBODY,
            "",
        )

        async def work(store: LoginCodeRows) -> None:
            session = await store.session(maker.session_id)
            # A token outlives its session by seconds: what it makes then opens nothing.
            if session is None or session.ended_at is not None:
                raise _not_found()
            await store.put_login_code(made)

        await self._transaction(work)
        LOGIN_CODES.labels("created").inc()
        return code, made

    async def look(self, user_id: str, code_id: str) -> LoginCode:
        """Returns one of a user's codes; raises NotFound for anything else."""
        await self._verify.take(self._policy.look, user_id)
        async with self._read() as store:
            return await self._own(store, user_id, code_id)

    async def answer(self, user_id: str, code_id: str, *, approve: bool) -> LoginCode:
        """Approves the claim of a code, or declines the code, claimed or not.

        A yes can be taken back until the device has logged in, a no cannot.
        """
        await self._verify.take(self._policy.look, user_id)
        answer = LoginCodeState.APPROVED if approve else LoginCodeState.DECLINED

        async def work(store: LoginCodeRows) -> tuple[LoginCode, bool]:
            code = await self._own(store, user_id, code_id, lock=True)
            if code.state is LoginCodeState.EXPIRED:
                raise _not_found()
            if code.state is answer or (approve and code.state is LoginCodeState.USED):
                return code, False
            if approve and code.state is LoginCodeState.WAITING:
                raise Precondition("LOGIN_CODE_NOT_CLAIMED", "no device has claimed the code")
            if code.state in (LoginCodeState.DECLINED, LoginCodeState.USED):
                raise Precondition("LOGIN_CODE_ANSWERED", "the code has another answer")
            answered = replace(code, state=answer)
            await store.set_login_code(answered)
            return answered, True

        code, changed = await self._transaction(work)
        if changed:
            LOGIN_CODES.labels(answer.name.lower()).inc()
        return code

    async def _own(
        self, store: LoginCodeRows, user_id: str, code_id: str, *, lock: bool = False
    ) -> LoginCode:
        code = await store.login_code(code_id, lock=lock)
        if code is None or code.user_id != user_id:
            raise _not_found()
        return replace(code, state=await self._state(store, code))

    # The device that wants to log in

    async def claim(self, code: str, device: Device, ip: str) -> Claimed:
        """Claims a code for a device, which nobody can after it."""
        await self._verify.take(self._policy.claim_ip, ip)
        # Whoever answers must see what it says: no signs that turn the text around.
        name = normal_text(device.name, "device.name", NAME_LENGTH)
        token, number = new_refresh_token(), f"{secrets.randbelow(10_000):04d}"
        async with self._read() as store:
            found = await store.login_code_by_code(token_hash(code))
        if found is None or found.state is not LoginCodeState.WAITING:
            raise _not_found()

        async def work(store: LoginCodeRows) -> Claimed:
            current = await store.login_code(found.code_id, lock=True)
            if current is None or await self._state(store, current) is not LoginCodeState.WAITING:
                raise _not_found()
            account = await self._living(store, current)
            claimed = replace(
                current,
                state=LoginCodeState.CLAIMED,
                expires_at=self._now() + self._policy.life,
                claim_hash=token_hash(token),
                device=replace(device, name=name),
                number=number,
            )
            await store.set_login_code(claimed)
            return Claimed(token, account.display_name, number, claimed.expires_at)

        claimed = await self._transaction(work)
        LOGIN_CODES.labels("claimed").inc()
        return claimed

    async def login(
        self, token: str, ip: str
    ) -> tuple[LoginCodeState, tuple[Tokens, Account] | None]:
        """Returns what has become of a claim; the first time that it is approved, a session."""
        await self._verify.take(self._policy.poll_ip, ip)
        async with self._read() as store:
            found = await store.login_code_by_claim(token_hash(token))
            state = await self._state(store, found) if found else LoginCodeState.EXPIRED
        if found is None or state in (LoginCodeState.EXPIRED, LoginCodeState.USED):
            raise _not_found()
        if state is not LoginCodeState.APPROVED:
            return state, None

        async def work(store: LoginCodeRows) -> tuple[Tokens, Account] | None:
            current = await store.login_code(found.code_id, lock=True)
            if current is None:
                raise _not_found()
            # First the account, then the session, as whatever ends sessions locks them: either
            # that comes before, or it ends the new session too.
            account = await self._living(store, current)
            await store.session(current.session_id)
            state = await self._state(store, current)
            if state is LoginCodeState.DECLINED:  # the yes was taken back meanwhile
                return None
            if state is not LoginCodeState.APPROVED:
                raise _not_found()
            opened = await self._verify.open_session(store, account.user_id, current.device)
            await store.set_login_code(replace(current, state=LoginCodeState.USED))
            return opened, account

        result = await self._transaction(work)
        if result is None:
            return LoginCodeState.DECLINED, None
        LOGIN_CODES.labels("used").inc()
        LOGINS.labels("ok").inc()
        return LoginCodeState.USED, result

    async def _living(self, store: LoginCodeRows, code: LoginCode) -> Account:
        """Returns a code's account and locks it."""
        account = await store.locked_account(code.user_id)
        if account is None or account.deleted:
            raise _not_found()
        await self._verify.refuse_suspended(store, account.user_id)
        return account

    # What all of them need

    async def _state(self, store: LoginCodeRows, code: LoginCode) -> LoginCodeState:
        """Returns a code's state as of now, which no row says: time passes, and sessions end."""
        if code.state in (LoginCodeState.DECLINED, LoginCodeState.USED):
            return code.state
        if code.expires_at <= self._now() or not await store.lasts(code.session_id):
            return LoginCodeState.EXPIRED
        return code.state

    async def run(self, look_seconds: float = LOOK_SECONDS) -> None:
        """Deletes codes that are over, for ever."""
        while True:
            try:
                await self.sweep()
            except AppError as error:
                log.warning("login_codes.not_swept", reason=error.reason)
            except Exception as error:  # the next look may do better
                log.error("login_codes.not_swept", exc_info=error)
            await asyncio.sleep(look_seconds)

    async def sweep(self) -> None:
        """Deletes codes that nobody asks for any more."""
        async with self._begin() as store:
            await store.delete_login_codes(self._now() - KEEP)

    async def _transaction(self, work: Callable[[LoginCodeRows], Awaitable[T]]) -> T:
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    return await work(store)
            except LostRace:
                continue
        raise Unavailable("DATABASE_BUSY", "the account is too busy", retry_seconds=0.5)


def _not_found() -> AppError:
    """The one answer for a code or claim that is unknown, used, over, or another's."""
    return NotFound("LOGIN_CODE_NOT_FOUND", "the code is wrong, used or expired")
