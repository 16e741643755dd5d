"""The SQL of administration: finding accounts, and suspending them."""

from collections.abc import Collection

import sqlalchemy as sa

from services.common.audit import audit_table
from services.verify.model import Account, Suspension
from services.verify.profile_store import ProfileStore
from services.verify.store import account, metadata, session, suspension, to_account

audit = audit_table(metadata, "verify_audit")


class AdminStore(ProfileStore):
    """One open transaction on verify's tables, for administrators too."""

    async def find(
        self, query: str, handle_key: str, email: str, after: str, limit: int
    ) -> list[Account]:
        """Returns accounts by their id, handle or address, or by how their name begins."""
        rows = await self._connection.execute(
            sa.select(account)
            .where(
                account.c.user_id > after,
                sa.or_(
                    account.c.user_id == query if query.isascii() else sa.false(),
                    account.c.handle_key == handle_key if handle_key else sa.false(),
                    account.c.email == email,
                    # Compared sign by sign in every database, as LIKE is not, whatever the case:
                    # SQLite knows that of Latin letters only.
                    sa.func.lower(sa.func.substr(account.c.display_name, 1, len(query)))
                    == sa.func.lower(query),
                ),
            )
            .order_by(account.c.user_id)
            .limit(limit)
        )
        return [to_account(row) for row in rows]

    async def session_counts(self, user_ids: Collection[str]) -> dict[str, int]:
        """Returns how many sessions of each user have not been ended."""
        rows = await self._connection.execute(
            sa.select(session.c.user_id, sa.func.count())
            .where(session.c.user_id.in_(user_ids), session.c.ended_at.is_(None))
            .group_by(session.c.user_id)
        )
        return {user_id: int(count) for user_id, count in rows}

    async def suspensions(self, user_ids: Collection[str]) -> dict[str, Suspension]:
        """Returns the suspensions of users, those that are over too."""
        rows = await self._connection.execute(
            sa.select(suspension).where(suspension.c.user_id.in_(user_ids))
        )
        return {row.user_id: Suspension(row.reason, row.since, row.until) for row in rows}

    async def suspend(self, user_id: str, new: Suspension) -> None:
        """Suspends an account, instead of what there was before."""
        await self.restore(user_id)
        await self._connection.execute(
            sa.insert(suspension).values(
                user_id=user_id, reason=new.reason, since=new.since, until=new.until
            )
        )

    async def restore(self, user_id: str) -> None:
        """Ends a suspension, if there is one."""
        await self._connection.execute(sa.delete(suspension).where(suspension.c.user_id == user_id))
