"""Verify's tables, and the only SQL that touches them."""

from typing import Any

import sqlalchemy as sa

from services.common.connections import Connection
from services.common.database import id_column_type, text_column_type
from services.verify.model import (
    Account,
    Adding,
    Code,
    Device,
    Kind,
    Privacy,
    Profile,
    Session,
    Strangers,
    Suspension,
)

metadata = sa.MetaData()

account = sa.Table(
    "account",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("email", text_column_type(254), nullable=False, unique=True),
    sa.Column("display_name", text_column_type(64), nullable=False),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("presence_hidden", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("kind", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("deleted_at", sa.BigInteger),
    sa.Column("handle", id_column_type(20), nullable=False, server_default=""),
    # The handle in lower case: unique whatever the case. NULL: none.
    sa.Column("handle_key", id_column_type(20), unique=True),
    sa.Column("handle_set_at", sa.BigInteger),
    sa.Column("avatar_id", id_column_type(), nullable=False, server_default=""),
    sa.Column("signature", text_column_type(120), nullable=False, server_default=""),
    sa.Column("region", text_column_type(64), nullable=False, server_default=""),
    sa.Column("gender", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("hide_from_handle_search", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("hide_from_email_search", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("add_policy", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("stranger_policy", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("hide_read_receipts", sa.SmallInteger, nullable=False, server_default="0"),
    # Whose bot it is. NULL: a person.
    sa.Column("owner_id", id_column_type(), index=True),
)

code = sa.Table(
    "code",
    metadata,
    sa.Column("email", text_column_type(254), primary_key=True),
    sa.Column("purpose", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("account_id", id_column_type()),
)

session = sa.Table(
    "session",
    metadata,
    sa.Column("session_id", id_column_type(), primary_key=True),
    sa.Column("user_id", id_column_type(), nullable=False),
    sa.Column("device_id", id_column_type(), nullable=False),
    sa.Column("device_name", text_column_type(64), nullable=False),
    sa.Column("platform", sa.String(32), nullable=False),
    sa.Column("refresh_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("former_hash", sa.LargeBinary(32)),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("used_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    # Of a bot's token: a bit for each scope. NULL: a person's session.
    sa.Column("scopes", sa.SmallInteger),
    sa.Column("expires_at", sa.BigInteger, index=True),
    sa.Index("session_by_user", "user_id", "device_id"),
    sa.Index("session_by_end", "ended_at"),
)

# Who may not use their account; `until` is 0 when there is no end.
suspension = sa.Table(
    "suspension",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("reason", text_column_type(500), nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
)

refresh_token = sa.Table(
    "refresh_token",
    metadata,
    # Hexadecimal: a binary primary key would need a length in MySQL.
    sa.Column("token_hash", id_column_type(), primary_key=True),
    sa.Column("session_id", id_column_type(), nullable=False),
    # When it was made; once it is used, when that was.
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("refresh_token_by_session", "session_id", "created_at"),
)


class Store:
    """One open transaction on verify's tables."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Accounts

    async def account(self, user_id: str) -> Account | None:
        """Returns an account by its id."""
        return await self._account(account.c.user_id == user_id)

    async def locked_account(self, user_id: str) -> Account | None:
        """Returns an account and locks it, so that its password stays as it is."""
        return await self._account(account.c.user_id == user_id, lock=True)

    async def account_by_email(self, email: str) -> Account | None:
        """Returns an account by its address, in the form in which addresses are kept."""
        return await self._account(account.c.email == email)

    async def _account(
        self, condition: sa.ColumnElement[bool], *, lock: bool = False
    ) -> Account | None:
        statement = sa.select(account).where(condition)
        rows = await self._connection.execute(statement.with_for_update() if lock else statement)
        row = rows.first()
        if row is None:
            return None
        return to_account(row)

    async def add_account(self, new: Account) -> None:
        """Adds an account; raises Duplicate when the address has one."""
        await self._connection.execute(
            sa.insert(account).values(
                user_id=new.user_id,
                email=new.email,
                display_name=new.display_name,
                password_hash=new.password_hash,
                created_at=new.created_at,
                kind=int(new.kind),
                owner_id=new.owner_id or None,
            )
        )

    async def set_password(self, user_id: str, password_hash: str) -> None:
        """Changes a password."""
        await self._connection.execute(
            sa.update(account)
            .where(account.c.user_id == user_id)
            .values(password_hash=password_hash)
        )

    async def suspension(self, user_id: str) -> Suspension | None:
        """Returns the suspension of a user, also one that is over."""
        rows = await self._connection.execute(
            sa.select(suspension).where(suspension.c.user_id == user_id)
        )
        row = rows.first()
        return Suspension(row.reason, row.since, row.until) if row else None

    # Codes

    async def put_code(self, email: str, purpose: int, new: Code) -> None:
        """Keeps a code instead of the former one of the same address and purpose."""
        await self._connection.execute(
            sa.delete(code).where(code.c.email == email, code.c.purpose == purpose)
        )
        await self._connection.execute(
            sa.insert(code).values(
                email=email,
                purpose=purpose,
                code_hash=new.code_hash,
                expires_at=new.expires_at,
                tries=new.tries,
                account_id=new.account_id,
            )
        )

    async def code(self, email: str, purpose: int) -> Code | None:
        """Returns a code and locks it, so that two guesses at once are two tries."""
        row = (
            await self._connection.execute(
                sa.select(code)
                .where(code.c.email == email, code.c.purpose == purpose)
                .with_for_update()
            )
        ).first()
        if row is None:
            return None
        return Code(bytes(row.code_hash), row.expires_at, row.tries, row.account_id)

    async def count_try(self, email: str, purpose: int) -> None:
        """Counts a guess."""
        await self._connection.execute(
            sa.update(code)
            .where(code.c.email == email, code.c.purpose == purpose)
            .values(tries=code.c.tries + 1)
        )

    async def spend_code(self, email: str, purpose: int, account_id: str) -> None:
        """Remembers what a code was used for; to repeat the call it has its tries again."""
        await self._connection.execute(
            sa.update(code)
            .where(code.c.email == email, code.c.purpose == purpose)
            .values(account_id=account_id, tries=0)
        )

    # Sessions

    async def add_session(self, new: Session) -> None:
        """Adds a session and its first refresh token."""
        await self._connection.execute(
            sa.insert(session).values(
                session_id=new.session_id,
                user_id=new.user_id,
                device_id=new.device.id,
                device_name=new.device.name,
                platform=new.device.platform,
                refresh_hash=new.refresh_hash,
                former_hash=new.former_hash,
                created_at=new.created_at,
                used_at=new.used_at,
                scopes=None if new.scopes is None else sum(1 << one for one in new.scopes),
                expires_at=new.expires_at,
            )
        )
        await self._add_token(new)

    async def _add_token(self, owner: Session) -> None:
        await self._connection.execute(
            sa.insert(refresh_token).values(
                token_hash=owner.refresh_hash.hex(),
                session_id=owner.session_id,
                created_at=owner.used_at,
            )
        )

    async def rotate(self, changed: Session, forget_before: int) -> None:
        """Stores a session's new refresh token and forgets those used before a time."""
        await self._connection.execute(
            sa.update(session)
            .where(session.c.session_id == changed.session_id)
            .values(
                refresh_hash=changed.refresh_hash,
                former_hash=changed.former_hash,
                used_at=changed.used_at,
            )
        )
        await self._add_token(changed)
        if changed.former_hash is not None:
            # From its use on it is remembered, however long it lay unused before.
            await self._connection.execute(
                sa.update(refresh_token)
                .where(refresh_token.c.token_hash == changed.former_hash.hex())
                .values(created_at=changed.used_at)
            )
        await self._connection.execute(
            sa.delete(refresh_token).where(
                refresh_token.c.session_id == changed.session_id,
                refresh_token.c.created_at < forget_before,
            )
        )

    async def use(self, session_id: str, now: int) -> None:
        """Notes that a bot's token was exchanged."""
        await self._connection.execute(
            sa.update(session).where(session.c.session_id == session_id).values(used_at=now)
        )

    async def session(self, session_id: str) -> Session | None:
        """Returns a session and locks it."""
        rows = await self._sessions(session.c.session_id == session_id, lock=True)
        return rows[0] if rows else None

    async def session_by_refresh(self, token_hash: bytes) -> Session | None:
        """Returns the session that a refresh token was made for, and locks it."""
        session_id = await self._connection.scalar(
            sa.select(refresh_token.c.session_id).where(
                refresh_token.c.token_hash == token_hash.hex()
            )
        )
        return await self.session(session_id) if session_id else None

    async def sessions(self, user_id: str) -> list[Session]:
        """Returns a user's sessions that have not ended, the latest used first."""
        found = await self._sessions(
            sa.and_(session.c.user_id == user_id, session.c.ended_at.is_(None)), lock=False
        )
        return sorted(found, key=lambda one: one.used_at, reverse=True)

    async def _sessions(self, condition: sa.ColumnElement[bool], *, lock: bool) -> list[Session]:
        statement = sa.select(session).where(condition)
        rows = await self._connection.execute(statement.with_for_update() if lock else statement)
        return [
            Session(
                row.session_id,
                row.user_id,
                Device(row.device_id, row.device_name, row.platform),
                bytes(row.refresh_hash),
                bytes(row.former_hash) if row.former_hash is not None else None,
                row.created_at,
                row.used_at,
                row.ended_at,
                None if row.scopes is None else _scopes(row.scopes),
                row.expires_at,
            )
            for row in rows
        ]

    async def end_session(self, session_id: str, now: int) -> None:
        """Ends a session."""
        await self._end(session.c.session_id == session_id, now)

    async def end_device(self, user_id: str, device_id: str, now: int) -> None:
        """Ends a device's session."""
        condition = sa.and_(session.c.user_id == user_id, session.c.device_id == device_id)
        await self._end(condition, now)

    async def end_all(self, user_id: str, now: int) -> None:
        """Ends every session of a user."""
        await self._end(session.c.user_id == user_id, now)

    async def expired(self, now: int) -> list[str]:
        """Returns bots' tokens whose time is over and that have not ended."""
        rows = await self._connection.execute(
            sa.select(session.c.session_id).where(
                session.c.expires_at <= now, session.c.ended_at.is_(None)
            )
        )
        return [session_id for (session_id,) in rows]

    async def _end(self, condition: sa.ColumnElement[bool], now: int) -> None:
        await self._connection.execute(
            sa.update(session).where(condition, session.c.ended_at.is_(None)).values(ended_at=now)
        )

    async def ended_since(self, since: int) -> list[tuple[str, int]]:
        """Returns sessions that ended at or after a time, and when."""
        rows = await self._connection.execute(
            sa.select(session.c.session_id, session.c.ended_at)
            .where(session.c.ended_at >= since)
            .order_by(session.c.ended_at)
        )
        return [(session_id, ended_at) for session_id, ended_at in rows]


def to_account(row: Any) -> Account:
    """Returns the account of a row."""
    return Account(
        row.user_id,
        row.email,
        row.display_name,
        row.password_hash,
        row.created_at,
        bool(row.presence_hidden),
        Profile(
            row.handle,
            row.handle_set_at,
            row.avatar_id,
            row.signature,
            row.region,
            row.gender,
            Privacy(
                bool(row.hide_from_handle_search),
                bool(row.hide_from_email_search),
                Adding(row.add_policy),
                Strangers(row.stranger_policy),
                bool(row.hide_read_receipts),
            ),
        ),
        Kind(row.kind),
        row.deleted_at is not None,
        row.owner_id or "",
    )


def _scopes(bits: int) -> frozenset[int]:
    return frozenset(one for one in range(1, 15) if bits & (1 << one))
