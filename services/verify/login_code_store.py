"""The SQL of codes by which another device logs in."""

import sqlalchemy as sa

from services.common.database import id_column_type, text_column_type
from services.verify.model import Device, LoginCode, LoginCodeState
from services.verify.store import Store, metadata, session

login_code = sa.Table(
    "login_code",
    metadata,
    sa.Column("code_id", id_column_type(), primary_key=True),
    sa.Column("user_id", id_column_type(), nullable=False),
    sa.Column("session_id", id_column_type(), nullable=False),
    # Hexadecimal, as the hashes of refresh tokens.
    sa.Column("code_hash", id_column_type(), nullable=False, unique=True),
    # NULL: nobody has claimed it.
    sa.Column("claim_hash", id_column_type(), unique=True),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    # Of the device that has claimed it; empty before.
    sa.Column("device_id", id_column_type(), nullable=False),
    sa.Column("device_name", text_column_type(64), nullable=False),
    sa.Column("platform", sa.String(32), nullable=False),
    sa.Column("number", id_column_type(4), nullable=False),
    sa.Index("login_code_by_session", "session_id"),
    sa.Index("login_code_by_expiry", "expires_at"),
)


class LoginCodeStore(Store):
    """One open transaction on verify's tables, for log-ins by a code."""

    async def put_login_code(self, new: LoginCode) -> None:
        """Keeps a code instead of those that its session made before."""
        await self._connection.execute(
            sa.delete(login_code).where(login_code.c.session_id == new.session_id)
        )
        await self._connection.execute(
            sa.insert(login_code).values(
                code_id=new.code_id,
                user_id=new.user_id,
                session_id=new.session_id,
                code_hash=new.code_hash.hex(),
                claim_hash=None,
                state=int(new.state),
                expires_at=new.expires_at,
                device_id=new.device.id,
                device_name=new.device.name,
                platform=new.device.platform,
                number=new.number,
            )
        )

    async def login_code(self, code_id: str, *, lock: bool = False) -> LoginCode | None:
        """Returns a code by its id."""
        return await self._login_code(login_code.c.code_id == code_id, lock=lock)

    async def login_code_by_code(self, code_hash: bytes) -> LoginCode | None:
        """Returns the code that a hash is of."""
        return await self._login_code(login_code.c.code_hash == code_hash.hex(), lock=False)

    async def login_code_by_claim(self, claim_hash: bytes) -> LoginCode | None:
        """Returns the code that was claimed with a token that a hash is of."""
        return await self._login_code(login_code.c.claim_hash == claim_hash.hex(), lock=False)

    async def _login_code(
        self, condition: sa.ColumnElement[bool], *, lock: bool
    ) -> LoginCode | None:
        statement = sa.select(login_code).where(condition)
        rows = await self._connection.execute(statement.with_for_update() if lock else statement)
        row = rows.first()
        if row is None:
            return None
        return LoginCode(
            row.code_id,
            row.user_id,
            row.session_id,
            bytes.fromhex(row.code_hash),
            LoginCodeState(row.state),
            row.expires_at,
            None if row.claim_hash is None else bytes.fromhex(row.claim_hash),
            Device(row.device_id, row.device_name, row.platform),
            row.number,
        )

    async def set_login_code(self, changed: LoginCode) -> None:
        """Stores what has become of a code."""
        await self._connection.execute(
            sa.update(login_code)
            .where(login_code.c.code_id == changed.code_id)
            .values(
                claim_hash=None if changed.claim_hash is None else changed.claim_hash.hex(),
                state=int(changed.state),
                expires_at=changed.expires_at,
                device_id=changed.device.id,
                device_name=changed.device.name,
                platform=changed.device.platform,
                number=changed.number,
            )
        )

    async def delete_login_codes(self, expired_before: int) -> None:
        """Deletes codes that expired before a time."""
        await self._connection.execute(
            sa.delete(login_code).where(login_code.c.expires_at < expired_before)
        )

    async def lasts(self, session_id: str) -> bool:
        """Says whether a session has not ended, without a lock on it."""
        return bool(
            await self._connection.scalar(
                sa.select(sa.func.count()).where(
                    session.c.session_id == session_id, session.c.ended_at.is_(None)
                )
            )
        )
