"""chat.v1's public rpcs: protobuf in, protobuf out, nothing decided here."""

import asyncio
import base64
import json
import re
from typing import Any

from hongyan.chat.v1 import (
    conversation_pb2,
    conversation_pb2_grpc,
    message_pb2,
    message_pb2_grpc,
)

from services.chat.committer import Committer
from services.chat.cursors import Cursors
from services.chat.rules import PAGE, Chat, Message, Place
from services.chat.wire import read_send, to_conversation, to_message
from services.common.errors import AppError, Invalid, Unavailable
from services.common.identity import caller
from services.common.limits import LocalLimit

COMMIT_SECONDS = 10.0
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class MessageService(message_pb2_grpc.MessageServiceServicer):
    """The log over unary calls."""

    def __init__(self, chat: Chat, committer: Committer, limit: LocalLimit) -> None:
        self._chat = chat
        self._committer = committer
        self._limit = limit

    async def Send(self, request: message_pb2.SendRequest, context: Any) -> Any:
        self._limit.take(caller().user_id)
        outcome: asyncio.Future[Message | AppError] = asyncio.get_running_loop().create_future()
        self._committer.submit(read_send(request, caller().user_id), outcome)
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                message = await outcome
        except TimeoutError:
            raise Unavailable("CHAT_BUSY", "not stored in time", retry_seconds=1) from None
        if isinstance(message, AppError):
            raise message
        return message_pb2.SendResponse(message=to_message(message))

    async def List(self, request: message_pb2.ListRequest, context: Any) -> Any:
        messages, last_seq = await self._chat.history(
            caller().user_id,
            request.conversation_id,
            request.after_seq if request.HasField("after_seq") else None,
            request.before_seq if request.HasField("before_seq") else None,
            request.limit or PAGE,
        )
        return message_pb2.ListResponse(
            messages=[to_message(message) for message in messages], last_seq=last_seq
        )


class ConversationService(conversation_pb2_grpc.ConversationServiceServicer):
    """The conversations of the caller."""

    def __init__(self, chat: Chat, cursors: Cursors) -> None:
        self._chat = chat
        self._cursors = cursors

    async def OpenDirect(self, request: conversation_pb2.OpenDirectRequest, context: Any) -> Any:
        conversation = await self._chat.open_direct(caller().user_id, request.user_id)
        return conversation_pb2.OpenDirectResponse(conversation=to_conversation(conversation))

    async def ListConversations(
        self, request: conversation_pb2.ListConversationsRequest, context: Any
    ) -> Any:
        conversations, following = await self._chat.conversations(
            caller().user_id, _read_token(request.page_token), request.page_size or PAGE
        )
        return conversation_pb2.ListConversationsResponse(
            conversations=[to_conversation(conversation) for conversation in conversations],
            next_page_token=_write_token(following) if following else "",
        )

    async def MarkRead(self, request: conversation_pb2.MarkReadRequest, context: Any) -> Any:
        read_seq = await self._cursors.move_one(
            caller().user_id, request.conversation_id, request.seq
        )
        return conversation_pb2.MarkReadResponse(read_seq=read_seq)


def _write_token(place: Place) -> str:
    text = json.dumps([place.active_at, place.conversation_id])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(token: str) -> Place | None:
    if not token:
        return None
    try:
        content = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, RecursionError):
        content = None
    match content:
        # Anybody can write one: it must be what the database can compare with.
        case [int(active_at), str(id)] if 0 <= active_at < 2**63 and ID.fullmatch(id):
            return Place(active_at, id)
    raise Invalid(
        "INVALID_FIELD", "page_token is not one of ours", fields={"page_token": "unknown"}
    )
