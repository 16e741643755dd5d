"""Conversations, messages and rows of the outbox, put straight into chat's tables."""

import itertools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.chat import outbox_store
from services.chat.model import DIRECT, TEXT
from services.chat.notify import PUSH, Job, news_row
from services.chat.tables import conversation, member, message, outbox
from services.common.database import Database

MICROS = 1_000_000
numbers = itertools.count(1)


class Clock:
    """Microseconds that move only when a test says so."""

    def __init__(self) -> None:
        self.time = 1_700_000_000 * MICROS

    def __call__(self) -> int:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += round(seconds * MICROS)


class Tables:
    """What stands in the tables, past the rules."""

    def __init__(self, database: Database, now: Clock) -> None:
        self.database = database
        self.now = now

    async def add(self, conversation_id: str, *users: str, notify: Sequence[str] = ()) -> str:
        """Adds a conversation; `notify` are those of its members that have registrations."""
        async with self.database.begin() as connection:
            await connection.execute(
                sa.insert(conversation).values(
                    id=conversation_id,
                    kind=DIRECT,
                    pair=conversation_id,
                    last_seq=0,
                    member_version=1,
                    active_at=0,
                )
            )
            for user in users:
                await connection.execute(
                    sa.insert(member).values(
                        user_id=user,
                        conversation_id=conversation_id,
                        read_seq=0,
                        notify=int(user in notify),
                    )
                )
        return conversation_id

    async def write(
        self,
        conversation_id: str,
        *texts: str,
        sender: str = "ann",
        rows: str = PUSH,
        **columns: Any,
    ) -> list[int]:
        """Stores messages and their row of the outbox in one transaction, as a commit does."""
        async with self.database.begin() as connection:
            last = await connection.scalar(
                sa.select(conversation.c.last_seq).where(conversation.c.id == conversation_id)
            )
            seqs = [last + place for place, _ in enumerate(texts, 1)]
            for seq, text in zip(seqs, texts, strict=True):
                values = {
                    "conversation_id": conversation_id,
                    "seq": seq,
                    "sender_id": sender,
                    "client_message_id": f"m{next(numbers)}",
                    "content_hash": b"",
                    "kind": TEXT,
                    "body": text.encode(),
                    "created_at": self.now(),
                }
                await connection.execute(sa.insert(message).values(values | columns))
            await connection.execute(
                sa.update(conversation)
                .where(conversation.c.id == conversation_id)
                .values(last_seq=seqs[-1])
            )
            row = news_row(
                f"row{next(numbers)}", rows, Job(conversation_id, seqs[0], seqs[-1]), self.now()
            )
            await outbox_store.add(connection, [row])
        return seqs

    async def set_member(self, user_id: str, conversation_id: str, **columns: int) -> None:
        """Changes what a conversation is to a member."""
        async with self.database.begin() as connection:
            await connection.execute(
                sa.update(member)
                .where(member.c.user_id == user_id, member.c.conversation_id == conversation_id)
                .values(columns)
            )

    async def insert(self, table: sa.Table, **values: Any) -> None:
        async with self.database.begin() as connection:
            await connection.execute(sa.insert(table).values(values))

    async def update_message(self, conversation_id: str, seq: int, **columns: Any) -> None:
        async with self.database.begin() as connection:
            await connection.execute(
                sa.update(message)
                .where(message.c.conversation_id == conversation_id, message.c.seq == seq)
                .values(columns)
            )

    async def outbox(self) -> list[Any]:
        """Returns the rows of the outbox."""
        async with self.database.read() as connection:
            return list(await connection.execute(sa.select(outbox).order_by(outbox.c.id)))

    async def notify(self, user_id: str) -> dict[str, int]:
        """Returns whether a user is told, by conversation."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                sa.select(member.c.conversation_id, member.c.notify).where(
                    member.c.user_id == user_id
                )
            )
            return {id: notify for id, notify in rows}

    async def versions(self) -> dict[str, int]:
        """Returns the member_version of each conversation."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                sa.select(conversation.c.id, conversation.c.member_version)
            )
            return {id: version for id, version in rows}
