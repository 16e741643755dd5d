"""Reports: what users tell the moderators, with a copy of the message as it stood."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from prometheus_client import Counter

from services.chat import bodies
from services.chat.model import TEXTS, Message
from services.common.database import Duplicate, LostRace
from services.common.errors import AppError, Invalid, NotFound, Precondition, Unavailable

ATTEMPTS = 4
REPORTS = Counter("hongyan_chat_reports", "Reports, without those repeated.", ["category"])
CLOSED = Counter("hongyan_chat_reports_closed", "Reports that were closed.")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A message as it stood when it was reported."""

    conversation_id: str
    seq: int
    created_at: int
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a user told the moderators. Times are microseconds since 1970 UTC; 0: never."""

    id: str
    created_at: int
    reporter_id: str
    user_id: str
    category: int
    text: str
    evidence: Evidence | None = None
    closed_at: int = 0
    closed_by: str = ""
    note: str = ""


class ReportStore(Protocol):
    """The storage that reports need, inside one transaction."""

    async def readable(self, user_id: str, conversation_id: str, seq: int) -> Message | None: ...
    async def open_report(self, open_key: str) -> str | None: ...
    async def add_report(self, new: Report, open_key: str) -> None: ...
    async def report(self, id: str) -> Report | None: ...
    async def reports(self, before: str, limit: int, *, closed: bool) -> list[Report]: ...
    async def close_report(self, id: str, at: int, admin: str, note: str) -> None: ...


Begin = Callable[[], AbstractAsyncContextManager[ReportStore]]
Find = Callable[[Collection[str]], Awaitable[Mapping[str, Any]]]
"""Returns those of some users that have an account."""


class Reports:
    """The rules of reports. `category_name` gives the name of a category for the metrics."""

    def __init__(
        self,
        begin: Begin,
        read: Begin,
        *,
        find: Find,
        category_name: Callable[[int], str],
        new_id: Callable[[], str],
        now: Callable[[], int],
    ) -> None:
        self._begin = begin
        self._read = read
        self._find = find
        self._category_name = category_name
        self._new_id = new_id
        self._now = now

    async def report_user(self, reporter_id: str, user_id: str, category: int, text: str) -> str:
        """Reports a user; returns the report's id."""
        if user_id == reporter_id:
            problem = "must be another user's id"
            raise Invalid("INVALID_FIELD", problem, fields={"user_id": problem})
        if user_id not in await self._find([user_id]):
            raise NotFound("USER_NOT_FOUND", "no such user")
        new = Report(self._new_id(), self._now(), reporter_id, user_id, category, text)
        return await self._add(new, f"{reporter_id}:{user_id}")

    async def report_message(
        self, reporter_id: str, conversation_id: str, seq: int, category: int, text: str
    ) -> str:
        """Reports a message that the reporter can read; returns the report's id."""
        now = self._now()
        open_key = f"{reporter_id}:{conversation_id}:{seq}"
        async with self._read() as store:
            message = await store.readable(reporter_id, conversation_id, seq)
            # What was removed meanwhile is in the report that is open already.
            before = await store.open_report(open_key) if message else None
        if before:
            return before
        # One answer for what is not there, not a text, gone, and not for the caller.
        if message is None or message.kind not in TEXTS or 0 < message.expires_at <= now:
            raise NotFound("MESSAGE_NOT_FOUND", "there is no such message")
        said = bodies.text_of(message.kind, message.body)
        evidence = Evidence(conversation_id, seq, message.created_at, said)
        new = Report(self._new_id(), now, reporter_id, message.sender_id, category, text, evidence)
        return await self._add(new, open_key)

    async def _add(self, new: Report, open_key: str) -> str:
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    if before := await store.open_report(open_key):
                        return before
                    await store.add_report(new, open_key)
            except (Duplicate, LostRace):  # the same twice at once: both get the same id
                continue
            REPORTS.labels(self._category_name(new.category)).inc()
            return new.id
        raise busy()

    async def page(self, before: str, limit: int, *, closed: bool) -> tuple[list[Report], str]:
        """Returns a page of reports, the newest first, and the token of the next one."""
        async with self._read() as store:
            found = await store.reports(before, limit + 1, closed=closed)
        return found[:limit], found[limit - 1].id if len(found) > limit else ""

    async def close(self, id: str, admin: str, note: str) -> Report:
        """Closes a report that is open."""
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    found = await store.report(id)
                    if found is None:
                        raise NotFound("REPORT_NOT_FOUND", "there is no such report")
                    if found.closed_at:
                        raise Precondition("REPORT_CLOSED", "the report is closed already")
                    now = self._now()
                    await store.close_report(id, now, admin, note)
            except LostRace:
                continue
            CLOSED.inc()
            return replace(found, closed_at=now, closed_by=admin, note=note)
        raise busy()


def busy() -> AppError:
    """The answer when others were quicker again and again."""
    return Unavailable("DATABASE_BUSY", "the reports are too busy", retry_seconds=0.5)
