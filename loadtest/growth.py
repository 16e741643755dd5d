"""Fills the tables, so that the bench sees whether a message costs more when there is more."""

import sqlalchemy as sa

from services.chat.model import DIRECT, TEXT
from services.chat.tables import conversation, member, message
from services.common.database import sync_url

CHUNK = 5_000
FIRST_MESSAGES = 10_000


def fill_conversations(database_url: str, count: int) -> None:
    """Adds conversations of two, each with members of its own."""
    engine = sa.create_engine(sync_url(database_url), poolclass=sa.NullPool)
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        with engine.begin() as connection:
            connection.execute(
                sa.insert(conversation),
                [
                    {
                        "id": f"fill-{number}",
                        "kind": DIRECT,
                        "last_seq": 0,
                        "member_version": 1,
                        "active_at": number,
                    }
                    for number in numbers
                ],
            )
            connection.execute(
                sa.insert(member),
                [
                    {"user_id": f"{side}-{n}", "conversation_id": f"fill-{n}", "read_seq": 0}
                    for n in numbers
                    for side in ("ann", "bob")
                ],
            )
    engine.dispose()


def fill_messages(database_url: str, doublings: int) -> int:
    """Adds messages, 10,000 and twice as many with each doubling; returns how many there are."""
    engine = sa.create_engine(sync_url(database_url), poolclass=sa.NullPool)
    first = [
        {
            "conversation_id": f"log-{number % 100}",
            "seq": number // 100 + 1,
            "sender_id": "ann",
            "client_message_id": f"m{number}",
            "content_hash": bytes(16),
            "kind": TEXT,
            "body": b"x" * 128,
            "created_at": number,
        }
        for number in range(FIRST_MESSAGES)
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(message), first)
    columns = [message.c[name] for name in first[0]]
    for step in range(doublings):
        again = [
            (sa.literal(f"{step}-") + column) if column is message.c.conversation_id else column
            for column in columns
        ]
        copy = sa.insert(message).from_select(
            [column.name for column in columns],
            sa.select(*again).where(message.c.conversation_id.like("%log-%")),
        )
        with engine.begin() as connection:
            connection.execute(copy)
    engine.dispose()
    return FIRST_MESSAGES << doublings
