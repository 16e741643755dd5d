"""Between the contract's people and groups and this library's model."""

from dataclasses import replace
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from hongyan.chat.v1 import contact_pb2, conversation_pb2, group_event_pb2, group_pb2

from hongyan_client.model import (
    Contact,
    ContactCode,
    ContactRequest,
    Group,
    GroupEvent,
    GroupMember,
    GroupSettings,
    Invite,
    JoinRequest,
    from_micros,
    to_micros,
)

ROLES = {
    group_event_pb2.GROUP_ROLE_MEMBER: "member",
    group_event_pb2.GROUP_ROLE_ADMIN: "admin",
    group_event_pb2.GROUP_ROLE_OWNER: "owner",
}
ROLE_NUMBERS = {name: number for number, name in ROLES.items()}
SOURCES = {1: "search", 2: "code", 3: "group", 4: "card"}
SOURCE_NUMBERS = {name: number for number, name in SOURCES.items()}
STATES = {1: "pending", 2: "accepted", 3: "declined", 4: "expired", 5: "withdrawn"}


def _time(time: Timestamp) -> datetime:
    return from_micros(time.ToMicroseconds())


# Groups


def to_group_settings(settings: group_event_pb2.GroupSettings) -> GroupSettings:
    """Reads what a group is set to."""
    return GroupSettings(
        settings.name,
        ROLES.get(settings.may_invite, "member"),
        ROLES.get(settings.may_edit, "member"),
        ROLES.get(settings.may_announce, "admin"),
        settings.approval,
        settings.muted,
        settings.large,
    )


def from_group_settings(settings: GroupSettings) -> group_event_pb2.GroupSettings:
    """Makes what `to_group_settings` reads back."""
    return group_event_pb2.GroupSettings(
        name=settings.name,
        may_invite=ROLE_NUMBERS[settings.may_invite],
        may_edit=ROLE_NUMBERS[settings.may_edit],
        may_announce=ROLE_NUMBERS[settings.may_announce],
        approval=settings.approval,
        muted=settings.muted,
        large=settings.large,
    )


def to_group(group: conversation_pb2.Group) -> Group:
    """Reads what a group is to the account."""
    return Group(
        to_group_settings(group.settings),
        ROLES.get(group.role, ""),
        group.member_count,
        group.member_version,
        group.announcement,
        group.announcement_seq,
        _time(group.silenced_until) if group.HasField("silenced_until") else None,
        group.dissolved,
        group.nickname,
        tuple(group.picture_user_ids),
        group.waiting_count,
    )


def from_group(group: Group) -> conversation_pb2.Group:
    """Makes what `to_group` reads back; the cache keeps it."""
    target = conversation_pb2.Group(
        settings=from_group_settings(group.settings),
        role=ROLE_NUMBERS.get(group.role, group_event_pb2.GROUP_ROLE_UNSPECIFIED),
        member_count=group.member_count,
        member_version=group.member_version,
        announcement=group.announcement,
        announcement_seq=group.announcement_seq,
        dissolved=group.dissolved,
        nickname=group.nickname,
        picture_user_ids=group.picture_user_ids,
        waiting_count=group.waiting_count,
    )
    if group.silenced_until:
        target.silenced_until.FromMicroseconds(to_micros(group.silenced_until))
    return target


def to_event(event: group_event_pb2.GroupEvent) -> GroupEvent:
    """Reads what happened to a group; what this version does not know is nothing."""
    return replace(
        _to_what(event),
        what=event.WhichOneof("what") or "",
        member_count=event.member_count,
        member_version=event.member_version,
        raw=event.SerializeToString(),
    )


def _to_what(event: group_event_pb2.GroupEvent) -> GroupEvent:
    match event.WhichOneof("what"):
        case "created":
            return GroupEvent(user_ids=tuple(event.created.user_ids), text=event.created.name)
        case "joined":
            it = event.joined
            return GroupEvent(
                user_ids=tuple(it.user_ids), inviter_id=it.inviter_id, by_invite=it.by_invite
            )
        case "left":
            return GroupEvent(user_ids=(event.left.user_id,))
        case "role":
            role = ROLES.get(event.role.role, "")
            return GroupEvent(user_ids=(event.role.user_id,), role=role)
        case "transferred":
            return GroupEvent(user_ids=(event.transferred.user_id,))
        case "changed":
            settings = to_group_settings(event.changed.settings)
            return GroupEvent(fields=tuple(event.changed.fields), settings=settings)
        case "announced":
            return GroupEvent(text=event.announced.text)
        case "silenced":
            silenced = event.silenced
            until = _time(silenced.until) if silenced.HasField("until") else None
            return GroupEvent(user_ids=(silenced.user_id,), until=until)
        case "nickname":
            return GroupEvent(text=event.nickname.nickname)
    return GroupEvent()


def from_event(event: GroupEvent) -> group_event_pb2.GroupEvent:
    """Makes what `to_event` reads back; the cache keeps it."""
    return group_event_pb2.GroupEvent.FromString(event.raw)


def to_group_member(member: group_pb2.GroupMember) -> GroupMember:
    """Reads a member of a group."""
    return GroupMember(
        member.user_id,
        ROLES.get(member.role, ""),
        member.nickname,
        _time(member.silenced_until) if member.HasField("silenced_until") else None,
        _time(member.joined_at),
    )


def to_invite(invite: group_pb2.GroupInvite) -> Invite:
    """Reads an invite."""
    return Invite(
        invite.invite_id,
        invite.inviter_id,
        _time(invite.expires_at),
        invite.uses_left,
        invite.code,
    )


def to_join_request(request: group_pb2.JoinRequest) -> JoinRequest:
    """Reads who waits to be let in."""
    return JoinRequest(
        request.user_id, request.inviter_id, request.greeting, _time(request.created_at)
    )


# Contacts


def to_contact(contact: contact_pb2.Contact) -> Contact:
    """Reads what a user is to the account."""
    since = _time(contact.friends_since) if contact.HasField("friends_since") else None
    return Contact(
        contact.user_id,
        contact.friend,
        contact.remark,
        tuple(contact.tags),
        contact.starred,
        contact.blocked,
        since,
    )


def to_contact_request(request: contact_pb2.ContactRequest) -> ContactRequest:
    """Reads a request to be friends."""
    return ContactRequest(
        request.user_id,
        request.incoming,
        request.greeting,
        SOURCES.get(request.source, "search"),
        STATES.get(request.state, "pending"),
        _time(request.created_at),
        _time(request.expires_at),
    )


def to_contact_code(code: contact_pb2.ContactCode) -> ContactCode:
    """Reads a code."""
    return ContactCode(code.code_id, _time(code.expires_at), code.code)
