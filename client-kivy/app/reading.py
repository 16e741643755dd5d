"""Which part of a chat is shown and how it is brought in: the cache at once, the server behind."""

from collections.abc import Callable
from typing import Any

from app.session import Session
from app.thread import Thread
from hongyan_client.model import (
    CacheReset,
    Conversation,
    ConversationChanged,
    HistoryReset,
    Lagged,
    Message,
    MessageAdded,
    MessageChanged,
    MessageKind,
    MessageQueued,
    MessageState,
    MessageStateChanged,
    ReadMoved,
    ReceivedMoved,
)

PAGE = 60


class Reading:
    """The chat that is read. `changed` is called when the list shows something else."""

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self._session = session
        self._changed = changed
        self._loading: set[str] = set()
        self._quoted: dict[int, Message | None] = {}
        self.conversation_id = ""
        self.known: Conversation | None = None
        self.thread = Thread()
        self.unread_count = 0
        """How many were unread when it was opened."""
        self.mentions: list[int] = []
        """Seqs that mention the account and were not in sight yet."""

    # Which part

    def open(self, conversation_id: str, at_seq: int = 0) -> None:
        """Shows a chat as the cache has it: its end, or what is around a seq."""
        client, me = self._session.client, self._session.user_id
        self._loading.clear()
        self._quoted.clear()
        self.conversation_id = conversation_id
        known = self.known = client.conversation(conversation_id)
        self.unread_count = known.unread_count if known else 0
        read_seq = known.read_seq(me) if known else 0
        self.mentions = []
        if known and known.mention_count:
            self.mentions = client.known_mentions(conversation_id, read_seq)
        self.thread = Thread(me, read_seq + 1 if self.unread_count else 0)
        if at_seq:
            messages = client.known_messages(conversation_id, PAGE, at_seq + PAGE // 2)
            newest = client.known_messages(conversation_id, 1)
            end = bool(messages) and messages[-1].seq == newest[-1].seq
            self.thread.begin(messages, client.pending(conversation_id), at_end=end)
        else:
            self._begin_at_end()
        self._session.spawn(self._fill(conversation_id))

    def close(self) -> None:
        """Shows nothing."""
        self.conversation_id, self.known, self.thread = "", None, Thread()

    def refresh(self) -> None:
        """Looks again at what is known of the conversation; ticks follow."""
        before, me = self.known, self._session.user_id
        self.known = now = self._session.client.conversation(self.conversation_id)
        if before is None or now is None or now.group is not None:
            return
        for old, new in (
            (before.read_by_others(me), now.read_by_others(me)),
            (before.received_by_others(me), now.received_by_others(me)),
        ):
            if new > old:
                self.thread.retick(old, new)

    def _begin_at_end(self, count: int = PAGE) -> None:
        client, id = self._session.client, self.conversation_id
        self.thread.begin(client.known_messages(id, count), client.pending(id), at_end=True)

    async def _fill(self, id: str) -> None:
        """Brings in what the cache has not; without the server it stays as it is."""
        found = await self._session.client.history(id, limit=PAGE)
        thread = self.thread
        if id != self.conversation_id or not thread.at_end or not found:
            return
        if thread.last_seq < found[-1].seq or thread.first_seq > found[0].seq:
            self._begin_at_end(max(PAGE, len(thread.messages)))
            self._changed()

    def to_end(self) -> None:
        """Shows the newest part."""
        if not self.thread.at_end:
            self._begin_at_end()
            self._changed()

    async def around(self, seq: int) -> bool:
        """Shows the part around a seq; False: there is no such message any more."""
        id, client = self.conversation_id, self._session.client
        if self.thread.slot_of(seq):
            return True
        found = await client.history_around(id, seq, PAGE)
        if id != self.conversation_id or not found:
            return False
        after, end = await client.history_after(id, found[-1].seq, PAGE)
        if id != self.conversation_id:
            return False
        self.thread.begin([*found, *after], client.pending(id), at_end=end)
        self._changed()
        return self.thread.slot_of(seq) is not None

    def near(self, end: str) -> None:
        """The list comes to an end of the part: more is brought in."""
        thread = self.thread
        over = thread.at_start if end == "top" else thread.at_end
        if over or end in self._loading or not thread.messages:
            return
        self._loading.add(end)
        self._session.spawn(self._more(end))

    async def _more(self, end: str) -> None:
        id, thread, client = self.conversation_id, self.thread, self._session.client
        try:
            if end == "top":
                found = await client.history_before(id, thread.first_seq, PAGE)
                if thread is self.thread and thread.older(found):
                    self._changed()
            else:
                newer, at_end = await client.history_after(id, thread.last_seq, PAGE)
                if thread is self.thread and thread.newer(newer, at_end=at_end):
                    self._changed()
        finally:
            self._loading.discard(end)

    # What comes

    def take(self, event: Any) -> Message | None:
        """Takes an event of the client; returns a message of somebody else that has just come."""
        if isinstance(event, CacheReset | Lagged):
            self._reload()
            return None
        if isinstance(event, HistoryReset):
            if event.conversation_id == self.conversation_id:
                self._reload()
            return None
        if isinstance(event, ConversationChanged | ReadMoved | ReceivedMoved):
            moved: Any = getattr(event, "conversation", event)
            if moved.conversation_id == self.conversation_id:
                self._changed()
            return None
        message = getattr(event, "message", None)
        if not isinstance(message, Message) or message.conversation_id != self.conversation_id:
            return None
        return self._take(event, message)

    def _take(self, event: Any, message: Message) -> Message | None:
        thread = self.thread
        changed = False
        match event:
            case MessageAdded():
                changed = thread.add(message)
                if changed or not thread.at_end:
                    self._changed()
                return message if message.sender_id != self._session.user_id else None
            case MessageQueued():
                if not thread.at_end and message.kind is MessageKind.TEXT:
                    self._begin_at_end()
                    changed = True
                else:
                    changed = thread.queue(message)
            case MessageStateChanged(gone=True):
                changed = thread.drop(message.client_message_id)
            case MessageStateChanged():
                stored = message.state is MessageState.STORED and thread.message(message.seq)
                settle = thread.drop if stored else thread.queue
                changed = settle(message.client_message_id if stored else message)  # type: ignore[arg-type]
            case MessageChanged():
                changed = thread.change(message)
                self._quoted.pop(message.seq, None)
                for slot in thread.slots:
                    source = slot.message.quote if slot.message else None
                    if source and source.seq == message.seq and slot.row:
                        slot.row, changed = None, True
        if changed:
            self._changed()
        return None

    def _reload(self) -> None:
        if self.conversation_id:
            self._begin_at_end(max(PAGE, len(self.thread.messages)))
            self._changed()

    async def fetch_again(self, seq: int) -> None:
        """Looks at one message again that the cache does not keep up to date."""
        id = self.conversation_id
        if self._session.client.known_message(id, seq) is not None:
            return
        found = await self._session.client.message(id, seq)
        if found and id == self.conversation_id and self.thread.change(found):
            self._changed()

    # What is quoted

    def message(self, seq: int) -> Message | None:
        """Returns a message of this chat; one that is not here is asked for, once."""
        found = self.thread.message(seq)
        found = found or self._session.client.known_message(self.conversation_id, seq)
        if found is None and seq not in self._quoted:
            self._quoted[seq] = None
            self._session.spawn(self._ask(self.conversation_id, seq))
        return found or self._quoted.get(seq)

    async def _ask(self, id: str, seq: int) -> None:
        found = await self._session.client.message(id, seq)
        if found is None or id != self.conversation_id:
            return
        self._quoted[seq] = found
        for slot in self.thread.slots:
            if slot.message and slot.message.quote and slot.message.quote.seq == seq:
                slot.row = None
        self._changed()
