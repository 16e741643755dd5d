"""Finding messages by their words, and making them ready to be found when somebody searches."""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import Counter, Histogram

from services.chat.grams import Query, grams
from services.chat.grams import query as read_query
from services.chat.model import Message
from services.chat.rules import not_a_member
from services.common.database import Duplicate, LostRace
from services.common.errors import Invalid

PAGE = 20
# One search makes at most so many messages ready, or as many as this time allows.
INDEX_MESSAGES = 5_000
INDEX_SECONDS = 1.0
# One transaction at most so many, and about so much text: others want to write too.
BATCH_MESSAGES = 250
BATCH_CHARACTERS = 64 * 1024
# So often a page looks for more when what it found turned out not to match.
ROUNDS = 5

SEARCHES = Counter("hongyan_chat_searches", "Searches.")
SECONDS = Histogram("hongyan_chat_search_seconds", "How long a search takes, indexing included.")
INDEXED = Counter("hongyan_chat_search_indexed", "Messages that were made ready to be found.")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a log: its text, or the seq of the message that it changes, else 0."""

    seq: int
    text: str | None
    changes: int


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a log that is indexed, both ends included."""

    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Found:
    """A place in the order of results: the newest first."""

    created_at: int
    conversation_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Page:
    """What was found, where to go on, and whether there is more to be made ready."""

    messages: tuple[Message, ...]
    following: Found | None
    indexing: bool


class Index(Protocol):
    """The storage that search needs, inside one transaction."""

    async def is_member(self, user_id: str, conversation_id: str) -> bool: ...
    async def behind(self, user_id: str, conversation_id: str) -> list[str]: ...
    async def lock(self, conversation_id: str) -> tuple[Span, int]: ...
    async def move(self, conversation_id: str, span: Span) -> None: ...
    async def above(self, conversation_id: str, seq: int, limit: int) -> list[Entry]: ...
    async def below(self, conversation_id: str, seq: int, limit: int) -> list[Entry]: ...
    async def at(self, conversation_id: str, seqs: Collection[int]) -> list[Entry]: ...
    async def add(self, conversation_id: str, documents: Mapping[int, Collection[str]]) -> None: ...
    async def remove(self, conversation_id: str, seqs: Collection[int]) -> None: ...
    async def find(
        self,
        user_id: str,
        conversation_id: str,
        query: Query,
        *,
        now: int,
        after: Found | None,
        limit: int,
    ) -> list[Found]: ...
    async def messages(self, places: Sequence[Found]) -> list[tuple[Message, str | None]]: ...


Begin = Callable[[], AbstractAsyncContextManager[Index]]


class Search:
    """The rules of search. `now` is in microseconds since 1970 UTC, `clock` in seconds."""

    def __init__(
        self, begin: Begin, read: Begin, now: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        self._begin = begin
        self._read = read
        self._now = now
        self._clock = clock

    async def search(
        self, user_id: str, text: str, conversation_id: str, after: Found | None, limit: int
    ) -> Page:
        """Returns a page of the messages of a user that have all words of a text."""
        query = read_query(text)
        if not query.terms:
            raise Invalid(
                "INVALID_FIELD",
                "query has no word to look for",
                fields={"query": "must have a word or a character to look for"},
            )
        SEARCHES.inc()
        with SECONDS.time():
            async with self._read() as index:
                if conversation_id and not await index.is_member(user_id, conversation_id):
                    raise not_a_member()
                behind = await index.behind(user_id, conversation_id)
            indexing = await self._catch_up(behind)
            messages, following = await self._page(user_id, query, conversation_id, after, limit)
        return Page(messages, following, indexing)

    # Indexing

    async def _catch_up(self, behind: Sequence[str]) -> bool:
        """Indexes conversations, within bounds; says whether something is left.

        They take turns: the newest of each is ready before the oldest of one.
        """
        waiting = deque(behind)
        end = self._clock() + INDEX_SECONDS
        left = INDEX_MESSAGES
        while waiting and left > 0 and self._clock() < end:
            id = waiting.popleft()
            try:
                count, whole = await self._index(id, min(left, BATCH_MESSAGES))
            except (Duplicate, LostRace):  # another one indexes it now
                count, whole = BATCH_MESSAGES, False
            left -= count
            if not whole:
                waiting.append(id)
        return bool(waiting)

    async def _index(self, conversation_id: str, limit: int) -> tuple[int, bool]:
        """Indexes some entries: first what is new, then backwards from the newest.

        Returns how many, and whether the conversation is indexed to both ends.
        """
        async with self._begin() as index:
            span, newest = await index.lock(conversation_id)
            if span.last_seq < newest:
                entries = _batch(await index.above(conversation_id, span.last_seq, limit))
                # What is not indexed yet will be read as it stands then.
                changed = {
                    entry.changes
                    for entry in entries
                    if span.first_seq <= entry.changes <= span.last_seq
                }
                await index.remove(conversation_id, changed)
                again = await index.at(conversation_id, changed) if changed else []
                span = Span(span.first_seq, entries[-1].seq)
            else:
                again = []
                entries = _batch(await index.below(conversation_id, span.first_seq, limit))
                span = Span(entries[-1].seq if entries else 1, span.last_seq)
            await index.add(conversation_id, _documents([*entries, *again]))
            await index.move(conversation_id, span)
        INDEXED.inc(len(entries))
        return len(entries), span == Span(1, newest)

    # Searching

    async def _page(
        self, user_id: str, query: Query, conversation_id: str, after: Found | None, limit: int
    ) -> tuple[tuple[Message, ...], Found | None]:
        page: list[Message] = []
        last = after
        async with self._read() as index:
            for _ in range(ROUNDS):
                places = await index.find(
                    user_id,
                    conversation_id,
                    query,
                    now=self._now(),
                    after=last,
                    limit=limit + 1,
                )
                for place, (message, text) in zip(
                    places, await index.messages(places), strict=True
                ):
                    # Grams say only where to look: what stands there decides.
                    if text is not None and query.matches(text):
                        if len(page) == limit:
                            return tuple(page), last
                        page.append(message)
                    last = place
                if len(places) <= limit:
                    return tuple(page), None
        return tuple(page), last


def _batch(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Returns the first entries, about as many as one transaction indexes, at least one."""
    total = 0
    for count, entry in enumerate(entries, 1):
        total += len(entry.text or "")
        if total > BATCH_CHARACTERS:
            return entries[:count]
    return entries


def _documents(entries: Sequence[Entry]) -> dict[int, Collection[str]]:
    """Returns by what each message with words is found."""
    found = {entry.seq: grams(entry.text) for entry in entries if entry.text}
    return {seq: grams for seq, grams in found.items() if grams}
