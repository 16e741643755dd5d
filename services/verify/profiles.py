"""What users are to others: names, handles, and who may find, ask and see whom."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from services.common.database import Duplicate
from services.common.errors import AlreadyExists, Invalid, NotFound, Precondition
from services.common.limits import Limit
from services.verify.rules import DAY, Account, Limits, normal_email, normal_name

NAMES = {"display_name": 64, "signature": 120, "region": 64}


class ProfileStore(Protocol):
    """The storage that profiles need, inside one transaction."""

    async def account(self, user_id: str) -> Account | None: ...
    async def locked_account(self, user_id: str) -> Account | None: ...
    async def accounts(self, user_ids: Collection[str]) -> list[Account]: ...
    async def account_by_email(self, email: str) -> Account | None: ...
    async def account_by_handle(self, handle: str) -> Account | None: ...
    async def change(self, user_id: str, values: Mapping[str, Any]) -> None: ...
    async def existing(self, user_ids: Collection[str]) -> list[str]: ...
    async def hidden_presence(self, user_ids: Collection[str]) -> list[str]: ...


Begin = Callable[[], AbstractAsyncContextManager[ProfileStore]]


class Profiles:
    """The rules of profiles. `now` is in microseconds since 1970 UTC."""

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        *,
        limits: Limits,
        search: Limit,
        handle_days: int,
        now: Callable[[], int],
    ) -> None:
        self._begin = begin
        self._read = read
        self._limits = limits
        self._search = search
        self._handle_micros = handle_days * DAY
        self._now = now

    async def get(self, user_id: str) -> Account:
        """Returns an account; raises NotFound."""
        async with self._read() as store:
            account = await store.account(user_id)
        if account is None:
            raise NotFound("USER_NOT_FOUND", "no such user")
        return account

    async def find(self, user_ids: Collection[str]) -> list[Account]:
        """Returns those accounts that there are."""
        if not user_ids:
            return []
        async with self._read() as store:
            return await store.accounts(user_ids)

    async def search(self, user_id: str, query: str) -> Account | None:
        """Returns who has a handle or an address, if they are to be found by it.

        Both are looked up whatever the query looks like: the work is the same for all.
        """
        await self._limits.take(self._search, user_id, closed_without_redis=False)
        query = query.strip()
        try:
            email = normal_email(query)
        except Invalid:
            email = query.casefold()
        async with self._read() as store:
            by_handle = await store.account_by_handle(query)
            by_email = await store.account_by_email(email)
        if by_handle and not by_handle.hide_from_handle_search:
            return by_handle
        if by_email and not by_email.hide_from_email_search:
            return by_email
        return None

    def handle_changeable_at(self, account: Account) -> int:
        """Returns from when on a handle can be changed; 0: it has never been."""
        return account.handle_changed_at and account.handle_changed_at + self._handle_micros

    async def change(self, user_id: str, values: Mapping[str, Any]) -> Account:
        """Sets fields of an account that others see, or that say what others may do."""
        values = dict(values)
        for name in NAMES.keys() & values.keys():
            if values[name] or name == "display_name":
                values[name] = normal_name(values[name], f"me.{name}", NAMES[name])
        if "handle" in values and not values["handle"]:
            problem = "must not be taken away"
            raise Invalid("INVALID_FIELD", f"me.handle {problem}", fields={"me.handle": problem})
        try:
            async with self._begin() as store:
                account = await store.locked_account(user_id)
                if account is None:
                    raise NotFound("USER_NOT_FOUND", "no such user")
                if "handle" in values:
                    self._check_handle(account, values)
                if values:
                    await store.change(user_id, values)
        except Duplicate:
            raise AlreadyExists(
                "HANDLE_TAKEN",
                "another user has this handle",
                fields={"me.handle": "is taken"},
            ) from None
        return await self.get(user_id)

    def _check_handle(self, account: Account, values: dict[str, Any]) -> None:
        if values["handle"].casefold() == account.handle.casefold():
            return  # at most its case is another
        now = self._now()
        if account.handle and now < self.handle_changeable_at(account):
            raise Precondition("HANDLE_TOO_SOON", "the handle was changed not long ago")
        values["handle_changed_at"] = now

    async def hidden_presence(self, user_ids: Collection[str]) -> list[str]:
        """Returns those users who show their presence to nobody."""
        if not user_ids:
            return []
        async with self._read() as store:
            return await store.hidden_presence(user_ids)

    async def existing(self, user_ids: Collection[str]) -> list[str]:
        """Returns those users that there are."""
        if not user_ids:
            return []
        async with self._read() as store:
            return await store.existing(user_ids)
