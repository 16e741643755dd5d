"""Announcements: every user is told something once, in a job that outlives the pod that runs it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from prometheus_client import Counter

from services.chat.committer import Send
from services.chat.model import Message
from services.chat.policies import Policy
from services.common.database import Duplicate, LostRace
from services.common.errors import AlreadyExists, AppError, Denied, NotFound, Precondition

USERS_AT_ONCE = 200
# What people send must not wait for it.
IN_FLIGHT = 16
# A pod that does not go on for so long is taken for dead; doing a page twice changes nothing.
LEASE = 10_000_000
LOOK_SECONDS = 1.0

ANNOUNCED = Counter(
    "hongyan_chat_announced", "Users reached by announcements, by outcome.", ["outcome"]
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Announcement:
    """What every user is told, and how far that is. Times are microseconds; 0: never."""

    id: str
    client_id: str
    sender_id: str
    text: str
    admin: str
    created_at: int
    total: int = 0
    told: int = 0
    refused: int = 0
    after_user_id: str = ""
    lease_until: int = 0
    finished_at: int = 0


class AnnouncementStore(Protocol):
    """The storage that announcements need, inside one transaction."""

    async def announced(self, client_id: str) -> Announcement | None: ...
    async def add_announcement(self, new: Announcement) -> None: ...
    async def announcements(self, before: str, limit: int) -> list[Announcement]: ...
    async def due_announcement(self, now: int) -> Announcement | None: ...
    async def claim_announcement(self, known: Announcement, until: int) -> bool: ...
    async def advance_announcement(self, known: Announcement, now: Announcement) -> bool: ...


Begin = Callable[[], AbstractAsyncContextManager[AnnouncementStore]]
ListUsers = Callable[[str, int, int], Awaitable[tuple[Sequence[str], int]]]
"""(after_user_id, limit, created_until) → a page of users, and how many there are."""


class Announcements:
    """The rules of announcements.

    `open_direct` returns the direct conversation of two users; `append` commits a message or
    raises. A user who has it already gets it no second time: its client_message_id is the
    announcement's.
    """

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        *,
        find: Callable[[Collection[str]], Awaitable[Mapping[str, Policy]]],
        list_users: ListUsers,
        open_direct: Callable[[str, str], Awaitable[str]],
        append: Callable[[Send], Awaitable[Message]],
        new_id: Callable[[], str],
        now: Callable[[], int],
    ) -> None:
        self._begin = begin
        self._read = read
        self._find = find
        self._list_users = list_users
        self._open_direct = open_direct
        self._append = append
        self._new_id = new_id
        self._now = now
        self._wake = asyncio.Event()
        self._turn = asyncio.Semaphore(IN_FLIGHT)

    async def begin(self, client_id: str, sender_id: str, text: str, admin: str) -> Announcement:
        """Begins an announcement; the same call again returns the same one."""
        sender = (await self._find([sender_id])).get(sender_id)
        if sender is None:
            raise NotFound("USER_NOT_FOUND", "there is no such sender")
        if not sender.is_bot:
            raise Precondition("SENDER_NOT_A_BOT", "announcements come from a bot")
        new = Announcement(self._new_id(), client_id, sender_id, text, admin, self._now())
        try:
            async with self._begin() as store:
                if before := await store.announced(client_id):
                    return _same(before, new)
                await store.add_announcement(new)
        except Duplicate:
            async with self._read() as store:
                before = await store.announced(client_id)
            assert before is not None
            return _same(before, new)
        self._wake.set()
        return new

    async def page(self, before: str, limit: int) -> tuple[list[Announcement], str]:
        """Returns a page of announcements, the newest first, and the token of the next one."""
        async with self._read() as store:
            found = await store.announcements(before, limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else ""

    async def run(self) -> None:
        """Goes on with what is not finished, for ever."""
        while True:
            try:
                while await self.step():
                    pass
            except AppError as error:
                log.warning("announcement.waits", reason=error.reason)
            except Exception as error:  # the rest of chat goes on
                log.error("announcement.waits", exc_info=error)
            self._wake.clear()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def step(self) -> bool:
        """Takes up an announcement and tells it to the end; says whether there was one."""
        now = self._now()
        async with self._read() as store:
            found = await store.due_announcement(now)
        if found is None:
            return False
        try:
            async with self._begin() as store:
                if not await store.claim_announcement(found, now + LEASE):
                    return True
        except LostRace:
            return True
        current: Announcement | None = found
        while current and not current.finished_at:
            current = await self._tell_page(current)
        return True

    async def _tell_page(self, known: Announcement) -> Announcement | None:
        """Tells the next users; returns how far it is, or None when another pod goes on."""
        users, total = await self._list_users(known.after_user_id, USERS_AT_ONCE, known.created_at)
        others = [user_id for user_id in users if user_id != known.sender_id]
        outcomes = await asyncio.gather(
            *(self._tell(known, user_id) for user_id in others), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        told = sum(outcome is True for outcome in outcomes)
        now = self._now()
        after = replace(
            known,
            # Its sender is not one of those whom it is for.
            total=(known.total or total) - (len(users) - len(others)),
            told=known.told + told,
            refused=known.refused + len(others) - told,
            after_user_id=users[-1] if users else known.after_user_id,
            lease_until=now + LEASE,
            finished_at=now if len(users) < USERS_AT_ONCE else 0,
        )
        async with self._begin() as store:
            if not await store.advance_announcement(known, after):
                return None
        ANNOUNCED.labels("told").inc(told)
        ANNOUNCED.labels("refused").inc(len(others) - told)
        return after

    async def _tell(self, announcement: Announcement, user_id: str) -> bool:
        """Tells one user; returns False when the user takes no message of the sender."""
        sender_id, text = announcement.sender_id, announcement.text.encode()
        async with self._turn:
            conversation_id = await self._open_direct(sender_id, user_id)
            try:
                await self._append(
                    Send(conversation_id, sender_id, f"announce-{announcement.id}", text)
                )
            except Denied:
                return False
        return True


def _same(before: Announcement, new: Announcement) -> Announcement:
    if (before.sender_id, before.text) != (new.sender_id, new.text):
        raise AlreadyExists(
            "CLIENT_ANNOUNCEMENT_ID_REUSED", "this id stands for another announcement"
        )
    return before
