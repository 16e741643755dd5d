"""What profiles may hold, who finds whom, and who sees what."""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from services.common.database import Duplicate, LostRace
from services.common.errors import AlreadyExists, Invalid, NotFound, Precondition, Unavailable
from services.common.limits import Limit
from services.verify import avatars
from services.verify.avatars import Painter, Square
from services.verify.model import Account
from services.verify.names import normal_email, normal_handle, normal_name, normal_text
from services.verify.rules import ATTEMPTS, Limits

LENGTHS = {"signature": 120, "region": 64}

Values = Mapping[str, str | int | None]


class ProfileRows(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def account(self, user_id: str) -> Account | None: ...
    async def locked_account(self, user_id: str) -> Account | None: ...
    async def accounts(self, user_ids: Collection[str]) -> list[Account]: ...
    async def living(self, user_ids: Collection[str]) -> list[str]: ...
    async def hidden_presence(self, user_ids: Collection[str]) -> list[str]: ...
    async def persons(self, after: str, limit: int, created_until: int) -> list[str]: ...
    async def count_persons(self, created_until: int) -> int: ...
    async def search(self, handle_key: str, email: str) -> list[Account]: ...
    async def set_profile(self, user_id: str, values: Values) -> None: ...
    async def put_avatar(
        self, user_id: str, avatar_id: str, images: Mapping[int, bytes]
    ) -> None: ...
    async def delete_avatar(self, user_id: str) -> None: ...
    async def avatar(self, avatar_id: str, size: int) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class ProfilePolicy:
    """How long a handle stays, in microseconds, and the limits."""

    handle_life: int
    search_user: Limit
    avatar: Limit


Begin = Callable[[], AbstractAsyncContextManager[ProfileRows]]


class Profiles:
    """The rules of profiles. `now` is microseconds since 1970 UTC."""

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        *,
        policy: ProfilePolicy,
        limits: Limits,
        painter: Painter,
        now: Callable[[], int],
    ) -> None:
        self._begin = begin
        self._read = read
        self._policy = policy
        self._limits = limits
        self._painter = painter
        self._now = now

    async def me(self, user_id: str) -> Account:
        """Returns an account that is not deleted; raises NotFound."""
        account = await self.user(user_id)
        if account.deleted:
            raise not_found()
        return account

    async def user(self, user_id: str) -> Account:
        """Returns an account, a deleted one too; raises NotFound."""
        async with self._read() as store:
            account = await store.account(user_id)
        if account is None:
            raise not_found()
        return account

    async def users(self, user_ids: Collection[str]) -> list[Account]:
        """Returns the accounts that there are, deleted ones too."""
        async with self._read() as store:
            return await store.accounts(set(user_ids))

    async def existing(self, user_ids: Collection[str]) -> list[str]:
        """Returns those users that have an account which is not deleted."""
        if not user_ids:
            return []
        async with self._read() as store:
            return await store.living(user_ids)

    async def persons(self, after: str, limit: int, created_until: int) -> tuple[list[str], int]:
        """Returns a page of persons by their ids, and on the first how many there are."""
        async with self._read() as store:
            page = await store.persons(after, limit, created_until)
            return page, 0 if after else await store.count_persons(created_until)

    async def hidden_presence(self, user_ids: Collection[str]) -> list[str]:
        """Returns those users who show their presence to nobody."""
        if not user_ids:
            return []
        async with self._read() as store:
            return await store.hidden_presence(user_ids)

    async def policies(self, user_ids: Collection[str]) -> list[Account]:
        """Returns the accounts that are not deleted."""
        if not user_ids:
            return []
        return [account for account in await self.users(user_ids) if not account.deleted]

    async def search(self, caller_id: str, query: str) -> Account | None:
        """Returns whom a handle or an address finds; the work is the same if it is nobody."""
        await self._take(self._policy.search_user, caller_id)
        handle, email = normal_handle(query), normal_email(query)
        async with self._read() as store:
            found = await store.search(handle, email)
        for account in found:
            privacy = account.profile.privacy
            by_handle = normal_handle(account.profile.handle) == handle != ""
            by_email = account.email == email
            if not account.deleted and (
                (by_handle and not privacy.hide_from_handle_search)
                or (by_email and not privacy.hide_from_email_search)
            ):
                return account
        return None

    async def change(self, user_id: str, wanted: Values, what: str = "me") -> Account:
        """Changes fields of a profile, named as in the contract; `what` is theirs in errors."""

        async def work(store: ProfileRows) -> None:
            account = await _locked(store, user_id)
            if changed := self.columns(account, wanted, what):
                await store.set_profile(user_id, changed)

        try:
            await self._transaction(work)
        except Duplicate:
            raise handle_taken(what) from None
        return await self.me(user_id)

    def columns(self, account: Account, wanted: Values, what: str) -> Values:
        """Returns what of an account changes when its profile gets these values."""
        changed = {name: _normal(name, value, what) for name, value in wanted.items()}
        if "handle" in changed:
            changed |= self._handle(account, str(changed.pop("handle")), what)
        return changed

    def handle_changeable_at(self, account: Account) -> int | None:
        """Returns from when on the handle can be changed; None: now."""
        set_at = account.profile.handle_set_at
        if set_at is None or set_at + self._policy.handle_life <= self._now():
            return None
        return set_at + self._policy.handle_life

    def _handle(self, account: Account, handle: str, what: str) -> Values:
        if handle == account.profile.handle:
            return {}
        if not handle:
            problem = "cannot be taken away"
            field = f"{what}.handle"
            raise Invalid("INVALID_FIELD", f"{field}: {problem}", fields={field: problem})
        if self.handle_changeable_at(account) is not None:
            raise Precondition("HANDLE_TOO_SOON", "the handle was changed not long ago")
        return {
            "handle": handle,
            "handle_key": normal_handle(handle),
            "handle_set_at": self._now(),
        }

    # Pictures

    async def set_avatar(self, user_id: str, image: bytes, square: Square | None) -> Account:
        """Sets a user's picture."""
        await self._take(self._policy.avatar, user_id)
        images = await self._painter.paint(image, square)
        avatar_id = avatars.avatar_id(images)

        async def work(store: ProfileRows) -> None:
            await _locked(store, user_id)
            await store.put_avatar(user_id, avatar_id, images)
            await store.set_profile(user_id, {"avatar_id": avatar_id})

        await self._transaction(work)
        return await self.me(user_id)

    async def delete_avatar(self, user_id: str) -> Account:
        """Takes a user's picture away."""

        async def work(store: ProfileRows) -> None:
            await _locked(store, user_id)
            await store.delete_avatar(user_id)
            await store.set_profile(user_id, {"avatar_id": ""})

        await self._transaction(work)
        return await self.me(user_id)

    async def avatar(self, avatar_id: str, size: int) -> bytes:
        """Returns a picture, a WebP; raises NotFound."""
        async with self._read() as store:
            image = await store.avatar(avatar_id, avatars.size_for(size))
        if image is None:
            raise NotFound("AVATAR_NOT_FOUND", "no such picture")
        return image

    # What all of them need

    async def _take(self, limit: Limit, user_id: str) -> None:
        digest = hashlib.blake2b(user_id.encode(), digest_size=16).hexdigest()
        await self._limits.take(limit, digest, closed_without_redis=False)

    async def _transaction(self, work: Callable[[ProfileRows], Awaitable[None]]) -> None:
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    return await work(store)
            except LostRace:
                continue
        raise Unavailable("DATABASE_BUSY", "the account is too busy", retry_seconds=0.5)


def handle_taken(what: str) -> AlreadyExists:
    """The answer for a handle that is another user's."""
    return AlreadyExists(
        "HANDLE_TAKEN", "another user has this handle", fields={f"{what}.handle": "is taken"}
    )


def not_found() -> NotFound:
    """The answer for a user that there is not."""
    return NotFound("USER_NOT_FOUND", "no such user")


async def _locked(store: ProfileRows, user_id: str) -> Account:
    account = await store.locked_account(user_id)
    if account is None or account.deleted:
        raise not_found()
    return account


def _normal(name: str, value: str | int | None, what: str) -> str | int | None:
    if name == "display_name":
        return normal_name(str(value), f"{what}.display_name")
    if name in LENGTHS:
        return normal_text(str(value), f"{what}.{name}", LENGTHS[name])
    return value
