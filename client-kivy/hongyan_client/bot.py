"""A program as a user: what people write to it, one message after the other.

async with Bot("http://127.0.0.1:8080", token, Path("echo")) as bot:
    async for message in bot.messages():
        await bot.reply(message, message.text)
"""

from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hongyan_client.client import Client
from hongyan_client.errors import DeadlineExceeded, PermissionDenied, Unavailable
from hongyan_client.model import (
    CaughtUp,
    ConversationChanged,
    Lagged,
    Message,
    MessageAdded,
    MessageKind,
    SignedOut,
)

PAGE = 100


class Bot:
    """A bot that acts by a token of the scopes read and write.

    `home` is a folder of the bot's own, for its cache. How far it has come is its read cursor
    on the server: a bot that was away goes on where it was, wherever it runs, and what it was
    about when it died comes again.
    """

    def __init__(self, address: str, token: str, home: Path, **options: Any) -> None:
        self.client = Client(address, home, **options)
        """Everything else that an account can do."""
        self._token = token

    async def __aenter__(self) -> Self:
        try:
            await self.client.login_as_bot(self._token)
            await self.client.start()
            await self.client.caught_up()
        except BaseException:
            await self.client.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.client.close()

    @property
    def user_id(self) -> str:
        """The bot's user id."""
        return self.client.user_id

    async def messages(self) -> AsyncIterator[Message]:
        """Gives each text that a person wrote to the bot, in the order of each conversation.

        A message is done when the next one is asked for. What other bots write is left out:
        two bots that answered each other would never end. Ends when the token was revoked.
        """
        async with self.client.events() as events:
            for conversation in self.client.known_conversations():
                async for message in self._unread(conversation.conversation_id):
                    yield message
            async for event in events:
                match event:
                    case MessageAdded(message=message):
                        touched = [message.conversation_id]
                    case ConversationChanged(conversation=conversation):
                        touched = [conversation.conversation_id]
                    case CaughtUp() | Lagged():
                        known = self.client.known_conversations()
                        touched = [it.conversation_id for it in known]
                    case SignedOut():
                        return
                    case _:
                        continue
                for conversation_id in touched:
                    async for message in self._unread(conversation_id):
                        yield message

    async def reply(self, message: Message, text: str, *, quote: bool = False) -> Message:
        """Writes into the conversation of a message, with a quote of it if asked to.

        Returns when it is stored; raises what the server refused it with, or DeadlineExceeded:
        then it is in the outbox, and is sent when the bot is connected again.
        """
        quoted = message.seq if quote else 0
        sent = await self.client.send(message.conversation_id, text, quote_seq=quoted)
        return await self.client.settled(sent.client_message_id)

    async def _unread(self, conversation_id: str) -> AsyncIterator[Message]:
        """Gives what is to be heard above the read cursor, and moves that."""
        while (after := self._read_seq(conversation_id)) is not None:
            try:
                page = await self.client.log_after(conversation_id, after, PAGE)
            except (PermissionDenied, Unavailable, DeadlineExceeded):
                # Removed meanwhile; or it comes again when the bot has caught up.
                return
            if not page:
                return
            for message in page:
                if message.kind is MessageKind.TEXT and not await self._is_program(
                    message.sender_id
                ):
                    yield message
                await self._done(conversation_id, message.seq)

    async def _done(self, conversation_id: str, seq: int) -> None:
        try:
            await self.client.mark_read_now(conversation_id, seq)
        except (PermissionDenied, Unavailable, DeadlineExceeded):
            self.client.mark_read(conversation_id, seq)  # here now, there when it is back

    def _read_seq(self, conversation_id: str) -> int | None:
        """Returns how far the bot has come, None when there is nothing above."""
        known = self.client.conversation(conversation_id)
        if known is None:
            return None
        mine = [it.read_seq for it in known.members if it.user_id == self.user_id]
        read = max([known.settings.cleared_seq, *mine])
        return read if read < known.last_seq else None

    async def _is_program(self, user_id: str) -> bool:
        return user_id == self.user_id or (await self.client.user(user_id)).bot
