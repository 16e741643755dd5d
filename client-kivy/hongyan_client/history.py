"""Reading what was said: conversations and their history, cache first, server where needed."""

import logging

from hongyan_client.cache import Cache
from hongyan_client.chat_calls import ChatCalls
from hongyan_client.errors import DeadlineExceeded, Unavailable
from hongyan_client.model import Conversation, Message
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
        """Fetches older pages until the window holds `limit` messages below `before`."""
        while (window := self._cache.window(conversation_id)) is not None:
            top = min(before - 1, window.head_seq)
            if top < 1 or window.first_seq <= max(1, top - limit + 1):
                return
            page = await self._chat.list_before(conversation_id, window.first_seq, PAGE)
            if not page.messages:
                return
            current = self._cache.window(conversation_id)
            if current is not None and current.first_seq == window.first_seq:
                self._cache.prepend(conversation_id, page.messages)

    async def refresh(self, conversation_id: str) -> None:
        """Brings a conversation's newest messages in without a stream, for one-off commands."""
        await self._sync.pull(conversation_id)
