"""The SQL of registrations: one open transaction on them and on whom they let be told."""

from collections.abc import Collection
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chat.registrations import Registration, told
from services.chat.tables import conversation, member, push_registration
from services.common.database import for_update

CHUNK = 500

_REGISTRATION = (
    push_registration.c.id,
    push_registration.c.user_id,
    push_registration.c.session_id,
    push_registration.c.provider,
    push_registration.c.target,
    push_registration.c.show_content,
    push_registration.c.created_at,
)


async def note_registered(
    connection: AsyncConnection, conversation_id: str, user_ids: Collection[str]
) -> None:
    """Notes which of the new members of a conversation are to be told; after adding them.

    It reads with a lock: a registration that is just being made is waited for. Who makes one
    looks for members in the same way, after it has added the registration, so one of the two
    sees the other.
    """
    rows = await connection.execute(
        sa.select(push_registration.c.user_id, push_registration.c.provider)
        .where(push_registration.c.user_id.in_(sorted(user_ids)))
        .with_for_update(read=True)
    )
    by_notify: dict[int, set[str]] = {}
    for user_id, provider in rows:
        by_notify.setdefault(told(provider), set()).add(user_id)
    for notify, users in sorted(by_notify.items()):
        await connection.execute(
            sa.update(member)
            .where(member.c.conversation_id == conversation_id, member.c.user_id.in_(users))
            .values(notify=notify)
        )


class RegistrationStore:
    """One open transaction on registrations."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of_users(
        self, user_ids: Collection[str], *, lock: bool = False
    ) -> list[Registration]:
        """Returns the registrations of users, the newest first."""
        statement = (
            sa.select(*_REGISTRATION)
            .where(push_registration.c.user_id.in_(sorted(user_ids)))
            .order_by(push_registration.c.created_at.desc(), push_registration.c.id)
        )
        rows = await self._connection.execute(for_update(statement) if lock else statement)
        return [
            Registration(id, user_id, session_id, provider, bytes(target), bool(show), created_at)
            for id, user_id, session_id, provider, target, show, created_at in rows
        ]

    async def owners(
        self, ids: Collection[str], session_ids: Collection[str]
    ) -> dict[str, set[str]]:
        """Returns the registrations of these ids or sessions, by user."""
        rows = await self._connection.execute(
            sa.select(push_registration.c.user_id, push_registration.c.id).where(
                sa.or_(
                    push_registration.c.id.in_(sorted(ids)),
                    push_registration.c.session_id.in_(sorted(session_ids)),
                )
            )
        )
        owners: dict[str, set[str]] = {}
        for user_id, id in rows:
            owners.setdefault(user_id, set()).add(id)
        return owners

    async def put(self, registration: Registration) -> None:
        """Adds a registration, or writes over the one of the same id; may raise Duplicate."""
        values = asdict(registration) | {"show_content": int(registration.show_content)}
        found = await self._connection.execute(
            sa.update(push_registration)
            .where(push_registration.c.id == registration.id)
            .values(values)
        )
        if not found.rowcount:
            await self._connection.execute(sa.insert(push_registration).values(values))

    async def remove(self, ids: Collection[str]) -> None:
        """Removes registrations."""
        await self._connection.execute(
            sa.delete(push_registration).where(push_registration.c.id.in_(sorted(ids)))
        )

    async def set_notify(self, user_id: str, notify: int) -> None:
        """Says in all conversations of a user how the user is to be told.

        Whoever caches members learns it from the conversation's member_version.
        """
        wrong = sa.and_(member.c.user_id == user_id, member.c.notify != notify)
        # A locking read, which waits for members that are just being added.
        ids = list(
            await self._connection.scalars(
                for_update(
                    sa.select(member.c.conversation_id)
                    .where(wrong)
                    .order_by(member.c.conversation_id)
                )
            )
        )
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            # In the order in which commits lock them, so that nobody waits in a ring.
            await self._connection.execute(
                for_update(
                    sa.select(conversation.c.id)
                    .where(conversation.c.id.in_(chunk))
                    .order_by(conversation.c.id)
                )
            )
            await self._connection.execute(
                sa.update(conversation)
                .where(conversation.c.id.in_(chunk))
                .values(member_version=conversation.c.member_version + 1)
            )
            await self._connection.execute(
                sa.update(member)
                .where(member.c.user_id == user_id, member.c.conversation_id.in_(chunk))
                .values(notify=notify)
            )
