"""Logs as sends, edits and recalls leave them in the database, and searches in them."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from hongyan.chat.v1 import message_pb2

from services.chat.model import EDIT, RECALL, REMOVED, RICH, TEXT
from services.chat.search import Found, Page, Search
from services.chat.search_store import transactions
from services.chat.tables import conversation, hidden, member, message, search_gram
from services.common.database import Database

NOW = 1_700_000_000_000_000
"""What time it is in searches, in microseconds."""


class Library:
    """Conversations in one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._ids = itertools.count(1)

    def search_with(self, clock: Callable[[], float] = lambda: 0.0) -> Search:
        """The rules on this database."""
        return Search(*transactions(self.database), now=lambda: NOW, clock=clock)

    async def add(self, conversation_id: str, *users: str) -> str:
        """Adds a conversation with members."""
        async with self.database.begin() as connection:
            await connection.execute(
                sa.insert(conversation).values(
                    id=conversation_id, kind=1, last_seq=0, member_version=1, active_at=0
                )
            )
            await connection.execute(
                sa.insert(member),
                [
                    {"user_id": user, "conversation_id": conversation_id, "read_seq": 0}
                    for user in users
                ],
            )
        return conversation_id

    async def write(
        self, conversation_id: str, *texts: str, at: int = NOW - 1_000, expires_at: int = 0
    ) -> None:
        """Appends texts, each a microsecond after the one before."""
        await self._append(
            conversation_id,
            [
                {"kind": TEXT, "body": text.encode(), "created_at": at + number}
                for number, text in enumerate(texts)
            ],
            expires_at,
        )

    async def write_rich(self, conversation_id: str, text: str) -> None:
        """Appends a text that answers another one."""
        body = message_pb2.Message(text=text, quote=message_pb2.Quote(seq=1, sender_id="ann"))
        await self._append(
            conversation_id,
            [{"kind": RICH, "body": body.SerializeToString(), "created_at": NOW - 1_000}],
        )

    async def refer(self, conversation_id: str, kind: int, content: message_pb2.Message) -> None:
        """Appends an entry that refers to an earlier one."""
        await self._append(
            conversation_id,
            [{"kind": kind, "body": content.SerializeToString(), "created_at": NOW - 1_000}],
        )

    async def edit(self, conversation_id: str, seq: int, text: str) -> None:
        """Gives a message another text."""
        await self._set(conversation_id, seq, kind=TEXT, body=text.encode())
        content = message_pb2.Message(edit=message_pb2.Edit(seq=seq, text=text))
        await self.refer(conversation_id, EDIT, content)
        last = sa.select(conversation.c.last_seq).where(conversation.c.id == conversation_id)
        await self._set(conversation_id, seq, edited_seq=last.scalar_subquery())

    async def recall(self, conversation_id: str, seq: int) -> None:
        """Takes a message back."""
        await self._set(conversation_id, seq, kind=REMOVED, body=b"")
        content = message_pb2.Message(recall=message_pb2.Recall(seq=seq))
        await self.refer(conversation_id, RECALL, content)

    async def _set(self, conversation_id: str, seq: int, **values: Any) -> None:
        async with self.database.begin() as connection:
            await connection.execute(
                sa.update(message)
                .where(message.c.conversation_id == conversation_id, message.c.seq == seq)
                .values(**values)
            )

    async def _append(
        self, conversation_id: str, rows: Sequence[dict[str, Any]], expires_at: int = 0
    ) -> None:
        mine = conversation.c.id == conversation_id
        async with self.database.begin() as connection:
            last = await connection.scalar(sa.select(conversation.c.last_seq).where(mine))
            await connection.execute(
                sa.insert(message),
                [
                    {
                        "conversation_id": conversation_id,
                        "seq": last + place,
                        "sender_id": "ann",
                        "client_message_id": f"m{next(self._ids)}",
                        "content_hash": b"",
                        "expires_at": expires_at,
                        **row,
                    }
                    for place, row in enumerate(rows, 1)
                ],
            )
            await connection.execute(
                sa.update(conversation)
                .where(mine)
                .values(last_seq=last + len(rows), active_at=rows[-1]["created_at"])
            )

    async def clear(self, user: str, conversation_id: str, seq: int) -> None:
        """Clears a chat for a member up to a seq."""
        async with self.database.begin() as connection:
            await connection.execute(
                sa.update(member)
                .where(member.c.user_id == user, member.c.conversation_id == conversation_id)
                .values(cleared_seq=seq)
            )

    async def hide(self, user: str, conversation_id: str, seq: int) -> None:
        """Hides a message from a user."""
        async with self.database.begin() as connection:
            await connection.execute(
                sa.insert(hidden).values(user_id=user, conversation_id=conversation_id, seq=seq)
            )

    async def page(
        self, text: str, user: str = "ann", at: str = "", after: Found | None = None, size: int = 50
    ) -> Page:
        """Searches once."""
        return await self.search_with().search(user, text, at, after, size)

    async def find(self, text: str, user: str = "ann", at: str = "") -> list[str]:
        """Returns the texts that are found, the newest first."""
        page = await self.page(text, user, at)
        assert not page.indexing
        assert page.following is None
        return [text_of(one.kind, one.body) for one in page.messages]

    async def grams(self, conversation_id: str) -> list[tuple[str, int]]:
        """Returns what is indexed of a conversation."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                sa.select(search_gram.c.gram, search_gram.c.seq)
                .where(search_gram.c.conversation_id == conversation_id)
                .order_by(search_gram.c.seq, search_gram.c.gram)
            )
            return [(gram, seq) for gram, seq in rows]


def text_of(kind: int, body: bytes) -> str:
    """Returns the text of a message that was found."""
    if kind == RICH:
        return message_pb2.Message.FromString(body).text
    assert kind == TEXT
    return body.decode()
