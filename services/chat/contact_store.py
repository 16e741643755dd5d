"""The SQL of contacts, requests to be friends, and codes."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from hongyan.chat.v1 import contact_pb2

from services.chat.contacts import Code, Contact, Request
from services.chat.tables import (
    contact,
    contact_code,
    contact_request,
    conversation,
    member,
)
from services.common.connections import Connection

_CONTACT = (
    contact.c.user_id,
    contact.c.other_id,
    contact.c.friend,
    contact.c.remark,
    contact.c.tags,
    contact.c.starred,
    contact.c.blocked,
    contact.c.friends_since,
)
_REQUEST = (
    contact_request.c.user_id,
    contact_request.c.other_id,
    contact_request.c.incoming,
    contact_request.c.greeting,
    contact_request.c.source,
    contact_request.c.state,
    contact_request.c.created_at,
    contact_request.c.expires_at,
)
_CODE = (
    contact_code.c.id,
    contact_code.c.user_id,
    contact_code.c.created_at,
    contact_code.c.expires_at,
)


class ContactStore:
    """What contacts ask of an open transaction."""

    _connection: Connection

    # Contacts

    async def contact(self, user_id: str, other_id: str) -> Contact | None:
        """Returns what a user is to another."""
        rows = await self._connection.execute(
            sa.select(*_CONTACT).where(contact.c.user_id == user_id, contact.c.other_id == other_id)
        )
        row = rows.first()
        return _to_contact(row) if row else None

    async def blocks(self, user_id: str, other_id: str) -> bool:
        """Says whether a user has blocked another."""
        found = await self.contact(user_id, other_id)
        return found is not None and found.blocked

    async def contacts(self, user_id: str, after: str, limit: int) -> list[Contact]:
        """Returns contacts in the order of ids, after an id."""
        rows = await self._connection.execute(
            sa.select(*_CONTACT)
            .where(contact.c.user_id == user_id, contact.c.other_id > after)
            .order_by(contact.c.other_id)
            .limit(limit)
        )
        return [_to_contact(row) for row in rows]

    async def put_contact(self, new: Contact) -> None:
        """Sets what a user is to another; the user's version is locked."""
        await self.drop_contact(new.user_id, new.other_id)
        tags = contact_pb2.Contact(tags=new.tags).SerializeToString() if new.tags else None
        await self._connection.execute(
            sa.insert(contact).values(
                user_id=new.user_id,
                other_id=new.other_id,
                friend=int(new.friend),
                remark=new.remark,
                tags=tags,
                starred=int(new.starred),
                blocked=int(new.blocked),
                friends_since=new.friends_since,
            )
        )

    async def drop_contact(self, user_id: str, other_id: str) -> None:
        """Forgets what a user is to another."""
        await self._connection.execute(
            sa.delete(contact).where(contact.c.user_id == user_id, contact.c.other_id == other_id)
        )

    async def count_contacts(self, user_id: str) -> int:
        """Returns how many contacts a user has."""
        return (
            await self._connection.scalar(
                sa.select(sa.func.count()).where(contact.c.user_id == user_id)
            )
            or 0
        )

    async def bar(self, conversation_id: str, user_id: str, barred: int) -> None:
        """Sets whether a member may write in a direct conversation, and why not."""
        await self._connection.execute(
            sa.update(conversation)
            .where(conversation.c.id == conversation_id)
            .values(member_version=conversation.c.member_version + 1)
        )
        await self._connection.execute(
            sa.update(member)
            .where(member.c.user_id == user_id, member.c.conversation_id == conversation_id)
            .values(barred=barred)
        )

    async def share_group(self, conversation_id: str, user_ids: Sequence[str]) -> bool:
        """Says whether all of these users are members of a group."""
        count = await self._connection.scalar(
            sa.select(sa.func.count()).where(
                member.c.conversation_id == conversation_id,
                member.c.user_id.in_(user_ids),
                member.c.role > 0,
                member.c.leave_seq == 0,
            )
        )
        return count == len(user_ids)

    # Requests

    async def contact_request(self, user_id: str, other_id: str) -> Request | None:
        """Returns a user's side of the request between two."""
        rows = await self._connection.execute(
            sa.select(*_REQUEST).where(
                contact_request.c.user_id == user_id, contact_request.c.other_id == other_id
            )
        )
        row = rows.first()
        return _to_request(row) if row else None

    async def contact_requests(
        self, user_id: str, after: tuple[int, str] | None, limit: int
    ) -> list[Request]:
        """Returns a user's requests, the newest first, after (created_at, other_id)."""
        statement = (
            sa.select(*_REQUEST)
            .where(contact_request.c.user_id == user_id)
            .order_by(contact_request.c.created_at.desc(), contact_request.c.other_id)
            .limit(limit)
        )
        if after:
            created_at, other_id = after
            statement = statement.where(
                sa.or_(
                    contact_request.c.created_at < created_at,
                    sa.and_(
                        contact_request.c.created_at == created_at,
                        contact_request.c.other_id > other_id,
                    ),
                )
            )
        return [_to_request(row) for row in await self._connection.execute(statement)]

    async def put_request(self, new: Request) -> None:
        """Sets a user's side of the request between two; the user's version is locked."""
        await self.drop_request(new.user_id, new.other_id)
        await self._connection.execute(
            sa.insert(contact_request).values(
                user_id=new.user_id,
                other_id=new.other_id,
                incoming=int(new.incoming),
                greeting=new.greeting,
                source=new.source,
                state=new.state,
                created_at=new.created_at,
                expires_at=new.expires_at,
            )
        )

    async def drop_request(self, user_id: str, other_id: str) -> None:
        """Forgets a user's side of the request between two."""
        await self._connection.execute(
            sa.delete(contact_request).where(
                contact_request.c.user_id == user_id, contact_request.c.other_id == other_id
            )
        )

    # Codes

    async def add_code(self, code: Code, code_hash: str) -> None:
        """Adds a code."""
        await self._connection.execute(
            sa.insert(contact_code).values(
                id=code.id,
                code_hash=code_hash,
                user_id=code.user_id,
                created_at=code.created_at,
                expires_at=code.expires_at,
            )
        )

    async def codes(self, user_id: str, now: int) -> list[Code]:
        """Returns a user's codes that work, the newest first."""
        rows = await self._connection.execute(
            sa.select(*_CODE)
            .where(contact_code.c.user_id == user_id, contact_code.c.expires_at > now)
            .order_by(contact_code.c.created_at.desc(), contact_code.c.id)
        )
        return [Code(*row) for row in rows]

    async def find_code(self, code_hash: str) -> Code | None:
        """Returns a code by its hash."""
        rows = await self._connection.execute(
            sa.select(*_CODE).where(contact_code.c.code_hash == code_hash)
        )
        row = rows.first()
        return Code(*row) if row else None

    async def drop_code(self, user_id: str, code_id: str) -> bool:
        """Forgets a user's code; says whether it was there."""
        gone = await self._connection.execute(
            sa.delete(contact_code).where(
                contact_code.c.id == code_id, contact_code.c.user_id == user_id
            )
        )
        return bool(gone.rowcount)


def _to_contact(row: Any) -> Contact:
    user_id, other_id, friend, remark, tags, starred, blocked, since = row
    names = tuple(contact_pb2.Contact.FromString(bytes(tags)).tags) if tags else ()
    return Contact(
        user_id, other_id, bool(friend), remark, names, bool(starred), bool(blocked), since
    )


def _to_request(row: Any) -> Request:
    user_id, other_id, incoming, greeting, source, state, created_at, expires_at = row
    return Request(
        user_id, other_id, bool(incoming), greeting, source, state, created_at, expires_at
    )
