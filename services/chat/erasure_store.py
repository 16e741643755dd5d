"""The SQL of forgetting a user."""

import sqlalchemy as sa

from services.chat.model import DIRECT
from services.chat.tables import (
    contact,
    contact_code,
    contact_request,
    conversation,
    hidden,
    invite,
    join_request,
    member,
    push_registration,
    user_change,
    user_state,
)
from services.common.connections import Connection

_OF_USER = (
    (contact, contact.c.user_id),
    (contact_request, contact_request.c.user_id),
    (contact_code, contact_code.c.user_id),
    (invite, invite.c.inviter_id),
    (join_request, join_request.c.user_id),
    (push_registration, push_registration.c.user_id),
    (hidden, hidden.c.user_id),
    (user_change, user_change.c.user_id),
    (user_state, user_state.c.user_id),
)


class ErasureStore:
    """What forgetting asks of an open transaction."""

    _connection: Connection

    async def groups_of(self, user_id: str) -> list[str]:
        """Returns the groups of which a user is a member."""
        rows = await self._connection.scalars(
            sa.select(member.c.conversation_id)
            .where(member.c.user_id == user_id, member.c.role > 0, member.c.leave_seq == 0)
            .order_by(member.c.conversation_id)
        )
        return list(rows)

    async def acquaintances(self, user_id: str) -> list[str]:
        """Returns who has a user among their contacts, or a request of or to them."""
        contacts = sa.select(contact.c.user_id).where(contact.c.other_id == user_id)
        requests = sa.select(contact_request.c.other_id).where(contact_request.c.user_id == user_id)
        return sorted(set(await self._connection.scalars(contacts.union(requests))))

    async def directs_of(self, user_id: str) -> list[tuple[str, str]]:
        """Returns a user's direct conversations, and with whom each is."""
        own, other = member.alias("own"), member.alias("other")
        rows = await self._connection.execute(
            sa.select(own.c.conversation_id, other.c.user_id)
            .join(conversation, conversation.c.id == own.c.conversation_id)
            .join(other, other.c.conversation_id == own.c.conversation_id)
            .where(
                own.c.user_id == user_id,
                other.c.user_id != user_id,
                conversation.c.kind == DIRECT,
            )
            .order_by(own.c.conversation_id)
        )
        return [(id, other_id) for id, other_id in rows]

    async def forget(self, user_id: str) -> None:
        """Deletes what is a user's alone; the places in conversations stay, empty."""
        for table, column in _OF_USER:
            await self._connection.execute(sa.delete(table).where(column == user_id))
        await self._connection.execute(
            sa.update(member)
            .where(member.c.user_id == user_id)
            .values(
                pinned=0,
                muted_until=0,
                archived=0,
                marked_unread=0,
                removed=0,
                draft=None,
                hides=0,
                notify=0,
                nickname="",
            )
        )
