"""Rooms: groups with synthetic members, which the bench and the fault tests put into the tables.

What chat and gate do with many members does not depend on how they came in, and accounts for all
of them would be hours of password hashes.
"""

import secrets

import sqlalchemy as sa

from services.chat.model import ADMIN, GROUP, MEMBER, OWNER
from services.chat.tables import chat_group, conversation, member
from services.common.database import sync_url


def make_room(database_url: str, users: list[str], members: int) -> str:
    """Adds a conversation of these users and as many others as make `members`; returns its id."""
    conversation_id = f"room-{secrets.token_hex(6)}"
    everybody = [*users, *(f"{conversation_id}-{n}" for n in range(members - len(users)))]
    engine = sa.create_engine(sync_url(database_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(conversation).values(
                id=conversation_id, kind=GROUP, last_seq=0, member_version=1, active_at=0
            )
        )
        connection.execute(
            sa.insert(chat_group).values(
                conversation_id=conversation_id,
                creator_id=users[0],
                client_group_id=conversation_id,
                created_at=0,
                name="room",
                may_invite=MEMBER,
                may_edit=MEMBER,
                may_announce=ADMIN,
                member_count=members,
            )
        )
        connection.execute(
            sa.insert(member),
            [
                {
                    "user_id": user_id,
                    "conversation_id": conversation_id,
                    "read_seq": 0,
                    "role": OWNER if user_id == users[0] else MEMBER,
                }
                for user_id in everybody
            ],
        )
    engine.dispose()
    return conversation_id
