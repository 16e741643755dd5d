"""Keeps the cache whole: appends what joins on, holds what does not, and pulls what is missing.

Pushes, acks and differences come in through `apply_*`, inside one transaction of a frame;
what they changed is collected as events and told after the commit. A gap is given 300 ms to
close by itself, then its conversation is pulled from the log.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from hongyan.chat.v1 import contact_pb2, conversation_pb2
from hongyan.gate.v1 import gate_pb2

from hongyan_client.cache import Cache
from hongyan_client.cache_outbox import RECEIVED
from hongyan_client.convert import to_conversation, to_message, to_settings
from hongyan_client.errors import (
    DeadlineExceeded,
    HongyanError,
    NotLoggedIn,
    ServerError,
    Unavailable,
)
from hongyan_client.model import (
    HIDDEN,
    HIDEABLE,
    SHOWN,
    CacheReset,
    ContactChanged,
    ContactRequestChanged,
    Conversation,
    ConversationChanged,
    Event,
    HistoryReset,
    Message,
    MessageAdded,
    MessageChanged,
    MessageKind,
    MessageState,
    MessageStateChanged,
    ReadMoved,
    ReceivedMoved,
    Settings,
    from_micros,
    to_micros,
)

GAP_SECONDS = 0.3
PAGE = 200
CONCURRENT_PULLS = 4
# What is held beyond this is dropped and pulled instead: the log is the truth.
HELD_PER_CONVERSATION = 500
LONGEST_RETRY_SECONDS = 20.0
# Under what the cache keeps up to where the account's changes are here, and since when cursors.
USER_VERSION, SYNCED_AT = "user_version", "synced_at"
# And whether it has all contacts.
PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a conversation's log, and the log's end."""

    messages: list[Message]
    last_seq: int
    first_seq: int = 1


ListAfter = Callable[[str, int, int], Awaitable[Page]]
"""(conversation_id, after_seq, limit) → the page, oldest first."""


GetConversation = Callable[[str], Awaitable[Conversation]]
ListPeople = Callable[
    [], Awaitable[tuple[list[contact_pb2.Contact], list[contact_pb2.ContactRequest]]]
]


async def _nobody() -> tuple[list[contact_pb2.Contact], list[contact_pb2.ContactRequest]]:
    return [], []


Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None] | None"]


@dataclass(slots=True)
class _Gap:
    """A conversation whose window ends before what is known to exist."""

    wanted_seq: int
    held: dict[int, Message] = field(default_factory=dict)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    urgent: bool = False
    task: asyncio.Task[None] | None = None


class Sync:
    """The rules by which messages reach the cache. `spawn` starts a task that its owner ends."""

    def __init__(
        self,
        cache: Cache,
        list_after: ListAfter,
        publish: Callable[[Event], None],
        spawn: Spawn,
        *,
        now_micros: Callable[[], int],
        settled: Callable[[str], None] = lambda client_message_id: None,
        need_sync: Callable[[], None] = lambda: None,
        get_conversation: GetConversation | None = None,
        list_people: ListPeople = _nobody,
        received: Callable[[], None] = lambda: None,
        gap_seconds: float = GAP_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._cache = cache
        self._list_after = list_after
        self._publish = publish
        self._spawn = spawn
        self._now_micros = now_micros
        self._settled = settled
        self._need_sync = need_sync
        self._received = received
        # Up to where messages were told here: another process of the profile appends too.
        self._told: dict[str, int] = {}
        self.focus = ""
        """The conversation that is shown."""
        self.expiring = asyncio.Event()
        """Set when something came that will disappear."""
        self._get_conversation = get_conversation
        self._describing: set[str] = set()
        self._list_people = list_people
        # Of whom a change came while all were fetched.
        self._people: set[str] = set()
        self._gap_seconds = gap_seconds
        self._jitter = jitter
        self._gaps: dict[str, _Gap] = {}
        self._pulling = asyncio.Semaphore(CONCURRENT_PULLS)
        self.whole = asyncio.Event()
        """Set while no conversation has a gap."""
        self.whole.set()

    def hello(self) -> list[tuple[str, int]]:
        """Returns the heads to name in Hello and Sync, the latest active first."""
        heads = self._cache.heads()
        for conversation_id, seq in heads:
            self._told.setdefault(conversation_id, seq)
        return heads

    def known(self) -> tuple[int, int]:
        """Returns the version of the account's changes, and the time of the last difference."""
        return self._cache.state(USER_VERSION), self._cache.state(SYNCED_AT)

    def apply_message(self, message: Message, *, live: bool = True) -> None:
        """Takes a push: appends it, ignores what is known, holds what is beyond the head."""
        window = self._cache.window(message.conversation_id)
        if window is None:
            if message.seq == 1:
                self._cache.restart(message.conversation_id, [])
                self._append(message.conversation_id, [message], live)
            else:
                self._hold(message)
            if not self._cache.is_described(message.conversation_id):
                # Its members are not known, and maybe what was said before: the server tells.
                self._describe(message.conversation_id)
        elif message.seq <= window.head_seq:
            self._settle(message)
            self._tell_up_to(message.conversation_id, window.head_seq, live)
        elif message.seq == window.head_seq + 1:
            self._append(message.conversation_id, [message], live)
        else:
            self._hold(message)

    def _describe(self, conversation_id: str) -> None:
        """Sees to it that a conversation is known that only a message has named so far."""
        if conversation_id in self._describing:
            return
        if self._get_conversation is None:
            self._need_sync()
            return
        self._describing.add(conversation_id)
        self._spawn(self._fetch_conversation(conversation_id, self._get_conversation))

    async def _fetch_conversation(self, conversation_id: str, get: GetConversation) -> None:
        try:
            conversation = await get(conversation_id)
        except (NotLoggedIn, ServerError):
            self._need_sync()
            return
        finally:
            self._describing.discard(conversation_id)
        with self._cache.transaction():
            self._cache.put_conversation(conversation, self._now_micros())
            self._drain(conversation_id)
            self.tell_conversation(conversation_id)

    def apply_stored(self, message: Message) -> None:
        """Takes an own message that a unary call has stored."""
        with self._cache.transaction():
            self.apply_message(message)

    def apply_ack(self, ack: gate_pb2.SendAck) -> None:
        """Takes the ack of an own message: it is a message of the log whose text is here."""
        waiting = self._cache.in_outbox(ack.client_message_id)
        if waiting is None:
            self._settled(ack.client_message_id)
            return
        stored = replace(
            waiting,
            seq=ack.seq,
            created_at=from_micros(ack.created_at_micros),
            state=MessageState.STORED,
            failure="",
            request=b"",
        )
        known = self._cache.conversation(ack.conversation_id)
        if known and known.disappear_seconds and stored.kind is MessageKind.TEXT:
            lasts = timedelta(seconds=known.disappear_seconds)
            stored = replace(stored, expires_at=stored.created_at + lasts)
        self.apply_message(stored)

    def apply_difference(self, difference: gate_pb2.ConversationDifference) -> None:
        """Takes what the device lacked of one conversation."""
        conversation = to_conversation(difference.conversation)
        conversation_id = conversation.conversation_id
        messages = [to_message(it) for it in difference.messages]
        self._cache.put_conversation(conversation, self._now_micros())
        window = self._cache.window(conversation_id)
        joined = window is not None and (
            difference.joined or (bool(messages) and messages[0].seq <= window.head_seq + 1)
        )
        if joined:
            self._take_run(conversation_id, messages)
        elif messages:
            self._restart(conversation_id, messages)
        elif conversation.last_seq <= conversation.settings.cleared_seq and window is None:
            self._cache.restart(conversation_id, [], first_seq=conversation.last_seq + 1)
        self._drain(conversation_id)
        window = self._cache.window(conversation_id)
        if window is not None and window.head_seq < conversation.last_seq:
            self._want(conversation_id, conversation.last_seq, urgent=True)
        self.tell_conversation(conversation_id)

    def apply_reset(self) -> None:
        """Forgets all that the server has: the device was away for too long."""
        self._cache.forget()
        self._told.clear()
        for conversation_id, gap in list(self._gaps.items()):
            self._give_up(conversation_id, gap)
        self._publish(CacheReset())

    def apply_user_change(self, change: conversation_pb2.UserChange) -> None:
        """Takes a change of the account; asks for what lies between when one is missing."""
        version = self._cache.state(USER_VERSION)
        if change.version <= version:
            return
        if change.version != version + 1:
            self._need_sync()
            return
        self._cache.set_state(USER_VERSION, change.version)
        match change.WhichOneof("change"):
            case "settings":
                settings = to_settings(change.settings.settings)
                self.apply_settings(change.settings.conversation_id, settings)
            case "hidden":
                self.apply_hidden(change.hidden.conversation_id, change.hidden.seqs)
            case "waiting":
                waiting = change.waiting
                self._cache.put_waiting(waiting.conversation_id, waiting.waiting_count)
                self.tell_conversation(waiting.conversation_id)
            case "contact":
                self._people.add(change.contact.user_id)
                self._publish(ContactChanged(self._cache.put_contact(change.contact)))
            case "contact_request":
                self._people.add(change.contact_request.user_id)
                request = self._cache.put_contact_request(change.contact_request)
                self._publish(ContactRequestChanged(request))

    def apply_settings(self, conversation_id: str, settings: Settings) -> None:
        """Takes what a conversation is to the account now."""
        if self._cache.put_settings(conversation_id, settings):
            self._told[conversation_id] = max(
                settings.cleared_seq, self._told.get(conversation_id, 0)
            )
            self._publish(HistoryReset(conversation_id, settings.cleared_seq + 1))
            self._drain(conversation_id)
        self.tell_conversation(conversation_id)

    def apply_hidden(self, conversation_id: str, seqs: Iterable[int]) -> None:
        """Takes away what the account has hidden."""
        for seq in seqs:
            message = self._cache.message(conversation_id, seq)
            if message is None:
                self._cache.hide_ahead(conversation_id, seq)
            elif message.kind in HIDEABLE and message.removed != HIDDEN:
                self._publish(MessageChanged(self._cache.take_away(message, HIDDEN)))
        self.tell_conversation(conversation_id)

    def apply_caught_up(self, caught_up: gate_pb2.CaughtUp) -> None:
        """Notes up to where the account's changes are here."""
        if caught_up.user_version > self._cache.state(USER_VERSION):
            self._cache.set_state(USER_VERSION, caught_up.user_version)
        self._cache.set_state(SYNCED_AT, caught_up.synced_at_micros)
        if not self._cache.state(PEOPLE):
            self._spawn(self.fetch_people())

    async def fetch_people(self) -> None:
        """Brings all contacts and requests in; what changes meanwhile is newer than they.

        What the server has no more goes: without a stream nobody said so.
        """
        self._people.clear()
        try:
            contacts, requests = await self._list_people()
        except (NotLoggedIn, ServerError):
            return  # with the next difference again
        with self._cache.transaction():
            for contact in contacts:
                if contact.user_id not in self._people:
                    self._publish(ContactChanged(self._cache.put_contact(contact)))
            for request in requests:
                if request.user_id not in self._people:
                    self._publish(ContactRequestChanged(self._cache.put_contact_request(request)))
            for gone in self._cache.keep_people(
                self._people.union(it.user_id for it in contacts),
                self._people.union(it.user_id for it in requests),
            ):
                self._publish(ContactChanged(gone))
            self._cache.set_state(PEOPLE, 1)

    def apply_head_moved(self, head: gate_pb2.HeadMoved) -> None:
        """Takes the end of a large group's log: fetched at once only while it is shown."""
        if head.conversation_id == self.focus:
            window = self._cache.window(head.conversation_id)
            if window is not None and window.head_seq < head.last_seq:
                self._want(head.conversation_id, head.last_seq, urgent=True)
        if self._cache.grow(head.conversation_id, head.last_seq):
            self.tell_conversation(head.conversation_id)

    def apply_received_moved(self, moved: gate_pb2.ReceivedMoved) -> None:
        """Takes a cursor; one that does not move forward changes nothing."""
        if self._cache.move_received(moved.conversation_id, moved.user_id, moved.received_seq):
            self._publish(ReceivedMoved(moved.conversation_id, moved.user_id, moved.received_seq))

    def apply_read_moved(self, moved: gate_pb2.ReadMoved) -> None:
        """Takes a cursor; one that does not move forward changes nothing."""
        self.move_read(moved.conversation_id, moved.user_id, moved.read_seq)

    def move_read(self, conversation_id: str, user_id: str, read_seq: int) -> None:
        """Moves a cursor in the cache and tells of it."""
        if self._cache.move_read(conversation_id, user_id, read_seq):
            self._publish(ReadMoved(conversation_id, user_id, read_seq))
            self.tell_conversation(conversation_id)

    async def pull(self, conversation_id: str, *, at_most: int = 1_000) -> None:
        """Brings a conversation to the log's end; begins its window anew when far behind."""
        window = self._cache.window(conversation_id)
        if window is None:
            await self.pull_newest(conversation_id)
            return
        page = await self._list_after(conversation_id, window.head_seq, PAGE)
        if page.last_seq - window.head_seq > at_most:
            await self.pull_newest(conversation_id)
            return
        while self._take_page(conversation_id, page):
            window = self._cache.window(conversation_id)
            assert window is not None
            page = await self._list_after(conversation_id, window.head_seq, PAGE)

    async def pull_newest(self, conversation_id: str) -> None:
        """Begins the window anew with the log's newest page."""
        page = await self._list_after(conversation_id, -1, PAGE)
        with self._cache.transaction():
            window = self._cache.window(conversation_id)
            if window is not None and page.messages and page.messages[0].seq <= window.head_seq + 1:
                self._take_run(conversation_id, page.messages)
            elif page.messages:
                self._restart(conversation_id, page.messages)
            elif window is None and not page.messages:
                self._cache.restart(conversation_id, [])
            self._drain(conversation_id)
            self.tell_conversation(conversation_id)

    def _restart(self, conversation_id: str, messages: list[Message]) -> None:
        had_some = self._cache.window(conversation_id) is not None
        self._cache.restart(conversation_id, [], first_seq=messages[0].seq)
        self._told[conversation_id] = messages[0].seq - 1
        if had_some:
            self._publish(HistoryReset(conversation_id, messages[0].seq))
        self._append(conversation_id, messages, live=False)

    def _take_run(self, conversation_id: str, messages: list[Message]) -> None:
        """Takes a run without holes that begins at the head or before it."""
        window = self._cache.window(conversation_id)
        assert window is not None
        for message in messages:
            if message.seq <= window.head_seq:
                self._settle(message)
        new = [it for it in messages if it.seq > window.head_seq]
        if new and new[0].seq == window.head_seq + 1:
            self._append(conversation_id, new, live=False)
        else:
            for message in new:
                self._hold(message)

    def _append(self, conversation_id: str, messages: list[Message], live: bool) -> None:
        """Appends a run, and whatever was held behind it; tells of each message once."""
        # Asked before: the append takes them out of the outbox.
        own = [it for it in messages if self._is_waiting(it)]
        self._take(conversation_id, messages, live)
        for message in own:
            self._publish(MessageStateChanged(message))
            self._settled(message.client_message_id)
        if live:
            self.tell_conversation(conversation_id)
        self._drain(conversation_id)

    def _take(self, conversation_id: str, messages: list[Message], live: bool) -> None:
        """Puts a run at the window's end, and tells what it adds and what it changes."""
        messages = self._cache.as_seen(conversation_id, messages)
        self._cache.append(conversation_id, messages)
        if any(it.sender_id == self._cache.user_id for it in messages):
            self._cache.end_request(conversation_id)
        self._tell(conversation_id, messages, live)
        if any(it.sender_id != self._cache.user_id for it in messages):
            self._cache.put_unsent_cursor(conversation_id, RECEIVED, messages[-1].seq)
            self._received()

    def _tell(self, conversation_id: str, messages: list[Message], live: bool) -> None:
        for message in messages:
            if message.kind in SHOWN:
                self._publish(MessageAdded(message, live))
            if message.event is not None:
                self._cache.apply_event(message)
            elif message.kind is not MessageKind.TEXT:
                changed = self._cache.apply_entry(message)
                if changed is not None:
                    self._publish(MessageChanged(changed))
            if message.expires_at:
                self.expiring.set()
        self._told[conversation_id] = messages[-1].seq

    def _tell_up_to(self, conversation_id: str, seq: int, live: bool) -> None:
        """Tells of what another process of the profile has appended."""
        told = self._told.get(conversation_id, seq)
        if told < seq:
            self._tell(conversation_id, self._cache.between(conversation_id, told, seq), live)
            self.tell_conversation(conversation_id)

    def _is_waiting(self, message: Message) -> bool:
        """Returns whether this is the outbox's own message, and not known to be stored."""
        if message.sender_id != self._cache.user_id:
            return False
        waiting = self._cache.in_outbox(message.client_message_id)
        return waiting is not None and waiting.state is not MessageState.STORED

    def _settle(self, message: Message) -> None:
        """Settles the outbox's copy of a message that lies at or below the head."""
        if self._is_waiting(message):
            self._cache.discard(message.client_message_id)
            self._publish(MessageStateChanged(message))
            self._settled(message.client_message_id)

    def _hold(self, message: Message) -> None:
        """Keeps a message that is beyond the head until the gap before it is closed."""
        gap = self._want(message.conversation_id, message.seq)
        if message.seq in gap.held:
            return
        if self._is_waiting(message):
            # It is stored, but has no place here yet: the outbox keeps it in sight so long.
            self._cache.set_stored(
                message.client_message_id, message.seq, to_micros(message.created_at)
            )
            self._publish(MessageStateChanged(message))
            self._settled(message.client_message_id)
        if len(gap.held) < HELD_PER_CONVERSATION:
            gap.held[message.seq] = message

    def _want(self, conversation_id: str, seq: int, *, urgent: bool = False) -> _Gap:
        """Notes that a conversation goes on to `seq`, and sees to it that it is fetched."""
        gap = self._gaps.get(conversation_id)
        if gap is None:
            gap = self._gaps[conversation_id] = _Gap(seq)
            self.whole.clear()
        gap.wanted_seq = max(gap.wanted_seq, seq)
        gap.urgent = gap.urgent or urgent
        if gap.task is None:
            gap.task = self._spawn(self._repair(conversation_id, gap))
        return gap

    def _drain(self, conversation_id: str) -> None:
        """Appends what is held and joins on now; closes the gap when nothing is missing."""
        gap = self._gaps.get(conversation_id)
        window = self._cache.window(conversation_id)
        if gap is None or window is None:
            return
        head = window.head_seq
        for seq in [it for it in gap.held if it <= head]:
            del gap.held[seq]
        run: list[Message] = []
        while (message := gap.held.pop(head + 1, None)) is not None:
            run.append(message)
            head += 1
        if run:
            self._take(conversation_id, run, live=True)
            self.tell_conversation(conversation_id)
        if head >= gap.wanted_seq:
            gap.closed.set()
            del self._gaps[conversation_id]
            if not self._gaps:
                self.whole.set()

    def _take_page(self, conversation_id: str, page: Page) -> bool:
        """Appends what a page has beyond the head; returns whether there is more to fetch."""
        with self._cache.transaction():
            window = self._cache.window(conversation_id)
            if window is None:
                return False
            new = [it for it in page.messages if it.seq > window.head_seq]
            if new and new[0].seq == window.head_seq + 1:
                self._append(conversation_id, new, live=False)
                self.tell_conversation(conversation_id)
            head = new[-1].seq if new else window.head_seq
        return bool(new) and head < page.last_seq

    async def _repair(self, conversation_id: str, gap: _Gap) -> None:
        """Waits a moment for the gap to close by itself, then pulls until it is closed."""
        if not gap.urgent:
            try:
                async with asyncio.timeout(self._gap_seconds):
                    await gap.closed.wait()
                return
            except TimeoutError:
                pass
        attempt = 0
        while not gap.closed.is_set():
            try:
                async with self._pulling:
                    await self._pull_gap(conversation_id, gap)
            except (Unavailable, DeadlineExceeded):
                pass
            except ServerError as error:
                if error.retry_delay is None:
                    self._give_up(conversation_id, gap)
                    return
            except NotLoggedIn:
                self._give_up(conversation_id, gap)
                return
            except HongyanError:
                pass
            attempt += 1
            limit = min(LONGEST_RETRY_SECONDS, 0.2 * 2 ** min(attempt, 10))
            try:
                async with asyncio.timeout(self._jitter() * limit):
                    await gap.closed.wait()
            except TimeoutError:
                continue

    async def _pull_gap(self, conversation_id: str, gap: _Gap) -> None:
        """Fetches pages until the gap is closed, or the log ends before what was announced."""
        while not gap.closed.is_set():
            window = self._cache.window(conversation_id)
            if window is None:
                await self.pull_newest(conversation_id)
                return
            page = await self._list_after(conversation_id, window.head_seq, PAGE)
            self._take_page(conversation_id, page)
            if not page.messages:
                return

    def _give_up(self, conversation_id: str, gap: _Gap) -> None:
        """Stops repairing what the server will not give, such as after leaving."""
        gap.closed.set()
        if self._gaps.get(conversation_id) is gap:
            del self._gaps[conversation_id]
        if not self._gaps:
            self.whole.set()

    def tell_conversation(self, conversation_id: str) -> None:
        """Tells of a conversation as the cache has it."""
        conversation = self._cache.conversation(conversation_id)
        if conversation is not None:
            self._publish(ConversationChanged(conversation))
