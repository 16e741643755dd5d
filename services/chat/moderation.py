"""What moderators do with messages: remove them for everybody."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from prometheus_client import Counter

from services.chat.changes import Moderate
from services.chat.committer import Send
from services.chat.model import Message
from services.common.errors import NotFound

MODERATED = Counter("hongyan_chat_messages_moderated", "Messages that moderators removed.")
# An entry of the installation itself has no sender.
NO_SENDER = ""


class MessageStore(Protocol):
    """The storage that these rules need."""

    async def message(self, conversation_id: str, seq: int) -> Message | None: ...


class Moderation:
    """The rules of removing messages. `append` commits an act and returns its entry, or raises."""

    def __init__(
        self,
        read: Callable[[], AbstractAsyncContextManager[MessageStore]],
        append: Callable[[Send], Awaitable[Message]],
    ) -> None:
        self._read = read
        self._append = append

    async def delete(self, conversation_id: str, seq: int) -> Message:
        """Removes a message; doing it again returns the entry of the first time."""
        async with self._read() as store:
            if await store.message(conversation_id, seq) is None:
                raise NotFound("MESSAGE_NOT_FOUND", "there is no such message")
        id = f"moderated-{seq}"
        entry = await self._append(
            Send(conversation_id, NO_SENDER, id, b"moderated", Moderate(seq))
        )
        MODERATED.inc()
        return entry
