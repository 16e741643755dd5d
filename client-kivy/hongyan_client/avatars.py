"""The client's methods about pictures of users; `Client` has them."""

import asyncio
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path

from grpclib.const import Status

from hongyan_client.account import AccountCalls
from hongyan_client.errors import DeadlineExceeded, InvalidArgument, NotFound, Unavailable
from hongyan_client.model import Account, User
from hongyan_client.picture_files import PictureFiles

IMAGE_BYTES = 4 * 1024 * 1024
# The sizes that the server makes; asking for one of them keeps each picture here once.
SIZES = (96, 480)


class Avatars(ABC):
    """The own picture, and those of others."""

    home: Path

    @property
    @abstractmethod
    def account(self) -> AccountCalls:
        """The calls as this profile's session."""

    @abstractmethod
    async def user(self, user_id: str, *, fresh: bool = False) -> User:
        """Returns a user's profile."""

    @abstractmethod
    def _keep_me(self, account: Account) -> None: ...

    @cached_property
    def _pictures(self) -> PictureFiles:
        return PictureFiles(self.home / "pictures")

    async def set_avatar(self, image: bytes, square: tuple[int, int, int] | None = None) -> Account:
        """Sets the own picture: a JPEG, PNG, WebP or GIF.

        `square` is the part to take as left, top and side; None: the largest in the middle.
        """
        if not 1 <= len(image) <= IMAGE_BYTES:
            raise InvalidArgument(
                Status.INVALID_ARGUMENT.value,
                "INVALID_ARGUMENT",
                f"a picture has 1 to {IMAGE_BYTES} bytes, this one {len(image)}",
                fields={"image": f"1 to {IMAGE_BYTES} bytes"},
            )
        account = await self.account.set_avatar(image, square)
        self._keep_me(account)
        return account

    async def delete_avatar(self) -> Account:
        """Takes the own picture away."""
        account = await self.account.delete_avatar()
        self._keep_me(account)
        return account

    async def avatar(self, avatar_id: str, size: int = SIZES[0]) -> bytes:
        """Returns a picture, a WebP, of at least `size` pixels if there is one: from this device
        if it is here."""
        size = next((it for it in SIZES if it >= size), SIZES[-1])
        known = await asyncio.to_thread(self._pictures.get, avatar_id, size)
        if known is not None:
            return known
        data = await self.account.avatar(avatar_id, size)
        await asyncio.to_thread(self._pictures.put, avatar_id, size, data)
        return data

    async def avatar_of(self, user_id: str, size: int = SIZES[0]) -> bytes:
        """Returns a user's picture; empty when there is none, or it cannot be had now."""
        try:
            user = await self.user(user_id)
            try:
                return await self.avatar(user.avatar_id, size) if user.avatar_id else b""
            except NotFound:
                # What is known of the user is older than the picture of today.
                user = await self.user(user_id, fresh=True)
                return await self.avatar(user.avatar_id, size) if user.avatar_id else b""
        except (NotFound, Unavailable, DeadlineExceeded):
            return b""

    async def clear_pictures(self) -> None:
        """Drops the pictures of this device; they are fetched again when they are needed."""
        await asyncio.to_thread(self._pictures.clear)
