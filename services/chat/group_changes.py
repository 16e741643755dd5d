"""What changes a group: each act is an entry of its log, done in the transaction that appends it.

The row of the conversation is locked meanwhile, and the guard is of this moment: nobody else
changes who is a member or what their role is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from hongyan.chat.v1 import group_event_pb2

from services.chat import bodies
from services.chat.changes import EVERYBODY, Author, GroupAct, Made
from services.chat.guard import role_too_low, silenced
from services.chat.model import ADMIN, EVENT, NOTE, OWNER, GroupRules, Guard
from services.chat.permissions import Act, may
from services.common.errors import AppError, Exhausted, NotFound, Precondition

Event = group_event_pb2.GroupEvent


@dataclass(frozen=True, slots=True)
class Begin(GroupAct):
    """The group was made: its first entry."""


@dataclass(frozen=True, slots=True)
class Befriend(GroupAct):
    """In a direct conversation: the two are friends."""


@dataclass(frozen=True, slots=True)
class Admit(GroupAct):
    """Lets users in; those who are members are passed over."""

    user_ids: tuple[str, ...]
    inviter_id: str
    by_invite: bool = False


@dataclass(frozen=True, slots=True)
class Remove(GroupAct):
    """Removes a member; the sender themself leaves."""

    user_id: str


@dataclass(frozen=True, slots=True)
class SetRole(GroupAct):
    """Makes a member an admin, or an admin a member."""

    user_id: str
    role: int


@dataclass(frozen=True, slots=True)
class Transfer(GroupAct):
    """Makes another member the owner."""

    user_id: str


@dataclass(frozen=True, slots=True)
class Dissolve(GroupAct):
    """Ends the group."""


@dataclass(frozen=True, slots=True)
class Change(GroupAct):
    """Changes fields of GroupRules."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Announce(GroupAct):
    """Announces; an empty text takes the announcement down."""

    text: str


@dataclass(frozen=True, slots=True)
class Silence(GroupAct):
    """Forbids a member to write until a moment in microseconds; 0 allows it."""

    user_id: str
    until: int


@dataclass(frozen=True, slots=True)
class Nickname(GroupAct):
    """Sets the sender's own name in the group."""

    nickname: str


class Unchanged(AppError):
    """An act would change nothing: there is no entry of it."""

    def __init__(self) -> None:
        super().__init__("UNCHANGED", "it is so already")


class GroupChangeStore(Protocol):
    """The storage that acts need, inside the transaction that appends the entry."""

    async def beginning(self, conversation_id: str) -> tuple[str, tuple[str, ...]]: ...
    async def admit(
        self, conversation_id: str, user_ids: Collection[str], seq: int, now: int
    ) -> None: ...
    async def dismiss(
        self, conversation_id: str, user_ids: Collection[str], seq: int, now: int
    ) -> None: ...
    async def set_role(self, conversation_id: str, user_id: str, role: int) -> None: ...
    async def set_rules(self, conversation_id: str, rules: GroupRules) -> None: ...
    async def set_announcement(self, conversation_id: str, seq: int, text: str) -> None: ...
    async def silence(self, conversation_id: str, user_id: str, until: int) -> None: ...
    async def nickname(self, conversation_id: str, user_id: str) -> str: ...
    async def set_nickname(self, conversation_id: str, user_id: str, nickname: str) -> None: ...
    async def dissolve(self, conversation_id: str) -> None: ...
    async def members_changed(self, conversation_id: str) -> int: ...
    async def drop_join_requests(self, conversation_id: str, user_ids: Collection[str]) -> None: ...
    async def add_mentions(
        self, conversation_id: str, seq: int, users: Collection[str]
    ) -> None: ...


def need(guard: Guard | None, act: Act, user_id: str, other: int = 0) -> GroupRules:
    """Returns the group's rules; raises Precondition when it is none, Denied when not allowed."""
    if guard is None or guard.rules is None:
        raise Precondition("NOT_A_GROUP", "the conversation is not a group")
    if not may(act, guard.roles[user_id], guard.rules, other):
        raise role_too_low()
    return guard.rules


class GroupChanges:
    """Does what acts say; `limit` and `large_limit` are the most members of a group."""

    def __init__(self, limit: int, large_limit: int) -> None:
        self._limit = limit
        self._large_limit = large_limit

    def most(self, rules: GroupRules) -> int:
        """Returns how many members a group may have."""
        return self._large_limit if rules.large else self._limit

    async def perform(self, store: GroupChangeStore, author: Author, act: GroupAct) -> Made:
        """Does what an act says and returns its entry; raises AppError and Unchanged.

        An act looks first and changes things then, so that one that is refused changes nothing.
        """
        event = group_event_pb2.GroupEvent()
        if isinstance(act, Befriend):
            event.friends.SetInParent()
            return Made(EVENT, bodies.event(event))
        doing: Mapping[type, Any] = {
            Begin: self._begin,
            Admit: self._admit,
            Remove: self._remove,
            SetRole: self._set_role,
            Transfer: self._transfer,
            Dissolve: self._dissolve,
            Change: self._change,
            Announce: self._announce,
            Silence: self._silence,
            Nickname: self._nickname,
        }
        if not isinstance(act, Begin):
            _rules(author)
        came: Sequence[str] = await doing[type(act)](store, author, act, event) or ()
        event.member_count = await store.members_changed(author.conversation_id)
        event.member_version = author.member_version + 1
        kind = NOTE if isinstance(act, Nickname) else EVENT
        return Made(kind, bodies.event(event), told=(*author.members, *came))

    async def _begin(
        self, store: GroupChangeStore, author: Author, act: Begin, event: Event
    ) -> None:
        event.created.name, others = await store.beginning(author.conversation_id)
        event.created.user_ids.extend(others)

    async def _admit(
        self, store: GroupChangeStore, author: Author, act: Admit, event: Event
    ) -> Sequence[str]:
        rules = _rules(author)
        role = _roles(author).get(author.user_id, 0)
        if (
            not act.by_invite
            and not may(Act.INVITE, role, rules)
            and not may(Act.APPROVE, role, rules)
        ):
            raise role_too_low()
        coming = [user for user in dict.fromkeys(act.user_ids) if user not in author.members]
        if not coming:
            raise Unchanged()
        if len(author.members) + len(coming) > self.most(rules):
            raise Exhausted("GROUP_FULL", f"a group has at most {self.most(rules)} members")
        await store.admit(author.conversation_id, coming, author.seq, author.now)
        await store.drop_join_requests(author.conversation_id, coming)
        event.joined.user_ids.extend(coming)
        event.joined.inviter_id = act.inviter_id
        event.joined.by_invite = act.by_invite
        return coming

    async def _remove(
        self, store: GroupChangeStore, author: Author, act: Remove, event: Event
    ) -> None:
        if act.user_id != author.user_id:
            _over(author, Act.REMOVE, act.user_id)
        elif _roles(author)[act.user_id] == OWNER:
            raise Precondition(
                "OWNER_CANNOT_LEAVE", "the owner transfers the group or dissolves it"
            )
        await store.dismiss(author.conversation_id, [act.user_id], author.seq, author.now)
        event.left.user_id = act.user_id

    async def _set_role(
        self, store: GroupChangeStore, author: Author, act: SetRole, event: Event
    ) -> None:
        _over(author, Act.SET_ROLE, act.user_id)
        if _roles(author)[act.user_id] == act.role:
            raise Unchanged()
        await store.set_role(author.conversation_id, act.user_id, act.role)
        event.role.user_id = act.user_id
        event.role.role = group_event_pb2.GroupRole.ValueType(act.role)

    async def _transfer(
        self, store: GroupChangeStore, author: Author, act: Transfer, event: Event
    ) -> None:
        _over(author, Act.TRANSFER, act.user_id)
        await store.set_role(author.conversation_id, act.user_id, OWNER)
        # Nobody has a greater role, to allow an owner to write again.
        await store.silence(author.conversation_id, act.user_id, 0)
        await store.set_role(author.conversation_id, author.user_id, ADMIN)
        event.transferred.user_id = act.user_id

    async def _dissolve(
        self, store: GroupChangeStore, author: Author, act: Dissolve, event: Event
    ) -> None:
        need(author.guard, Act.DISSOLVE, author.user_id)
        await store.dismiss(author.conversation_id, author.members, author.seq, author.now)
        await store.dissolve(author.conversation_id)
        event.dissolved.SetInParent()

    async def _change(
        self, store: GroupChangeStore, author: Author, act: Change, event: Event
    ) -> None:
        rules = _rules(author)
        changed = replace(rules, **act.values)
        fields = [name for name in act.values if getattr(changed, name) != getattr(rules, name)]
        for name in act.values:
            which = {"name": Act.EDIT, "large": Act.LARGE}.get(name, Act.RULES)
            need(author.guard, which, author.user_id)
        if "name" in act.values:
            _may_speak(author)
        if not fields:
            raise Unchanged()
        if len(author.members) > self.most(changed):
            raise Precondition("GROUP_FULL", "the group has more members than it would hold")
        await store.set_rules(author.conversation_id, changed)
        event.changed.settings.CopyFrom(to_rules(changed))
        event.changed.fields.extend(fields)

    async def _announce(
        self, store: GroupChangeStore, author: Author, act: Announce, event: Event
    ) -> None:
        need(author.guard, Act.ANNOUNCE, author.user_id)
        _may_speak(author)
        seq = author.seq if act.text else 0
        await store.set_announcement(author.conversation_id, seq, act.text)
        if act.text:
            await store.add_mentions(author.conversation_id, author.seq, [EVERYBODY])
        event.announced.text = act.text

    async def _silence(
        self, store: GroupChangeStore, author: Author, act: Silence, event: Event
    ) -> None:
        _over(author, Act.SILENCE, act.user_id)
        await store.silence(author.conversation_id, act.user_id, act.until)
        event.silenced.user_id = act.user_id
        if act.until:
            event.silenced.until.FromMicroseconds(act.until)

    async def _nickname(
        self, store: GroupChangeStore, author: Author, act: Nickname, event: Event
    ) -> None:
        if await store.nickname(author.conversation_id, author.user_id) == act.nickname:
            raise Unchanged()
        await store.set_nickname(author.conversation_id, author.user_id, act.nickname)
        event.nickname.nickname = act.nickname


def _rules(author: Author) -> GroupRules:
    rules = author.guard.rules if author.guard else None
    if rules is None:
        raise Precondition("NOT_A_GROUP", "the conversation is not a group")
    return rules


def _roles(author: Author) -> Mapping[str, int]:
    return author.guard.roles if author.guard else {}


def _may_speak(author: Author) -> None:
    """Raises Denied when the author is silenced: an announcement and a name are words too."""
    if author.guard and author.guard.silenced.get(author.user_id, 0) > author.now:
        raise silenced()


def _over(author: Author, act: Act, user_id: str) -> None:
    """Raises AppError unless the author may do it to another member."""
    other = _roles(author).get(user_id)
    if other is None:
        raise not_in_group()
    need(author.guard, act, author.user_id, other)


def not_in_group() -> AppError:
    """The answer when the other is no member of the group."""
    return NotFound("MEMBER_NOT_FOUND", "the user is not a member of the group")


def to_rules(rules: GroupRules) -> group_event_pb2.GroupSettings:
    """Returns what a group is set to."""
    role = group_event_pb2.GroupRole.ValueType
    return group_event_pb2.GroupSettings(
        name=rules.name,
        may_invite=role(rules.may_invite),
        may_edit=role(rules.may_edit),
        may_announce=role(rules.may_announce),
        approval=rules.approval,
        muted=rules.muted,
        large=rules.large,
    )
