"""The SQL of profiles, pictures and deleted accounts."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from services.common.database import id_column_type
from services.verify.model import NO_PASSWORD, Account, Kind
from services.verify.store import Store, account, code, metadata, to_account

avatar = sa.Table(
    "avatar",
    metadata,
    # A picture belongs to one user: two users with the same one have it twice.
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("size", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("avatar_id", id_column_type(), nullable=False),
    sa.Column("image", sa.LargeBinary(1 << 20), nullable=False),
    sa.Index("avatar_by_id", "avatar_id", "size"),
)

erasure = sa.Table(
    "erasure",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Index("erasure_by_time", "due_at"),
)

# A serialized ListBotCommandsResponse of the contract.
bot_command = sa.Table(
    "bot_command",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("commands", sa.LargeBinary(65535), nullable=False),
)

FORGOTTEN = {
    "display_name": "",
    "password_hash": NO_PASSWORD,
    "handle": "",
    "handle_key": None,
    "handle_set_at": None,
    "avatar_id": "",
    "signature": "",
    "region": "",
    "gender": 0,
}


class ProfileStore(Store):
    """One open transaction on verify's tables, those of profiles too."""

    async def accounts(self, user_ids: Collection[str]) -> list[Account]:
        """Returns the accounts with these ids, deleted ones too."""
        rows = await self._connection.execute(
            sa.select(account).where(account.c.user_id.in_(user_ids))
        )
        return [to_account(row) for row in rows]

    async def living(self, user_ids: Collection[str]) -> list[str]:
        """Returns those ids that have an account which is not deleted."""
        rows = await self._connection.execute(
            sa.select(account.c.user_id).where(
                account.c.user_id.in_(user_ids), account.c.deleted_at.is_(None)
            )
        )
        return [user_id for (user_id,) in rows]

    async def persons(self, after: str, limit: int, created_until: int) -> list[str]:
        """Returns persons whose account is not deleted and was there at a time, by their ids."""
        rows = await self._connection.execute(
            sa.select(account.c.user_id)
            .where(account.c.user_id > after, *_persons(created_until))
            .order_by(account.c.user_id)
            .limit(limit)
        )
        return [user_id for (user_id,) in rows]

    async def count_persons(self, created_until: int) -> int:
        """Returns how many of them there are."""
        count = await self._connection.scalar(
            sa.select(sa.func.count()).select_from(account).where(*_persons(created_until))
        )
        return int(count or 0)

    async def hidden_presence(self, user_ids: Collection[str]) -> list[str]:
        """Returns those ids whose presence is hidden."""
        rows = await self._connection.execute(
            sa.select(account.c.user_id).where(
                account.c.user_id.in_(user_ids), account.c.presence_hidden == 1
            )
        )
        return [user_id for (user_id,) in rows]

    async def search(self, handle_key: str, email: str) -> list[Account]:
        """Returns the accounts with this handle or this address."""
        rows = await self._connection.execute(
            sa.select(account).where(
                sa.or_(account.c.handle_key == handle_key, account.c.email == email)
            )
        )
        return [to_account(row) for row in rows]

    async def set_profile(self, user_id: str, values: Mapping[str, str | int | None]) -> None:
        """Changes columns of an account; raises Duplicate when the handle is another's."""
        await self._connection.execute(
            sa.update(account).where(account.c.user_id == user_id).values(**values)
        )

    async def put_avatar(self, user_id: str, avatar_id: str, images: Mapping[int, bytes]) -> None:
        """Keeps a user's picture instead of the former one."""
        await self.delete_avatar(user_id)
        for size, image in images.items():
            await self._connection.execute(
                sa.insert(avatar).values(
                    user_id=user_id, size=size, avatar_id=avatar_id, image=image
                )
            )

    async def delete_avatar(self, user_id: str) -> None:
        """Deletes a user's picture."""
        await self._connection.execute(sa.delete(avatar).where(avatar.c.user_id == user_id))

    async def avatar(self, avatar_id: str, size: int) -> bytes | None:
        """Returns a picture in a size."""
        image = await self._connection.scalar(
            sa.select(avatar.c.image)
            .where(avatar.c.avatar_id == avatar_id, avatar.c.size == size)
            .limit(1)
        )
        return None if image is None else bytes(image)

    async def forget(self, gone: Account, now: int) -> None:
        """Empties an account, frees its address, and notes that others must forget it too."""
        await self.delete_avatar(gone.user_id)
        await self._connection.execute(sa.delete(code).where(code.c.email == gone.email))
        await self._connection.execute(
            sa.delete(bot_command).where(bot_command.c.user_id == gone.user_id)
        )
        # An id is no address, so nobody can have it as one.
        await self.set_profile(
            gone.user_id, {**FORGOTTEN, "email": gone.user_id, "deleted_at": now}
        )
        await self._connection.execute(sa.insert(erasure).values(user_id=gone.user_id, due_at=now))

    # Bots

    async def bots(self, owner_id: str) -> list[Account]:
        """Returns a user's bots that are not deleted, the oldest first."""
        rows = await self._connection.execute(
            sa.select(account)
            .where(account.c.owner_id == owner_id, account.c.deleted_at.is_(None))
            .order_by(account.c.created_at, account.c.user_id)
        )
        return [to_account(row) for row in rows]

    async def put_commands(self, user_id: str, commands: bytes) -> None:
        """Keeps what a bot understands instead of what was kept before."""
        await self._connection.execute(
            sa.delete(bot_command).where(bot_command.c.user_id == user_id)
        )
        await self._connection.execute(
            sa.insert(bot_command).values(user_id=user_id, commands=commands)
        )

    async def commands(self, user_id: str) -> bytes:
        """Returns what a bot understands; empty: nothing was kept."""
        found = await self._connection.scalar(
            sa.select(bot_command.c.commands).where(bot_command.c.user_id == user_id)
        )
        return b"" if found is None else bytes(found)

    # Erasure

    async def due(self, now: int, count: int) -> list[str]:
        """Returns some users whose erasure is due, the longest due first."""
        rows = await self._connection.execute(
            sa.select(erasure.c.user_id)
            .where(erasure.c.due_at <= now)
            .order_by(erasure.c.due_at)
            .limit(count)
        )
        return [user_id for (user_id,) in rows]

    async def put_off(self, user_id: str, due_at: int) -> None:
        """Sets when an erasure is tried again."""
        await self._connection.execute(
            sa.update(erasure).where(erasure.c.user_id == user_id).values(due_at=due_at)
        )

    async def erased(self, user_id: str) -> None:
        """Takes an erasure off the list."""
        await self._connection.execute(sa.delete(erasure).where(erasure.c.user_id == user_id))


def _persons(created_until: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        account.c.deleted_at.is_(None),
        account.c.kind == int(Kind.PERSON),
        account.c.created_at <= created_until,
    )
