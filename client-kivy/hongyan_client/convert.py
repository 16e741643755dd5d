"""Between the contract's messages and this library's model."""

from hongyan.chat.v1 import conversation_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2

from hongyan_client.errors import ServerError, seconds, server_error
from hongyan_client.model import (
    Conversation,
    ConversationKind,
    Member,
    Message,
    from_micros,
)

_KINDS = {conversation_pb2.CONVERSATION_KIND_DIRECT: ConversationKind.DIRECT}


def to_message(message: message_pb2.Message) -> Message:
    """Reads a message; content of a kind that this version does not know reads as empty."""
    return Message(
        conversation_id=message.conversation_id,
        seq=message.seq,
        sender_id=message.sender_id,
        client_message_id=message.client_message_id,
        text=message.text,
        created_at=from_micros(message.created_at.ToMicroseconds()),
    )


def to_conversation(conversation: conversation_pb2.Conversation) -> Conversation:
    """Reads a conversation."""
    has_last = conversation.HasField("last_message")
    return Conversation(
        conversation_id=conversation.conversation_id,
        kind=_KINDS.get(conversation.kind, ConversationKind.UNKNOWN),
        members=tuple(Member(it.user_id, it.read_seq) for it in conversation.members),
        last_seq=conversation.last_seq,
        unread_count=conversation.unread_count,
        last_message=to_message(conversation.last_message) if has_last else None,
    )


def to_error(refusal: gate_pb2.Refusal) -> ServerError:
    """Reads a refusal of the stream as the exception that the same status would be."""
    delay = seconds(refusal.retry_delay) if refusal.HasField("retry_delay") else None
    return server_error(refusal.code, refusal.reason, refusal.message, retry_delay=delay)


def to_send(message: Message) -> message_pb2.SendRequest:
    """Makes the request that stores a message."""
    return message_pb2.SendRequest(
        conversation_id=message.conversation_id,
        client_message_id=message.client_message_id,
        text=message.text,
    )
