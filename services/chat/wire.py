"""How chat's things look in protobuf."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hongyan.chat.v1 import contact_pb2, conversation_pb2, group_event_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2

from services.chat import changes
from services.chat.committer import Send
from services.chat.contacts import Contact, Request
from services.chat.group_changes import to_rules
from services.chat.model import TEXT, Conversation, Group, Message, Post, Settings
from services.chat.permissions import Act, may
from services.chat.rules import Caught, Part

MICROS = 1_000_000
# Muted for ever, as far as a Timestamp goes.
LAST_SECOND = 253_402_300_799


def read_send(request: message_pb2.SendRequest, sender_id: str, traceparent: str = "") -> Send:
    """Returns what a validated request wants to append."""
    detail = _read_detail(request)
    if detail is None:
        body = request.text.encode()
    else:
        # The request without its ids is what a retry must repeat.
        content = message_pb2.SendRequest()
        content.CopyFrom(request)
        content.ClearField("conversation_id")
        content.ClearField("client_message_id")
        body = content.SerializeToString(deterministic=True)
    return Send(
        request.conversation_id, sender_id, request.client_message_id, body, detail, traceparent
    )


def _read_detail(request: message_pb2.SendRequest) -> changes.Detail | None:
    match request.WhichOneof("content"):
        case "text":
            if not any(request.HasField(field) for field in ("quote", "mentions", "card")):
                return None
            mentions = request.mentions
            return changes.Rich(
                request.text,
                request.quote.seq,
                tuple(mentions.user_ids),
                mentions.everybody,
                request.card.user_id,
            )
        case "recall":
            return changes.Recall(request.recall.seq)
        case "edit":
            edit = request.edit
            return changes.Edit(
                edit.seq, edit.text, tuple(edit.mentions.user_ids), edit.mentions.everybody
            )
        case "reaction":
            reaction = request.reaction
            return changes.React(reaction.seq, reaction.emoji, reaction.removed)
        case "pin":
            return changes.Pin(request.pin.seq, request.pin.removed)
        case "timer":
            return changes.SetTimer(request.timer.seconds)
        case "forward":
            return changes.Forward(request.forward.conversation_id, request.forward.seq)
    raise AssertionError("a validated request has content")


def write_message(message: Message, target: message_pb2.Message) -> None:
    """Fills in a message."""
    if message.kind == TEXT:
        target.text = message.body.decode()
    else:
        target.MergeFromString(message.body)
    target.conversation_id = message.conversation_id
    target.seq = message.seq
    target.sender_id = message.sender_id
    target.client_message_id = message.client_message_id
    _write_time(message.created_at, target.created_at)
    if message.edited_at:
        _write_time(message.edited_at, target.edited_at)
    if message.expires_at:
        _write_time(message.expires_at, target.expires_at)
    if message.reactions:
        _write_reactions(message.reactions, target)


def _write_time(micros: int, target: Timestamp) -> None:
    seconds, rest = divmod(micros, MICROS)
    target.seconds = seconds
    target.nanos = rest * 1000


def _write_reactions(given: Sequence[tuple[str, str]], target: message_pb2.Message) -> None:
    by_emoji: dict[str, list[str]] = {}
    for emoji, user_id in given:
        by_emoji.setdefault(emoji, []).append(user_id)
    for emoji, user_ids in by_emoji.items():
        target.reactions.add(emoji=emoji, user_ids=user_ids)


def to_json(message: Message) -> dict[str, object]:
    """Returns a message as REST shows it."""
    shown: dict[str, object] = json_format.MessageToDict(
        to_message(message),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    return shown


def to_message(message: Message) -> message_pb2.Message:
    """Returns a message."""
    target = message_pb2.Message()
    write_message(message, target)
    return target


def to_settings(settings: Settings) -> conversation_pb2.ConversationSettings:
    """Returns what a conversation is to a member."""
    target = conversation_pb2.ConversationSettings(
        pinned=settings.pinned,
        archived=settings.archived,
        marked_unread=settings.marked_unread,
        draft=settings.draft,
        cleared_seq=settings.cleared_seq,
        removed=settings.removed,
    )
    if settings.muted_until:
        _write_time(settings.muted_until, target.muted_until)
    return target


READ: Mapping[str, Any] = {
    "pinned": lambda it: it.pinned,
    "archived": lambda it: it.archived,
    "marked_unread": lambda it: it.marked_unread,
    "draft": lambda it: it.draft,
    "muted_until": lambda it: (
        min(it.muted_until.seconds, LAST_SECOND) * MICROS + it.muted_until.nanos // 1000
    ),
}
"""How each field that a user may set is read."""


def to_conversation(conversation: Conversation) -> conversation_pb2.Conversation:
    """Returns a conversation."""
    head = conversation.head
    target = conversation_pb2.Conversation(
        conversation_id=head.conversation_id,
        kind=conversation_pb2.ConversationKind.ValueType(head.kind),
        last_seq=head.last_seq,
        unread_count=conversation.unread,
        mention_count=conversation.mentions,
        disappear_seconds=head.disappear_seconds,
        pinned_seqs=conversation.pinned_seqs,
        settings=to_settings(conversation.settings),
    )
    for member in conversation.members:
        target.members.add(
            user_id=member.user_id, read_seq=member.read_seq, received_seq=member.received_seq
        )
    if conversation.last_message:
        write_message(conversation.last_message, target.last_message)
    target.request = conversation.request
    if conversation.group:
        _write_group(conversation.group, conversation.post, target.group)
    return target


def _write_group(group: Group, post: Post | None, target: conversation_pb2.Group) -> None:
    target.dissolved = group.dissolved
    if post is None:  # what becomes of a group is not for who has left, but for what it is called
        target.settings.name = group.rules.name
        return
    target.settings.CopyFrom(to_rules(group.rules))
    target.picture_user_ids.extend(group.picture)
    target.role = group_event_pb2.GroupRole.ValueType(post.role)
    target.member_count = group.member_count
    target.member_version = group.member_version
    target.announcement = group.announcement
    target.announcement_seq = group.announcement_seq
    target.nickname = post.nickname
    if post.silenced_until:
        _write_time(post.silenced_until, target.silenced_until)
    if may(Act.APPROVE, post.role, group.rules):
        target.waiting_count = group.waiting


def to_difference(part: Part) -> bytes:
    """Returns the frame with one part of a difference."""
    frame = gate_pb2.ConnectResponse()
    difference = frame.events.add().difference
    difference.reset = part.reset
    for change in part.changes:
        difference.user_changes.add().MergeFromString(change.payload)
    for missing in part.conversations:
        target = difference.conversations.add(
            conversation=to_conversation(missing.conversation), joined=missing.joined
        )
        for message in missing.messages:
            write_message(message, target.messages.add())
    return frame.SerializeToString()


def to_caught_up(caught: Caught) -> bytes:
    """Returns the frame that ends a difference."""
    frame = gate_pb2.ConnectResponse()
    event = frame.events.add().caught_up
    event.user_version = caught.user_version
    event.synced_at_micros = caught.synced_at
    return frame.SerializeToString()


def settings_change(version: int, conversation_id: str, settings: Settings) -> bytes:
    """Returns the change that tells of a conversation's settings."""
    change = conversation_pb2.UserChange(version=version)
    change.settings.conversation_id = conversation_id
    change.settings.settings.CopyFrom(to_settings(settings))
    return change.SerializeToString()


def waiting_change(version: int, conversation_id: str, count: int) -> bytes:
    """Returns the change that tells how many wait to be let into a group."""
    change = conversation_pb2.UserChange(version=version)
    change.waiting.conversation_id = conversation_id
    change.waiting.waiting_count = count
    return change.SerializeToString()


def hidden_change(version: int, conversation_id: str, seqs: Sequence[int]) -> bytes:
    """Returns the change that tells of hidden messages."""
    change = conversation_pb2.UserChange(version=version)
    change.hidden.conversation_id = conversation_id
    change.hidden.seqs.extend(seqs)
    return change.SerializeToString()


def to_contact(contact: Contact) -> contact_pb2.Contact:
    """Returns what a user is to another."""
    target = contact_pb2.Contact(
        user_id=contact.other_id,
        friend=contact.friend,
        remark=contact.remark,
        tags=contact.tags,
        starred=contact.starred,
        blocked=contact.blocked,
    )
    if contact.friends_since:
        _write_time(contact.friends_since, target.friends_since)
    return target


def to_request(request: Request) -> contact_pb2.ContactRequest:
    """Returns a request to be friends."""
    target = contact_pb2.ContactRequest(
        user_id=request.other_id,
        incoming=request.incoming,
        greeting=request.greeting,
        source=contact_pb2.ContactSource.ValueType(request.source),
        state=contact_pb2.ContactRequestState.ValueType(request.state),
    )
    _write_time(request.created_at, target.created_at)
    _write_time(request.expires_at, target.expires_at)
    return target


def contact_change(version: int, contact: Contact) -> bytes:
    """Returns the change that tells of a contact."""
    change = conversation_pb2.UserChange(version=version, contact=to_contact(contact))
    return change.SerializeToString()


def request_change(version: int, request: Request) -> bytes:
    """Returns the change that tells of a request to be friends."""
    change = conversation_pb2.UserChange(version=version, contact_request=to_request(request))
    return change.SerializeToString()
