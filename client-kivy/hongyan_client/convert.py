"""Between the contract's messages and this library's model."""

from dataclasses import replace
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from hongyan.chat.v1 import conversation_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2
from hongyan.status.v1 import presence_pb2

from hongyan_client.convert_people import from_event, to_event, to_group
from hongyan_client.errors import ServerError, seconds, server_error
from hongyan_client.model import (
    Change,
    Conversation,
    ConversationKind,
    Member,
    Message,
    MessageKind,
    Presence,
    Quote,
    Reactions,
    Settings,
    from_micros,
    to_micros,
)

_KINDS = {
    conversation_pb2.CONVERSATION_KIND_DIRECT: ConversationKind.DIRECT,
    conversation_pb2.CONVERSATION_KIND_GROUP: ConversationKind.GROUP,
}
# Events that are not shown.
NOTES = ("nickname", None)
_REMOVED = {
    message_pb2.REMOVED_REASON_RECALLED: "recalled",
    message_pb2.REMOVED_REASON_EXPIRED: "expired",
    message_pb2.REMOVED_REASON_HIDDEN: "hidden",
    message_pb2.REMOVED_REASON_MODERATED: "moderated",
}
_REASONS = {word: reason for reason, word in _REMOVED.items()}


def to_message(message: message_pb2.Message) -> Message:
    """Reads a message; content of a kind that this version does not know is UNKNOWN."""
    kind = message.WhichOneof("content")
    read = Message(
        conversation_id=message.conversation_id,
        seq=message.seq,
        sender_id=message.sender_id,
        client_message_id=message.client_message_id,
        text=message.text,
        created_at=from_micros(message.created_at.ToMicroseconds()),
    )
    if kind == "text" and not _has_more(message):
        return read
    if kind is None:
        return replace(read, kind=MessageKind.UNKNOWN)
    quote = Quote(message.quote.seq, message.quote.sender_id)
    return replace(
        read,
        kind=_kind(message, kind),
        change=_to_change(message, kind),
        removed=_REMOVED.get(message.removed.reason, "removed") if kind == "removed" else "",
        quote=quote if message.HasField("quote") else None,
        mentioned=tuple(message.mentions.user_ids),
        mentions_everybody=message.mentions.everybody,
        forwarded_from=message.forwarded.sender_id,
        edited_at=_to_time(message.edited_at) if message.HasField("edited_at") else None,
        reactions=tuple(Reactions(it.emoji, tuple(it.user_ids)) for it in message.reactions),
        expires_at=_to_time(message.expires_at) if message.HasField("expires_at") else None,
        event=to_event(message.event) if kind == "event" else None,
        card_user_id=message.card.user_id,
    )


def _kind(message: message_pb2.Message, kind: str) -> MessageKind:
    if kind == "event" and message.event.WhichOneof("what") in NOTES:
        return MessageKind.NOTE
    return MessageKind(kind)


def _has_more(message: message_pb2.Message) -> bool:
    return bool(message.reactions) or any(
        message.HasField(name)
        for name in ("quote", "mentions", "forwarded", "edited_at", "expires_at", "card")
    )


def _to_change(message: message_pb2.Message, kind: str) -> Change | None:
    match kind:
        case "recall":
            return Change(message.recall.seq, moderated=message.recall.moderated)
        case "edit":
            edit = message.edit
            mentions = edit.mentions
            return Change(
                edit.seq,
                edit.text,
                mentioned=tuple(mentions.user_ids),
                everybody=mentions.everybody,
            )
        case "reaction":
            reaction = message.reaction
            return Change(reaction.seq, emoji=reaction.emoji, removed=reaction.removed)
        case "pin":
            return Change(message.pin.seq, removed=message.pin.removed)
        case "timer":
            return Change(seconds=message.timer.seconds)
    return None


def _to_time(time: Timestamp) -> datetime:
    return from_micros(time.ToMicroseconds())


def from_message(message: Message) -> message_pb2.Message:
    """Makes what `to_message` reads back; the cache keeps what is more than a text in it."""
    target = message_pb2.Message(
        conversation_id=message.conversation_id,
        seq=message.seq,
        sender_id=message.sender_id,
        client_message_id=message.client_message_id,
    )
    target.created_at.FromMicroseconds(to_micros(message.created_at))
    _write_content(message, target)
    if message.quote:
        target.quote.seq, target.quote.sender_id = message.quote.seq, message.quote.sender_id
    if message.mentioned or message.mentions_everybody:
        target.mentions.user_ids.extend(message.mentioned)
        target.mentions.everybody = message.mentions_everybody
    if message.forwarded_from:
        target.forwarded.sender_id = message.forwarded_from
    if message.edited_at:
        target.edited_at.FromMicroseconds(to_micros(message.edited_at))
    for it in message.reactions:
        target.reactions.add(emoji=it.emoji, user_ids=it.user_ids)
    if message.expires_at:
        target.expires_at.FromMicroseconds(to_micros(message.expires_at))
    if message.card_user_id:
        target.card.user_id = message.card_user_id
    return target


def _write_content(message: Message, target: message_pb2.Message) -> None:
    change = message.change or Change()
    mentions = message_pb2.Mentions(user_ids=change.mentioned, everybody=change.everybody)
    match message.kind:
        case MessageKind.TEXT:
            target.text = message.text
        case MessageKind.REMOVED:
            target.removed.reason = _REASONS.get(
                message.removed, message_pb2.REMOVED_REASON_UNSPECIFIED
            )
        case MessageKind.RECALL:
            target.recall.seq = change.seq
            target.recall.moderated = change.moderated
        case MessageKind.EDIT:
            target.edit.seq, target.edit.text = change.seq, change.text
            if change.mentioned or change.everybody:
                target.edit.mentions.CopyFrom(mentions)
        case MessageKind.REACTION:
            target.reaction.seq, target.reaction.emoji = change.seq, change.emoji
            target.reaction.removed = change.removed
        case MessageKind.PIN:
            target.pin.seq, target.pin.removed = change.seq, change.removed
        case MessageKind.TIMER:
            target.timer.seconds = change.seconds
        case MessageKind.EVENT | MessageKind.NOTE:
            if message.event:
                target.event.CopyFrom(from_event(message.event))


def to_settings(settings: conversation_pb2.ConversationSettings) -> Settings:
    """Reads what a conversation is to the account."""
    muted = _to_time(settings.muted_until) if settings.HasField("muted_until") else None
    return Settings(
        pinned=settings.pinned,
        muted_until=muted,
        archived=settings.archived,
        marked_unread=settings.marked_unread,
        draft=settings.draft,
        cleared_seq=settings.cleared_seq,
        removed=settings.removed,
    )


def from_settings(settings: Settings) -> conversation_pb2.ConversationSettings:
    """Makes what `to_settings` reads back."""
    target = conversation_pb2.ConversationSettings(
        pinned=settings.pinned,
        archived=settings.archived,
        marked_unread=settings.marked_unread,
        draft=settings.draft,
        cleared_seq=settings.cleared_seq,
        removed=settings.removed,
    )
    if settings.muted_until:
        target.muted_until.FromMicroseconds(to_micros(settings.muted_until))
    return target


def to_conversation(conversation: conversation_pb2.Conversation) -> Conversation:
    """Reads a conversation."""
    has_last = conversation.HasField("last_message")
    return Conversation(
        conversation_id=conversation.conversation_id,
        kind=_KINDS.get(conversation.kind, ConversationKind.UNKNOWN),
        members=tuple(
            Member(it.user_id, it.read_seq, it.received_seq) for it in conversation.members
        ),
        last_seq=conversation.last_seq,
        unread_count=conversation.unread_count,
        last_message=to_message(conversation.last_message) if has_last else None,
        mention_count=conversation.mention_count,
        settings=to_settings(conversation.settings),
        disappear_seconds=conversation.disappear_seconds,
        pinned_seqs=tuple(conversation.pinned_seqs),
        group=to_group(conversation.group) if conversation.HasField("group") else None,
        request=conversation.request,
    )


def to_presence(presence: presence_pb2.Presence) -> Presence:
    """Reads a presence."""
    states = {
        presence_pb2.PRESENCE_STATE_ONLINE: True,
        presence_pb2.PRESENCE_STATE_OFFLINE: False,
    }
    active_at = _to_time(presence.active_at) if presence.HasField("active_at") else None
    return Presence(presence.user_id, states.get(presence.state), active_at)


def to_error(refusal: gate_pb2.Refusal) -> ServerError:
    """Reads a refusal of the stream as the exception that the same status would be."""
    delay = seconds(refusal.retry_delay) if refusal.HasField("retry_delay") else None
    return server_error(refusal.code, refusal.reason, refusal.message, retry_delay=delay)


def to_send(message: Message) -> message_pb2.SendRequest:
    """Makes the request that stores a message."""
    if message.request:
        return message_pb2.SendRequest.FromString(message.request)
    return message_pb2.SendRequest(
        conversation_id=message.conversation_id,
        client_message_id=message.client_message_id,
        text=message.text,
    )
