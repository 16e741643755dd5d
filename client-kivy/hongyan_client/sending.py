"""Sending from the writing of a message to its end: stored, refused, or dropped by the user."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from grpclib.const import Status
from hongyan.chat.v1 import message_pb2

from hongyan_client.cache import Cache
from hongyan_client.chat_calls import ChatCalls
from hongyan_client.convert import to_message
from hongyan_client.errors import (
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    OutboxFull,
    ServerError,
    Unavailable,
)
from hongyan_client.model import (
    Event,
    Message,
    MessageQueued,
    MessageState,
    MessageStateChanged,
)
from hongyan_client.outbox import Outbox
from hongyan_client.sync import Sync

TEXT_BYTES = 16 * 1024
OUTBOX_MESSAGES = 10_000


class Sending:
    """The sending of one account; `Client` has the same methods and hands them on."""

    def __init__(
        self,
        cache: Cache,
        outbox: Outbox,
        sync: Sync,
        chat: ChatCalls,
        *,
        publish: Callable[[Event], None],
        now: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._outbox = outbox
        self._sync = sync
        self._chat = chat
        self._publish = publish
        self._now = now
        self._send_lock = asyncio.Lock()
        self._settling: dict[str, set[asyncio.Future[Message]]] = {}
        self._refusals: dict[str, ServerError] = {}

    async def send(
        self, conversation_id: str, text: str, content: message_pb2.Message | None = None
    ) -> Message:
        """Writes a message to the outbox and returns it as SENDING, once the disk has it.

        `content` has what there is besides the text: a quote, mentions, a card. Raises
        InvalidArgument for a text that the server would refuse, and OutboxFull.
        """
        self._check(conversation_id, text)
        return await self._put(conversation_id, text, content, None)

    async def enter(
        self, conversation_id: str, content: message_pb2.Message, request: message_pb2.SendRequest
    ) -> Message:
        """Writes an entry of another kind to the outbox; else as `send`."""
        if content.WhichOneof("content") == "text" or content.edit.seq:
            self._check(conversation_id, content.text or content.edit.text)
        return await self._put(conversation_id, content.text, content, request)

    def _check(self, conversation_id: str, text: str) -> None:
        size = len(text.encode("utf-8", "replace"))
        if not 1 <= size <= TEXT_BYTES or not _is_text(text):
            raise InvalidArgument(
                Status.INVALID_ARGUMENT.value,
                "INVALID_ARGUMENT",
                f"a text has 1 to {TEXT_BYTES} bytes of UTF-8, this one {size}",
                fields={"text": f"1 to {TEXT_BYTES} bytes"},
            )
        if not _is_id(conversation_id):
            raise InvalidArgument(
                Status.INVALID_ARGUMENT.value,
                "INVALID_ARGUMENT",
                "a conversation id has 1 to 64 letters, digits, '-' or '_'",
                fields={"conversation_id": "no id"},
            )

    async def _put(
        self,
        conversation_id: str,
        text: str,
        content: message_pb2.Message | None,
        request: message_pb2.SendRequest | None,
    ) -> Message:
        if len(self._outbox) >= OUTBOX_MESSAGES:
            raise OutboxFull(f"{OUTBOX_MESSAGES} messages wait to be sent")
        message = Message(
            conversation_id=conversation_id,
            seq=0,
            sender_id=self._cache.user_id,
            client_message_id=uuid.uuid4().hex,
            text=text,
            created_at=datetime.fromtimestamp(self._now(), UTC),
            state=MessageState.SENDING,
        )
        if content is not None:
            message = _with_content(message, content, request)
        async with self._send_lock:
            await asyncio.to_thread(self._cache.add_to_outbox, message)
            self._publish(MessageQueued(message))
            self._outbox.add(message)
        return message

    async def settled(self, client_message_id: str, timeout: float = 30.0) -> Message:
        """Waits until a sent message is stored and returns it with its seq.

        Raises what the server refused it with, or DeadlineExceeded: it is still in the outbox.
        """
        known = self._outcome(client_message_id)
        if known is not None:
            return known
        waiter: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        waiters = self._settling.setdefault(client_message_id, set())
        waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                return await waiter
        except TimeoutError:
            raise DeadlineExceeded(
                Status.DEADLINE_EXCEEDED.value, "NOT_SETTLED", "the message is not stored yet"
            ) from None
        finally:
            waiters.discard(waiter)
            if not waiters:
                self._settling.pop(client_message_id, None)

    def _outcome(self, client_message_id: str) -> Message | None:
        """Returns a stored message, None for one that waits; raises for a failed one."""
        message = self._cache.in_outbox(client_message_id) or self._cache.own_message(
            client_message_id
        )
        if message is None:
            raise NotFound(Status.NOT_FOUND.value, "MESSAGE_NOT_FOUND", "no such message here")
        if message.state is MessageState.FAILED:
            raise self._refusal(message)
        return message if message.state is MessageState.STORED else None

    def _refusal(self, message: Message) -> ServerError:
        known = self._refusals.get(message.client_message_id)
        return known or ServerError(Status.UNKNOWN.value, message.failure, "refused before")

    async def deliver(self, timeout: float = 30.0) -> None:
        """Sends what the outbox holds by unary calls, in order, for commands without a stream.

        A refused message is marked as failed. Raises Unavailable or DeadlineExceeded when the
        rest has to wait.
        """
        try:
            async with asyncio.timeout(timeout):
                for message in self._cache.outbox():
                    if message.state is MessageState.SENDING:
                        await self._deliver_one(message)
        except TimeoutError:
            raise DeadlineExceeded(
                Status.DEADLINE_EXCEEDED.value, "NOT_SETTLED", "the messages are not stored yet"
            ) from None

    async def _deliver_one(self, message: Message) -> None:
        while True:
            try:
                stored = await self._chat.send(message)
            except ServerError as error:
                if isinstance(error, Unavailable | DeadlineExceeded):
                    raise
                if error.retry_delay is not None:
                    await asyncio.sleep(error.retry_delay)
                    continue
                self._cache.set_failure(message.client_message_id, error.reason or "REFUSED")
                failed = replace(message, state=MessageState.FAILED, failure=error.reason)
                self.note_refusal(message.client_message_id, error)
                self._publish(MessageStateChanged(failed))
                return
            self._sync.apply_stored(stored)
            return

    def resend(self, client_message_id: str) -> Message | None:
        """Tries a failed message again under the same id."""
        message = self._outbox.resend(client_message_id)
        if message is not None:
            self._refusals.pop(client_message_id, None)
            self._publish(MessageStateChanged(message))
        return message

    def discard(self, client_message_id: str) -> None:
        """Drops a failed message."""
        message = self._cache.in_outbox(client_message_id)
        if message is not None and message.state is MessageState.FAILED:
            self._cache.discard(client_message_id)
            self._publish(MessageStateChanged(message, gone=True))

    def note_refusal(self, client_message_id: str, error: ServerError) -> None:
        """Keeps why a message was refused, in full, for who waits for it."""
        if len(self._refusals) >= OUTBOX_MESSAGES:
            self._refusals.pop(next(iter(self._refusals)))
        self._refusals[client_message_id] = error

    def observe(self, event: Event) -> None:
        """Wakes who waits for a message, when an event says what became of it."""
        if not isinstance(event, MessageStateChanged):
            return
        message = event.message
        for waiter in self._settling.get(message.client_message_id, ()):
            if waiter.done():
                continue
            if message.state is MessageState.STORED:
                waiter.set_result(message)
            elif message.state is MessageState.FAILED:
                waiter.set_exception(self._refusal(message))


def _with_content(
    message: Message, content: message_pb2.Message, request: message_pb2.SendRequest | None
) -> Message:
    """Returns the message with its content, and with what asks the server to store it."""
    if request is None:
        request = message_pb2.SendRequest(text=message.text)
        if content.HasField("quote"):
            request.quote.seq = content.quote.seq
        if content.HasField("mentions"):
            request.mentions.CopyFrom(content.mentions)
        if content.HasField("card"):
            request.card.CopyFrom(content.card)
    request.conversation_id = message.conversation_id
    request.client_message_id = message.client_message_id
    whole = message_pb2.Message(text=message.text) if message.text else message_pb2.Message()
    whole.MergeFrom(content)
    read = to_message(whole)
    return replace(
        read,
        conversation_id=message.conversation_id,
        sender_id=message.sender_id,
        client_message_id=message.client_message_id,
        created_at=message.created_at,
        state=message.state,
        request=request.SerializeToString(),
    )


def _is_text(text: str) -> bool:
    """Returns whether protobuf can carry the text: a lone surrogate is no UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_id(text: str) -> bool:
    return 1 <= len(text) <= 64 and all(
        it.isascii() and (it.isalnum() or it in "-_") for it in text
    )
