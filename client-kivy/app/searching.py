"""Finding people, groups and messages: what this device has at once, then what the server has."""

import asyncio
from dataclasses import dataclass
from typing import Any

from kivy.clock import Clock
from kivy.event import EventDispatcher
from kivy.properties import BooleanProperty, StringProperty

from app import book, finding
from app.session import Session
from hongyan_client.errors import DeadlineExceeded, HongyanError, ServerError, Unavailable
from hongyan_client.model import Conversation, Message

WAIT_SECONDS = 0.12
"""How long the writing must rest before there is a search."""
PAGE = 30
LONGEST = 100
"""How many characters the server looks for."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose name is meant: a friend, or whom one talks with."""

    user_id: str
    name: str
    note: str = ""


class Searching(EventDispatcher):
    """One search: it starts anew when `query` changes. `conversation_id` keeps it in one chat."""

    __events__ = ("on_changed",)

    query = StringProperty("")
    conversation_id = StringProperty("")
    busy = BooleanProperty(False)
    """Whether the server is being asked."""
    away = BooleanProperty(False)
    """Whether it could not be asked: then all there is is what this device has."""
    indexing = BooleanProperty(False)
    """Whether the server will find more later."""
    more = BooleanProperty(False)
    """Whether there is a further page of messages."""

    def __init__(self, session: Session, **options: Any) -> None:
        super().__init__(**options)
        self._session = session
        self._task: asyncio.Task[Any] | None = None
        self._token = ""
        self.people: list[Person] = []
        self.groups: list[Conversation] = []
        self.messages: list[Message] = []
        self._soon = Clock.create_trigger(self._start, WAIT_SECONDS)
        self.bind(query=self._changed)

    def on_changed(self) -> None:
        """There is something else to show."""

    @property
    def words(self) -> str:
        """What is looked for."""
        return " ".join(self.query.split())[:LONGEST]

    @property
    def found(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.people or self.groups or self.messages)

    def _changed(self, *_: Any) -> None:
        self.busy = bool(self.words)
        self._soon.cancel()
        self._soon() if self.words else self._start()

    def _start(self, *_: Any) -> None:
        self.stop()
        if self.words:
            self.busy = True
            self._task = self._session.spawn(self._run(self.words))
        self.dispatch("on_changed")

    def stop(self) -> None:
        """Gives the search up and forgets what was found."""
        self._soon.cancel()
        if self._task:
            self._task.cancel()
        self._task, self._token = None, ""
        self.busy = self.away = self.indexing = self.more = False
        self.people, self.groups, self.messages = [], [], []

    async def _run(self, words: str) -> None:
        client, id = self._session.client, self.conversation_id
        try:
            if not id:
                self.people, self.groups = await self._names(words)
            local = await asyncio.to_thread(client.search_local, words, id, PAGE)
            self.messages = [it for it in local if not it.removed]
            self.dispatch("on_changed")
            await self._ask(words)
        finally:
            if self.words == words:
                self.busy = False
                self.dispatch("on_changed")

    async def _names(self, words: str) -> tuple[list[Person], list[Conversation]]:
        session = self._session
        try:
            friends = await book.friends(session)
        except HongyanError:
            friends = []
        people = {
            it.user_id: Person(it.user_id, it.name, it.user.signature if it.user else "")
            for it in friends
            if it.is_found_by(words)
        }
        groups = []
        for it in session.client.known_conversations():
            title = session.title(it)
            if it.settings.removed or not finding.means(words, title):
                continue
            if it.group:
                groups.append(it)
            elif (peer_id := it.peer_id(session.user_id)) not in people and it.last_message:
                people[peer_id] = Person(peer_id, title)
        return list(people.values()), groups

    async def _ask(self, words: str) -> None:
        """Asks the server for the next page, and puts it among what is here."""
        try:
            found = await self._session.client.search(
                words, self.conversation_id, self._token, PAGE
            )
        except (Unavailable, DeadlineExceeded):
            self.away = True
            return
        except ServerError as error:
            if error.reason == "INVALID_FIELD":
                return  # such as words that are none: nothing is found
            raise
        if words != self.words:
            return
        known = {(it.conversation_id, it.seq) for it in self.messages}
        fresh = [it for it in found.messages if (it.conversation_id, it.seq) not in known]
        self.messages = sorted(
            [*self.messages, *fresh], key=lambda it: (it.created_at, it.seq), reverse=True
        )
        self._token, self.more = found.next_page_token, bool(found.next_page_token)
        self.away, self.indexing = False, found.indexing

    def fetch_more(self) -> None:
        """Fetches a further page of messages."""
        if self.more and not self.busy:
            self.busy = True
            self._session.spawn(self._fetch_more(self.words))
            self.dispatch("on_changed")

    async def _fetch_more(self, words: str) -> None:
        try:
            await self._ask(words)
        finally:
            if self.words == words:
                self.busy = False
                self.dispatch("on_changed")


def snippet(text: str, words: str, before: int = 10) -> str:
    """Returns a text on one line, cut so that the first word that is looked for is near its
    beginning."""
    line = " ".join(text.split())
    places = [line.casefold().find(it) for it in words.casefold().split()]
    first = min((it for it in places if it >= 0), default=0)
    return line if first <= before + 4 else "…" + line[first - before :]
