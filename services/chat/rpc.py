"""chat.v1's public rpcs: protobuf in, protobuf out, nothing decided here."""

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
from services.chat.model import Place
from services.chat.personal import Personal
from services.chat.rules import PAGE, Chat
from services.chat.wire import READ, read_send, to_conversation, to_message, to_settings
from services.common.errors import Invalid
from services.common.identity import caller
from services.common.limits import LocalLimit

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class MessageService(message_pb2_grpc.MessageServiceServicer):
    """The log over unary calls."""

    def __init__(
        self, chat: Chat, committer: Committer, personal: Personal, limit: LocalLimit
    ) -> None:
        self._chat = chat
        self._committer = committer
        self._personal = personal
        self._limit = limit

    async def Send(self, request: message_pb2.SendRequest, context: Any) -> Any:
        self._limit.take(caller().user_id)
        message = await self._committer.append(read_send(request, caller().user_id))
        return message_pb2.SendResponse(message=to_message(message))

    async def List(self, request: message_pb2.ListRequest, context: Any) -> Any:
        messages, seat = await self._chat.history(
            caller().user_id,
            request.conversation_id,
            request.after_seq if request.HasField("after_seq") else None,
            request.before_seq if request.HasField("before_seq") else None,
            request.limit or PAGE,
        )
        return message_pb2.ListResponse(
            messages=[to_message(message) for message in messages],
            last_seq=seat.last_seq,
            first_seq=seat.cleared_seq + 1,
        )

    async def ListReaders(self, request: message_pb2.ListReadersRequest, context: Any) -> Any:
        read, received, waiting = await self._chat.readers(
            caller().user_id, request.conversation_id, request.seq
        )
        return message_pb2.ListReadersResponse(
            read_user_ids=read, received_user_ids=received, waiting_user_ids=waiting
        )

    async def Hide(self, request: message_pb2.HideRequest, context: Any) -> Any:
        self._limit.take(caller().user_id)
        version = await self._personal.hide(caller().user_id, request.conversation_id, request.seqs)
        return message_pb2.HideResponse(user_version=version)


class ConversationService(conversation_pb2_grpc.ConversationServiceServicer):
    """The conversations of the caller."""

    def __init__(self, chat: Chat, cursors: Cursors, personal: Personal, limit: LocalLimit) -> None:
        self._chat = chat
        self._cursors = cursors
        self._personal = personal
        self._limit = limit

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

    async def GetConversation(
        self, request: conversation_pb2.GetConversationRequest, context: Any
    ) -> Any:
        conversation = await self._chat.conversation(caller().user_id, request.conversation_id)
        return conversation_pb2.GetConversationResponse(conversation=to_conversation(conversation))

    async def UpdateSettings(
        self, request: conversation_pb2.UpdateSettingsRequest, context: Any
    ) -> Any:
        self._limit.take(caller().user_id)
        paths = request.update_mask.paths or [
            field.name for field, _ in request.settings.ListFields()
        ]
        if unknown := [path for path in paths if path not in READ] or (not paths and ["empty"]):
            problem = f"names what cannot be set: {', '.join(unknown)}"
            raise Invalid("INVALID_FIELD", problem, fields={"update_mask": problem})
        settings, version = await self._personal.update(
            caller().user_id,
            request.conversation_id,
            {path: READ[path](request.settings) for path in paths},
        )
        return conversation_pb2.UpdateSettingsResponse(
            settings=to_settings(settings), user_version=version
        )

    async def Clear(self, request: conversation_pb2.ClearRequest, context: Any) -> Any:
        self._limit.take(caller().user_id)
        settings, version = await self._personal.clear(
            caller().user_id, request.conversation_id, request.seq, request.remove
        )
        return conversation_pb2.ClearResponse(settings=to_settings(settings), user_version=version)

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
