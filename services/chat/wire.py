"""How chat's things look in protobuf."""

from collections.abc import Sequence

from hongyan.chat.v1 import conversation_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2

from services.chat.committer import Send
from services.chat.rules import TEXT, Conversation, Message, Missing

MICROS = 1_000_000


def read_send(request: message_pb2.SendRequest, sender_id: str, traceparent: str = "") -> Send:
    """Returns what a validated request wants to append."""
    return Send(
        request.conversation_id,
        sender_id,
        request.client_message_id,
        TEXT,
        request.text.encode(),
        traceparent,
    )


def write_message(message: Message, target: message_pb2.Message) -> None:
    """Fills in a message."""
    target.conversation_id = message.conversation_id
    target.seq = message.seq
    target.sender_id = message.sender_id
    target.client_message_id = message.client_message_id
    seconds, micros = divmod(message.created_at, MICROS)
    target.created_at.seconds = seconds
    target.created_at.nanos = micros * 1000
    target.text = message.body.decode()


def to_message(message: Message) -> message_pb2.Message:
    """Returns a message."""
    target = message_pb2.Message()
    write_message(message, target)
    return target


def to_conversation(conversation: Conversation) -> conversation_pb2.Conversation:
    """Returns a conversation."""
    head = conversation.head
    target = conversation_pb2.Conversation(
        conversation_id=head.conversation_id,
        kind=conversation_pb2.ConversationKind.ValueType(head.kind),
        last_seq=head.last_seq,
        unread_count=conversation.unread,
    )
    for member in conversation.members:
        target.members.add(user_id=member.user_id, read_seq=member.read_seq)
    if conversation.last_message:
        write_message(conversation.last_message, target.last_message)
    return target


def to_difference(parts: Sequence[Missing]) -> bytes:
    """Returns the frame with one part of a difference."""
    frame = gate_pb2.ConnectResponse()
    difference = frame.events.add().difference
    for part in parts:
        target = difference.conversations.add(
            conversation=to_conversation(part.conversation), joined=part.joined
        )
        for message in part.messages:
            write_message(message, target.messages.add())
    return frame.SerializeToString()
