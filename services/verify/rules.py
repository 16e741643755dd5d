"""What accounts may and must do: codes, passwords and sessions."""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from prometheus_client import Counter

from services.common.database import Duplicate, LostRace
from services.common.errors import AppError, Denied, Invalid, NotFound, Unauthenticated, Unavailable
from services.common.identity import Caller
from services.common.limits import Limit
from services.verify.model import Account, Code, Device, Purpose, Session, Suspension, Tokens
from services.verify.names import normal_email, normal_name
from services.verify.passwords import Passwords, refuse_common

MICROS = 1_000_000
DAY = 86_400 * MICROS
ATTEMPTS = 4
# Ends of sessions are told again for this long: transactions do not commit in the order of
# their clocks.
OVERLAP = 5 * MICROS
# A refresh token that was used longer ago is unknown; before, using it ends its session.
REMEMBER_TOKENS = 7 * DAY
FIRST_MARK = 20 * 60 * MICROS
CODES = Counter("hongyan_verify_codes", "Codes by what became of them.", ["outcome"])
LOGINS = Counter("hongyan_verify_logins", "Log-ins by outcome.", ["outcome"])
REFRESHES = Counter("hongyan_verify_refreshes", "Refreshes by outcome.", ["outcome"])


class Accounts(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def account(self, user_id: str) -> Account | None: ...
    async def locked_account(self, user_id: str) -> Account | None: ...
    async def account_by_email(self, email: str) -> Account | None: ...
    async def add_account(self, account: Account) -> None: ...
    async def set_password(self, user_id: str, password_hash: str) -> None: ...
    async def suspension(self, user_id: str) -> Suspension | None: ...
    async def put_code(self, email: str, purpose: int, code: Code) -> None: ...
    async def code(self, email: str, purpose: int) -> Code | None: ...
    async def count_try(self, email: str, purpose: int) -> None: ...
    async def spend_code(self, email: str, purpose: int, account_id: str) -> None: ...
    async def add_session(self, session: Session) -> None: ...
    async def end_device(self, user_id: str, device_id: str, now: int) -> None: ...
    async def end_session(self, session_id: str, now: int) -> None: ...
    async def end_all(self, user_id: str, now: int) -> None: ...
    async def sessions(self, user_id: str) -> list[Session]: ...
    async def session(self, session_id: str) -> Session | None: ...
    async def session_by_refresh(self, token_hash: bytes) -> Session | None: ...
    async def rotate(self, session: Session, forget_before: int) -> None: ...
    async def use(self, session_id: str, now: int) -> None: ...
    async def ended_since(self, since: int) -> list[tuple[str, int]]: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """How long things last, and the limits. Durations are microseconds."""

    code_life: int
    code_tries: int
    session_idle: int
    session_life: int
    refresh_grace: int
    code_address: Limit
    code_ip: Limit
    login_account: Limit
    login_ip: Limit


class Limits(Protocol):
    """Buckets that all pods share."""

    async def take(self, limit: Limit, key: str, *, closed_without_redis: bool) -> None: ...


class Post(Protocol):
    """What sends mails in the background."""

    def send(self, to: str, subject: str, text: str, *, discard: bool = False) -> None: ...


Begin = Callable[[], AbstractAsyncContextManager[Accounts]]
Result = TypeVar("Result")
Sign = Callable[[Caller, float], tuple[str, float]]


class Verify:
    """The rules of accounts.

    `read` opens a transaction that only reads; `secret` keys the hashes of codes; `sign`
    returns an access token and when it expires (Unix seconds); `now` is microseconds since
    1970 UTC.
    """

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        *,
        policy: Policy,
        passwords: Passwords,
        limits: Limits,
        post: Post,
        sign: Sign,
        secret: bytes,
        now: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._begin = begin
        self._read = read
        self._policy = policy
        self._passwords = passwords
        self._limits = limits
        self._post = post
        self._sign = sign
        self._secret = secret
        self._now = now
        self._new_id = new_id

    # Codes

    async def send_code(self, email: str, purpose: Purpose, ip: str) -> int:
        """Mails a code and returns when it expires; the same for every address."""
        email = normal_email(email)
        await self.take(self._policy.code_ip, ip)
        await self.take(self._policy.code_address, email)
        digits = f"{secrets.randbelow(1_000_000):06d}"
        expires_at = self._now() + self._policy.code_life

        async def work(store: Accounts) -> bool:
            known = await store.account_by_email(email) is not None
            # A code is kept in any case, so that both cases cost the same; one that is not
            # mailed cannot be known.
            code = Code(self._code_hash(email, purpose, digits), expires_at, 0, None)
            await store.put_code(email, purpose, code)
            return known

        # Two calls at once find no code to delete, and both add one: the later comes again.
        known = await self._transaction(work, again=(LostRace, Duplicate))
        if purpose == Purpose.REGISTER and known:
            self._post.send(email, *_known_address())
        else:
            # To reset nothing there is no mail, for which all the work is done all the same.
            discard = purpose == Purpose.RESET_PASSWORD and not known
            text = _code_mail(purpose, digits, self._policy.code_life)
            self._post.send(email, *text, discard=discard)
        CODES.labels("asked").inc()
        return expires_at

    async def _check_code(self, email: str, purpose: Purpose, digits: str) -> Code:
        """Returns the code if the digits are right; each look costs one of its tries."""

        async def work(store: Accounts) -> Code | None:
            code = await store.code(email, purpose)
            # The try is counted in a transaction of its own: a crash later gives none back.
            await store.count_try(email, purpose)
            return code

        code = await self._transaction(work)
        given = self._code_hash(email, purpose, digits)
        right = hmac.compare_digest(given, code.code_hash if code else b"\0" * len(given))
        if not (code and right and code.tries < self._policy.code_tries):
            CODES.labels("wrong").inc()
            raise code_invalid()
        if code.expires_at <= self._now():
            CODES.labels("expired").inc()
            raise code_invalid()
        return code

    def _code_hash(self, email: str, purpose: Purpose, digits: str) -> bytes:
        text = f"{int(purpose)}\n{email}\n{digits}".encode()
        return hmac.digest(self._secret, text, "sha256")

    # Accounts

    async def register(self, email: str, digits: str, password: str, display_name: str) -> Account:
        """Makes an account. The same call again, while the code lives, returns the same one."""
        email = normal_email(email)
        display_name = normal_name(display_name)
        refuse_common(password, "password")
        code = await self._check_code(email, Purpose.REGISTER, digits)
        if code.account_id:
            return await self._registered_before(code.account_id, password)
        account = Account(
            self._new_id(), email, display_name, await self._passwords.hash(password), self._now()
        )

        async def work(store: Accounts) -> None:
            await store.add_account(account)
            await store.spend_code(email, Purpose.REGISTER, account.user_id)

        try:
            await self._transaction(work)
        except Duplicate:
            async with self._begin() as store:
                other = await store.account_by_email(email)
                spent = await store.code(email, Purpose.REGISTER)
            if other and spent and spent.account_id == other.user_id:
                return await self._registered_before(other.user_id, password)
            CODES.labels("address_taken").inc()
            raise code_invalid() from None
        CODES.labels("used").inc()
        return account

    async def _registered_before(self, user_id: str, password: str) -> Account:
        async with self._read() as store:
            account = await store.account(user_id)
        if account and await self._passwords.check(password, account.password_hash):
            return account
        raise code_invalid()

    async def reset_password(self, email: str, digits: str, password: str) -> None:
        """Sets a new password and ends every session of the account."""
        email = normal_email(email)
        refuse_common(password, "new_password")
        await self._check_code(email, Purpose.RESET_PASSWORD, digits)
        password_hash = await self._passwords.hash(password)

        async def work(store: Accounts) -> None:
            account = await store.account_by_email(email)
            code = await store.code(email, Purpose.RESET_PASSWORD)
            if account is None or code is None or code.account_id:
                raise code_invalid()
            await store.set_password(account.user_id, password_hash)
            await store.end_all(account.user_id, self._now())
            await store.spend_code(email, Purpose.RESET_PASSWORD, account.user_id)

        await self._transaction(work)
        CODES.labels("used").inc()

    async def confirm(self, user_id: str, password: str, ip: str) -> Account:
        """Returns the caller's account if the password is right; limited as a log-in is."""
        async with self._read() as store:
            account = await store.account(user_id)
        if account is None or account.deleted:
            raise NotFound("USER_NOT_FOUND", "no such user")
        await self.take(self._policy.login_ip, ip)
        await self.take(self._policy.login_account, f"{account.email} {ip}")
        if not await self._passwords.check(password, account.password_hash):
            raise password_wrong()
        return account

    # Sessions

    async def login(
        self, email: str, password: str, device: Device, ip: str
    ) -> tuple[Tokens, Account]:
        """Opens a session for a device, instead of its former one."""
        email = normal_email(email)
        await self.take(self._policy.login_ip, ip)
        # By address and account, so that a stranger's tries do not lock the owner out.
        await self.take(self._policy.login_account, f"{email} {ip}")
        async with self._read() as store:
            account = await store.account_by_email(email)
        fits = await self._passwords.check(password, account.password_hash if account else None)
        if not (account and fits):
            raise credentials_invalid()

        async def work(store: Accounts) -> Tokens:
            # A password that was reset meanwhile opens no session that the reset did not see.
            current = await store.locked_account(account.user_id)
            if current is None or current.password_hash != account.password_hash:
                raise credentials_invalid()
            await self.refuse_suspended(store, account.user_id)
            return await self.open_session(store, account.user_id, device)

        tokens = await self._transaction(work)
        LOGINS.labels("ok").inc()
        return tokens, account

    async def open_session(self, store: Accounts, user_id: str, device: Device) -> Tokens:
        """Opens a session for a device, in a transaction that has locked the account.

        The time is that of the transaction, not of the call: who waited for the lock told nobody.
        """
        now, refresh = self._now(), new_refresh_token()
        session = Session(self._new_id(), user_id, device, token_hash(refresh), None, now, now)
        await store.end_device(user_id, device.id, now)
        await store.add_session(session)
        return self._tokens(session, refresh)

    async def refresh(self, refresh: str) -> Tokens:
        """Exchanges a refresh token; one that was used before ends its session.

        A device whose answer was lost asks again with the token that it has: within the grace,
        while the answer's token is unused, it gets another one. Should the lost one come after
        all, two devices have the session's tokens, and it ends. A bot's token stays what it is.
        """
        given, new = token_hash(refresh), new_refresh_token()

        async def work(store: Accounts) -> tuple[Session | None, str]:
            session = await store.session_by_refresh(given)
            now = self._now()
            if session:
                await self.refuse_suspended(store, session.user_id)
            if session is None or session.ended_at is not None:
                return None, "unknown"
            if session.scopes is not None:
                if session.expires_at is not None and session.expires_at <= now:
                    return None, "expired"
                await store.use(session.session_id, now)
                return session, "bot"
            over = now - session.used_at > self._policy.session_idle
            if over or now - session.created_at > self._policy.session_life:
                await store.end_session(session.session_id, now)
                return None, "expired"
            in_grace = now - session.used_at <= self._policy.refresh_grace
            if session.refresh_hash == given:
                outcome, used_at = "ok", now
            elif session.former_hash == given and in_grace:
                outcome, used_at = "repeated", session.used_at
            else:
                await store.end_session(session.session_id, now)
                return None, "reused"
            rotated = replace(
                session, refresh_hash=token_hash(new), former_hash=given, used_at=used_at
            )
            await store.rotate(rotated, now - REMEMBER_TOKENS)
            return rotated, outcome

        session, outcome = await self._transaction(work)
        REFRESHES.labels(outcome).inc()
        if session is None:
            raise Unauthenticated("REFRESH_TOKEN_INVALID", "log in again")
        return self._tokens(session, refresh if outcome == "bot" else new)

    async def refuse_suspended(self, store: Accounts, user_id: str) -> None:
        """Raises Denied while an account is suspended; for who has shown a secret of it."""
        found = await store.suspension(user_id)
        if found and found.holds(self._now()):
            LOGINS.labels("suspended").inc()
            raise account_suspended(found)

    def _tokens(self, session: Session, refresh: str) -> Tokens:
        caller = Caller(session.user_id, session.session_id, session.scopes)
        access, expires_at = self._sign(caller, self._now() / MICROS)
        return Tokens(
            access, int(expires_at * MICROS), refresh, session.session_id, session.user_id
        )

    async def sessions(self, user_id: str) -> list[Session]:
        """Returns a user's sessions that last, the latest used first."""
        now = self._now()
        async with self._read() as store:
            found = await store.sessions(user_id)
        return [
            session
            for session in found
            if now - session.used_at <= self._policy.session_idle
            and now - session.created_at <= self._policy.session_life
        ]

    async def end_session(self, user_id: str, session_id: str) -> None:
        """Ends one of a user's sessions; raises NotFound for anything else."""

        async def work(store: Accounts) -> None:
            session = await store.session(session_id)
            if session is None or session.user_id != user_id:
                raise NotFound("SESSION_NOT_FOUND", "no such session")
            if session.ended_at is None:
                await store.end_session(session_id, self._now())

        await self._transaction(work)

    async def ended_since(self, mark: int) -> tuple[list[str], int]:
        """Returns sessions that ended after a mark, some twice, and the next mark."""
        now = self._now()
        since = mark - OVERLAP if mark else now - FIRST_MARK
        async with self._read() as store:
            ended = await store.ended_since(since)
        return [session_id for session_id, _ in ended], now

    # What all of them need

    async def take(self, limit: Limit, key: str) -> None:
        """Takes one token of a limit of credentials: closed without Redis, the key unreadable."""
        digest = hashlib.blake2b(key.encode(), digest_size=16, key=self._secret[:32]).hexdigest()
        await self._limits.take(limit, digest, closed_without_redis=True)

    async def _transaction(
        self,
        work: Callable[[Accounts], Awaitable[Result]],
        again: tuple[type[AppError], ...] = (LostRace,),
    ) -> Result:
        """Runs work in one transaction, again when it lost a race."""
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    return await work(store)
            except again:
                continue
        raise Unavailable("DATABASE_BUSY", "the account is too busy", retry_seconds=0.5)


def code_invalid() -> AppError:
    """The one answer for a code that is wrong, used or old, and for an address that is taken."""
    return Invalid(
        "CODE_INVALID",
        "the code is wrong, used or expired",
        fields={"code": "is wrong, used or expired"},
    )


def credentials_invalid() -> AppError:
    """The one answer for a wrong password and an unknown address."""
    LOGINS.labels("refused").inc()
    return Unauthenticated("CREDENTIALS_INVALID", "the address or the password is wrong")


def account_suspended(suspension: Suspension) -> AppError:
    """Says to a user why the account may not be used."""
    until = ""
    if suspension.until:
        moment = datetime.fromtimestamp(suspension.until // MICROS, UTC)
        until = f" until {moment:%Y-%m-%d %H:%M} UTC"
    return Denied("ACCOUNT_SUSPENDED", f"the account is suspended{until}: {suspension.reason}")


def password_wrong() -> AppError:
    """For who is logged in already: not Unauthenticated, which would ask for new tokens."""
    LOGINS.labels("refused").inc()
    return Denied("PASSWORD_WRONG", "the password is wrong")


def new_refresh_token() -> str:
    """Returns 256 random bits as text."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Returns what is kept of a refresh token."""
    return hashlib.sha256(token.encode()).digest()


def _code_mail(purpose: Purpose, digits: str, life: int) -> tuple[str, str]:
    minutes = life // MICROS // 60
    chinese = {Purpose.REGISTER: "注册", Purpose.RESET_PASSWORD: "重设密码"}[purpose]
    english = {
        Purpose.REGISTER: "make your account",
        Purpose.RESET_PASSWORD: "set a new password",
    }[purpose]
    return (
        "鸿雁验证码 · Your Hongyan code",
        f"您的鸿雁验证码：{digits}\n"
        f"用于{chinese}，{minutes} 分钟内有效。请勿告诉任何人；如非本人操作，请忽略此邮件。\n\n"
        f"Your Hongyan code is {digits}\n"
        f"Use it within {minutes} minutes to {english}. Tell it to nobody. If you did not ask\n"
        "for it, ignore this mail.\n",
    )


def _known_address() -> tuple[str, str]:
    return (
        "鸿雁 · Hongyan",
        "有人用您的邮箱注册鸿雁，但您已有账号。请直接登录；忘记密码可以重设。\n\n"
        "Someone asked to make a Hongyan account with your address, which has one already.\n"
        "Log in, or reset the password if you have forgotten it.\n",
    )
