"""Reading what was said: conversations and their history, cache first, server where needed."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hongyan_client.cache import Cache
from hongyan_client.chat_calls import ChatCalls
from hongyan_client.errors import DeadlineExceeded, PermissionDenied, Unavailable
from hongyan_client.model import HIDDEN, SHOWN, Conversation, Message, Settings
from hongyan_client.sync import PAGE, Sync

log = logging.getLogger("hongyan_client")


class History:
    """The reading of one account; `Client` has the same methods and hands them on."""

    def __init__(self, cache: Cache, sync: Sync, chat: ChatCalls) -> None:
        self._cache = cache
        self._sync = sync
        self._chat = chat

    async def fetch_conversations(self, now_micros: int) -> None:
        """Brings the list of conversations in; without the server the cache stays as it is."""
        token = ""
        try:
            while True:
                page, token = await self._chat.conversations(token)
                for conversation in page:
                    self._cache.put_conversation(conversation, now_micros)
                if not token:
                    return
        except (Unavailable, DeadlineExceeded):
            log.info("offline: conversations come from the cache")

    async def open_direct(self, user_id: str, now_micros: int) -> Conversation:
        """Returns the one direct conversation with a user, as the cache then has it."""
        conversation = await self._chat.open_direct(user_id)
        self._cache.put_conversation(conversation, now_micros)
        return self._cache.conversation(conversation.conversation_id) or conversation

    async def history(
        self, conversation_id: str, before_seq: int | None = None, limit: int = 50
    ) -> list[Message]:
        """Returns up to `limit` messages below `before_seq` (the newest without it), oldest
        first: from the cache, and from the server where the cache does not reach.

        Without the server it returns what there is; raises Unavailable when that is nothing.
        """
        before = before_seq if before_seq is not None else 2**62
        try:
            if self._cache.window(conversation_id) is None:
                await self._sync.pull_newest(conversation_id)
            await self._reach_down(conversation_id, before, limit)
        except (Unavailable, DeadlineExceeded):
            messages = self._cache.messages(conversation_id, before, limit)
            if not messages:
                raise
            return messages
        return self._cache.messages(conversation_id, before, limit)

    async def _reach_down(self, conversation_id: str, before: int, limit: int) -> None:
        """Fetches older pages until the window holds `limit` shown messages below `before`."""
        while (window := self._cache.window(conversation_id)) is not None:
            # Below is nothing, or what the account has cleared.
            floor = self._cache.cleared_seq(conversation_id) + 1
            if min(before - 1, window.head_seq) < floor or window.first_seq <= floor:
                return
            if len(self._cache.messages(conversation_id, before, limit)) == limit:
                return
            page = await self._chat.list_before(conversation_id, window.first_seq, PAGE)
            if not page.messages:
                return
            current = self._cache.window(conversation_id)
            if current is not None and current.first_seq == window.first_seq:
                self._cache.prepend(conversation_id, page.messages)

    async def around(self, conversation_id: str, seq: int, limit: int) -> list[Message]:
        """Returns the shown messages around a seq, oldest first: from the cache where it has
        them, else from the server, without a place in the cache.
        """
        first = max(1, seq - limit // 2)
        window = self._cache.window(conversation_id)
        if window is not None and window.first_seq <= first and seq <= window.head_seq:
            return self._cache.messages(conversation_id, first + limit, limit)
        page = await self._chat.list_after(conversation_id, first - 1, limit)
        return _shown(page.messages)

    async def before(self, conversation_id: str, before_seq: int, limit: int) -> list[Message]:
        """Returns up to `limit` shown messages below a seq, oldest first; where the seq lies far
        below what the cache has, without a place in it.
        """
        window = self._cache.window(conversation_id)
        if window is None or before_seq >= window.first_seq:
            return await self.history(conversation_id, before_seq, limit)
        found: list[Message] = []
        floor = self._cache.cleared_seq(conversation_id) + 1
        while len(found) < limit and before_seq > floor:
            page = await self._chat.list_before(conversation_id, before_seq, PAGE)
            if not page.messages:
                break
            found = [*_shown(page.messages), *found]
            before_seq = page.messages[0].seq
        return found[-limit:]

    async def after(
        self, conversation_id: str, after_seq: int, limit: int
    ) -> tuple[list[Message], bool]:
        """Returns up to `limit` shown messages beyond a seq, oldest first, and whether they end
        with the newest one.
        """
        window = self._cache.window(conversation_id)
        if window is not None and window.first_seq <= after_seq + 1:
            found = self._cache.messages_after(conversation_id, after_seq, limit + 1)
            return found[:limit], len(found) <= limit
        found = []
        while len(found) < limit:
            page = await self._chat.list_after(conversation_id, after_seq, PAGE)
            found += _shown(page.messages)
            after_seq = page.messages[-1].seq if page.messages else page.last_seq
            if after_seq >= page.last_seq:
                return found[:limit], len(found) <= limit
        return found[:limit], False

    async def message(self, conversation_id: str, seq: int) -> Message | None:
        """Returns one message, such as one that is quoted: from the cache or the server."""
        known = self._cache.message(conversation_id, seq)
        if known is not None:
            return known
        page = await self._chat.list_after(conversation_id, seq - 1, 1)
        return next((it for it in page.messages if it.seq == seq), None)

    async def update_settings(self, conversation_id: str, values: dict[str, Any]) -> Settings:
        """Changes what a conversation is to the account, here and on its other devices."""
        settings = await self._chat.update_settings(
            conversation_id, replace(Settings(), **values), values
        )
        with self._cache.transaction():
            self._sync.apply_settings(conversation_id, settings)
        return settings

    def keep_draft(self, conversation_id: str, text: str) -> None:
        """Keeps a draft here; `send_drafts` takes it to the server."""
        self._cache.put_unsent_draft(conversation_id, text)
        self._sync.tell_conversation(conversation_id)

    async def send_drafts(self) -> None:
        """Takes to the server what was kept here, as far as the server can be reached."""
        for conversation_id, text in self._cache.unsent_drafts().items():
            try:
                await self.update_settings(conversation_id, {"draft": text})
            except (Unavailable, DeadlineExceeded):
                return
            except PermissionDenied:
                log.info("a draft stays on this device: the account has left that chat")
                continue
            self._cache.drop_unsent_draft(conversation_id, text)

    async def clear(self, conversation_id: str, *, remove: bool) -> Settings:
        """Clears the history for the account; takes the chat out of its list if asked to."""
        settings = await self._chat.clear(conversation_id, 0, remove=remove)
        with self._cache.transaction():
            self._sync.apply_settings(conversation_id, settings)
        return settings

    async def hide(self, conversation_id: str, seqs: Sequence[int]) -> None:
        """Deletes messages for the account alone."""
        await self._chat.hide(conversation_id, seqs)
        with self._cache.transaction():
            self._sync.apply_hidden(conversation_id, seqs)

    async def refresh(self, conversation_id: str) -> None:
        """Brings a conversation's newest messages in without a stream, for one-off commands."""
        await self._sync.pull(conversation_id)


def _shown(messages: Sequence[Message]) -> list[Message]:
    return [it for it in messages if it.kind in SHOWN and it.removed != HIDDEN]
