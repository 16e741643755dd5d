"""The client's methods about conversations and messages; `Client` has them all."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from hongyan_client.cache_outbox import READ
from hongyan_client.local import Local
from hongyan_client.model import (
    Conversation,
    Found,
    Message,
    MessageKind,
    Presence,
    Readers,
    Settings,
    User,
)


class Talk(ABC):
    """What an account can say, read and find, on the cache and the connection of `_open`."""

    @abstractmethod
    def _open(self) -> Local: ...

    @abstractmethod
    def _micros(self) -> int: ...

    @property
    @abstractmethod
    def is_started(self) -> bool:
        """Whether there is, or will be again, a live stream."""

    async def open_direct(self, user_id: str) -> Conversation:
        """Returns the one direct conversation with a user, made when it is not there yet."""
        return await self._open().history.open_direct(user_id, self._micros())

    async def conversations(self, *, archived: bool = False) -> list[Conversation]:
        """Returns the conversations of the list, or those that were put away: the pinned ones
        first, then the latest active.

        From the cache while the client is started; else the server is asked first, when it
        can be reached.
        """
        local = self._open()
        if not self.is_started:
            await local.history.fetch_conversations(self._micros())
        found = [
            it
            for it in local.cache.conversations()
            if it.settings.archived == archived and not it.settings.removed
        ]
        return sorted(found, key=lambda it: not it.settings.pinned)

    def known_conversations(self) -> list[Conversation]:
        """Returns all conversations in the cache, also those that no list shows."""
        return self._open().cache.conversations()

    def conversation(self, conversation_id: str) -> Conversation | None:
        """Returns what the cache knows of a conversation."""
        return self._open().cache.conversation(conversation_id)

    async def history(
        self, conversation_id: str, before_seq: int | None = None, limit: int = 50
    ) -> list[Message]:
        """Returns up to `limit` messages below `before_seq` (the newest without it), oldest
        first: from the cache, and from the server where the cache does not reach.

        Without the server it returns what there is; raises Unavailable when that is nothing.
        """
        return await self._open().history.history(conversation_id, before_seq, limit)

    def known_messages(
        self, conversation_id: str, limit: int = 50, before_seq: int = 2**62
    ) -> list[Message]:
        """Returns the newest messages below a seq that the cache has, oldest first; never asks
        the server."""
        return self._open().cache.messages(conversation_id, before_seq, limit)

    def known_message(self, conversation_id: str, seq: int) -> Message | None:
        """Returns one message if it is here; never asks the server."""
        return self._open().cache.message(conversation_id, seq)

    def known_mentions(self, conversation_id: str, after_seq: int) -> list[int]:
        """Returns the seqs here beyond a seq that mention the account, oldest first."""
        return self._open().cache.mentioning(conversation_id, after_seq)

    async def history_before(
        self, conversation_id: str, before_seq: int, limit: int = 50
    ) -> list[Message]:
        """Returns up to `limit` messages below a seq, oldest first. Unlike `history` it does not
        fill the cache down to a seq that is far below what is there.
        """
        return await self._open().history.before(conversation_id, before_seq, limit)

    async def history_after(
        self, conversation_id: str, after_seq: int, limit: int = 50
    ) -> tuple[list[Message], bool]:
        """Returns up to `limit` messages beyond a seq, oldest first, and whether they end with
        the newest one."""
        return await self._open().history.after(conversation_id, after_seq, limit)

    async def log_after(
        self, conversation_id: str, after_seq: int, limit: int
    ) -> Sequence[Message]:
        """Returns entries of a log beyond a seq as the server has them now, past the cache."""
        page = await self._open().chat.list_after(conversation_id, after_seq, limit)
        return page.messages

    async def refresh(self, conversation_id: str) -> None:
        """Brings a conversation's newest messages in without a stream, for one-off commands."""
        await self._open().history.refresh(conversation_id)

    def pending(self, conversation_id: str | None = None) -> list[Message]:
        """Returns what has no place in the history yet: being sent, failed, or just stored."""
        waiting = self._open().cache.outbox(conversation_id)
        return [it for it in waiting if it.kind is MessageKind.TEXT]

    # Saying

    @abstractmethod
    async def user(self, user_id: str, *, fresh: bool = False) -> User:
        """Returns a user's profile."""

    async def send(
        self,
        conversation_id: str,
        text: str,
        *,
        quote_seq: int = 0,
        mentions: Sequence[str] = (),
        mention_everybody: bool = False,
    ) -> Message:
        """Writes a message to the outbox and returns it as SENDING, once the disk has it.

        Raises InvalidArgument for a text that the server would refuse, and OutboxFull.
        """
        return await self._open().composing.send(
            conversation_id,
            text,
            quote_seq=quote_seq,
            mentions=mentions,
            mention_everybody=mention_everybody,
        )

    async def send_card(self, conversation_id: str, user_id: str, text: str = "") -> Message:
        """Sends the card of a user; the text is what is shown without it, else the user's name.

        Raises NotFound for who is no user.
        """
        words = text or (await self.user(user_id)).display_name or user_id
        return await self._open().composing.send(conversation_id, words, card_user_id=user_id)

    async def forward(
        self, conversation_id: str, from_conversation_id: str, from_seq: int
    ) -> Message | None:
        """Sends a copy of a message of any conversation; None when there is no such text."""
        return await self._open().composing.forward(conversation_id, from_conversation_id, from_seq)

    async def recall(self, conversation_id: str, seq: int) -> Message:
        """Takes an own message back: as an entry of the outbox, like all that is said."""
        return await self._open().composing.recall(conversation_id, seq)

    async def edit(
        self,
        conversation_id: str,
        seq: int,
        text: str,
        *,
        mentions: Sequence[str] = (),
        mention_everybody: bool = False,
    ) -> Message:
        """Gives an own message another text."""
        return await self._open().composing.edit(
            conversation_id, seq, text, mentions=mentions, mention_everybody=mention_everybody
        )

    async def react(
        self, conversation_id: str, seq: int, emoji: str, *, removed: bool = False
    ) -> Message:
        """Reacts to a message, or takes that back."""
        return await self._open().composing.react(conversation_id, seq, emoji, removed=removed)

    async def pin(self, conversation_id: str, seq: int, *, removed: bool = False) -> Message:
        """Pins a message in the chat for all members, or takes it down."""
        return await self._open().composing.pin(conversation_id, seq, removed=removed)

    async def set_timer(self, conversation_id: str, seconds: int) -> Message:
        """Sets after how long messages disappear from now on; 0: they stay."""
        return await self._open().composing.set_timer(conversation_id, seconds)

    async def settled(self, client_message_id: str, timeout: float = 30.0) -> Message:
        """Waits until a sent message is stored and returns it with its seq.

        Raises what the server refused it with, or DeadlineExceeded: it is still in the outbox.
        """
        return await self._open().sending.settled(client_message_id, timeout)

    async def deliver(self, timeout: float = 30.0) -> None:
        """Sends what the outbox holds by unary calls, in order, for commands without a stream.

        A refused message is marked as failed. Raises Unavailable or DeadlineExceeded when the
        rest has to wait.
        """
        await self._open().sending.deliver(timeout)

    def resend(self, client_message_id: str) -> Message | None:
        """Tries a failed message again under the same id."""
        return self._open().sending.resend(client_message_id)

    def discard(self, client_message_id: str) -> None:
        """Drops a failed message."""
        self._open().sending.discard(client_message_id)

    def mark_read(self, conversation_id: str, seq: int) -> None:
        """Moves the own cursor: here at once, on the server within 300 ms or when online."""
        local = self._open()
        known = local.cache.conversation(conversation_id)
        if known is not None:
            seq = min(seq, known.last_seq)
        local.cache.put_unsent_cursor(conversation_id, READ, seq)
        local.sync.move_read(conversation_id, local.cache.user_id, seq)
        if self.is_started:
            local.connection.schedule_cursors()

    async def mark_read_now(self, conversation_id: str, seq: int) -> None:
        """Moves the own cursor and returns when the server has it."""
        local = self._open()
        read_seq = await local.chat.mark_read(conversation_id, seq)
        local.sync.move_read(conversation_id, local.cache.user_id, read_seq)

    # What a conversation is to the account

    async def update_settings(self, conversation_id: str, **values: Any) -> Settings:
        """Sets pinned, muted_until, archived, marked_unread or draft, on all own devices."""
        return await self._open().history.update_settings(conversation_id, values)

    def keep_draft(self, conversation_id: str, text: str) -> None:
        """Keeps what is being written: on this device at once, on the others by `send_drafts`."""
        self._open().history.keep_draft(conversation_id, text)

    async def send_drafts(self) -> None:
        """Takes the drafts that were kept to the server, as far as it can be reached."""
        await self._open().history.send_drafts()

    async def clear(self, conversation_id: str, *, remove: bool = False) -> Settings:
        """Clears the history for the account; takes the chat out of the list if asked to."""
        return await self._open().history.clear(conversation_id, remove=remove)

    async def hide(self, conversation_id: str, seqs: Sequence[int]) -> None:
        """Deletes messages for the account alone."""
        await self._open().history.hide(conversation_id, seqs)

    # Finding

    async def history_around(
        self, conversation_id: str, seq: int, limit: int = 50
    ) -> list[Message]:
        """Returns the messages around a seq, such as one that was found or is quoted."""
        return await self._open().history.around(conversation_id, seq, limit)

    async def message(self, conversation_id: str, seq: int) -> Message | None:
        """Returns one message, such as one that is quoted."""
        return await self._open().history.message(conversation_id, seq)

    async def search(
        self, query: str, conversation_id: str = "", page_token: str = "", limit: int = 20
    ) -> Found:
        """Finds messages by their words in all that the server has for the account."""
        return await self._open().chat.search(query, conversation_id, page_token, limit)

    def search_local(self, words: str, conversation_id: str = "", limit: int = 50) -> list[Message]:
        """Finds messages here that have some words as they are, the newest first."""
        return self._open().cache.find(words, conversation_id, limit)

    async def readers(self, conversation_id: str, seq: int) -> Readers:
        """Returns who has read and who has received a message."""
        return await self._open().chat.readers(conversation_id, seq)

    # Others

    def watch(self, user_ids: Iterable[str]) -> None:
        """Has the presence of these users told by PresenceChanged, and of no others."""
        self._open().connection.watch(user_ids)

    def presence(self, user_id: str) -> Presence:
        """Returns what was told last of the presence of a watched user."""
        known = self._open().connection.presences.get(user_id)
        return known or Presence(user_id, online=None)

    def focus(self, conversation_id: str = "") -> None:
        """Says which conversation is shown; "" for none."""
        self._open().connection.focus(conversation_id)

    def typing(self, conversation_id: str) -> None:
        """Tells the others that the user is writing; often is as good as every two seconds."""
        self._open().connection.typing(conversation_id)
