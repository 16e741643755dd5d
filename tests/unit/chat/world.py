"""A chat pod's database, and a committer that runs on it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa

from services.chat.changes import Changes, Detail
from services.chat.committer import Begin, Committer, Entry, Send
from services.chat.group_changes import GroupChanges
from services.chat.model import Message
from services.chat.rules import Chat
from services.chat.store import Store
from services.chat.tables import message
from services.common.database import Database
from services.common.errors import AppError, NotFound

tick = itertools.count(1_700_000_000_000_000).__next__
"""A clock in microseconds that moves with each look."""


class World:
    """Transactions on one database, as chat's main makes them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Store]:
        async with self.database.begin() as connection:
            yield Store(connection)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Store]:
        async with self.database.read() as connection:
            yield Store(connection)

    async def add(self, conversation_id: str, *users: str) -> str:
        """Adds a conversation with members."""
        async with self.begin() as store:
            await store.add_direct(conversation_id, ":".join((conversation_id, *users)), users, ())
        return conversation_id

    async def write(self, conversation_id: str, *texts: str, sender: str = "ann") -> list[Message]:
        """Stores messages, each in the order given, through a committer."""
        messages = []
        async with committing(self.begin) as pod:
            for text in texts:
                pod.submit(conversation_id, text, sender=sender)
            for outcome in await pod.outcomes(len(texts)):
                assert isinstance(outcome, Message), outcome
                messages.append(outcome)
        return messages

    async def log(self, conversation_id: str) -> list[tuple[int, str, str]]:
        """Returns (seq, sender, text) of the whole log, read past the rules."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                sa.select(message.c.seq, message.c.sender_id, message.c.body)
                .where(message.c.conversation_id == conversation_id)
                .order_by(message.c.seq)
            )
            return [(seq, sender, bytes(body).decode()) for seq, sender, body in rows]

    async def last_seq(self, conversation_id: str) -> int:
        async with self.read() as store:
            return await store.end_of(conversation_id)


class Pod:
    """A running committer and the outcomes that it gave, by the number of the submission."""

    numbers = itertools.count(1)

    def __init__(self, committer: Committer, entries: list[list[Entry]]) -> None:
        self.committer = committer
        self.batches = entries
        self._submitted: list[int] = []

    def submit(
        self,
        conversation_id: str,
        text: str,
        *,
        id: str = "",
        sender: str = "ann",
        detail: Detail | None = None,
    ) -> int:
        """Submits a message; returns what `outcome` knows it by."""
        number = next(self.numbers)
        send = Send(conversation_id, sender, id or f"m{number}", text.encode(), detail)
        self._submitted.append(number)
        self.committer.submit(send, number)
        return number

    async def send(self, conversation_id: str, text: str, **options: Any) -> Message | AppError:
        """Submits a message and waits for what becomes of it."""
        number = self.submit(conversation_id, text, **options)
        await until(lambda: number in self.entries())
        return self.entries()[number].outcome

    async def append(self, send: Send) -> Message:
        """Commits what a unary call sends."""
        return await self.committer.append(send)

    async def outcomes(self, count: int) -> list[Message | AppError]:
        """Waits until so many outcomes are there; returns them in the order of submission."""
        await until(lambda: len(self.entries()) >= count)
        entries = self.entries()
        return [entries[number].outcome for number in self._submitted if number in entries]

    def entries(self) -> dict[int, Entry]:
        return {entry.origin: entry for batch in self.batches for entry in batch}


@asynccontextmanager
async def committing(
    begin: Begin,
    *,
    size: int = 256,
    capacity: int = 20_000,
    hot: int = 20_000,
    now: Callable[[], int] = tick,
    crash: Callable[[str], None] = lambda _: None,
    acts: GroupChanges | None = None,
) -> AsyncIterator[Pod]:
    """Runs a committer."""
    batches: list[list[Entry]] = []

    def committed(entries: list[Entry]) -> None:
        batches.append(entries)
        for entry in entries:
            if isinstance(entry.origin, asyncio.Future) and not entry.origin.done():
                entry.origin.set_result(entry.outcome)

    committer = Committer(
        begin,
        now=now,
        on_commit=committed,
        changes=Changes(120, 86_400, (acts or GroupChanges(500, 5_000)).perform),
        size=size,
        capacity=capacity,
        hot=hot,
        crash=crash,
    )
    running = asyncio.create_task(committer.run())
    try:
        yield Pod(committer, batches)
        if running.done():
            running.result()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Waits for a condition; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def make_chat(world: World, prefix: str) -> Chat:
    """The rules; users exist unless their name begins with "nobody"."""
    numbers = itertools.count(1)

    async def meet(user_id: str, other_id: str) -> bool:
        if other_id.startswith("nobody"):
            raise NotFound("USER_NOT_FOUND", "no such user")
        return False

    return Chat(
        world.begin,
        world.read,
        meet,
        new_id=lambda: f"{prefix}{next(numbers)}",
        now=tick,
    )
