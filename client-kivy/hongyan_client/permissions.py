"""Who may do what in a group, as the server decides it: what a client need not offer."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hongyan_client.model import Group

# From the least to the greatest; who is no member has none.
ROLES = ("", "member", "admin", "owner")


class Act(StrEnum):
    """What one may want to do in a group; docs/permissions.md says who may."""

    READ = "READ"
    LIST = "LIST"
    WRITE = "WRITE"
    RECALL = "RECALL"
    NICKNAME = "NICKNAME"
    LEAVE = "LEAVE"
    INVITE = "INVITE"
    EDIT = "EDIT"
    PIN = "PIN"
    ANNOUNCE = "ANNOUNCE"
    MENTION_ALL = "MENTION_ALL"
    TIMER = "TIMER"
    RULES = "RULES"
    APPROVE = "APPROVE"
    INVITES = "INVITES"
    SILENCE = "SILENCE"
    REMOVE = "REMOVE"
    RECALL_OTHERS = "RECALL_OTHERS"
    SET_ROLE = "SET_ROLE"
    LARGE = "LARGE"
    TRANSFER = "TRANSFER"
    DISSOLVE = "DISSOLVE"


@dataclass(frozen=True, slots=True)
class Need:
    """What an act needs: at least a role, or the one that a setting of the group names."""

    role: str = "member"
    setting: str = ""
    over_lesser: bool = False
    """Whether the other must have a lesser role."""
    not_owner: bool = False
    muted: str = "member"
    """At least which role while the group is muted."""


_MEMBER, _ADMIN, _OWNER = Need(), Need("admin"), Need("owner")
TABLE: Mapping[Act, Need] = {
    Act.READ: _MEMBER,
    Act.LIST: _MEMBER,
    Act.WRITE: Need(muted="admin"),
    Act.RECALL: _MEMBER,
    Act.NICKNAME: _MEMBER,
    Act.LEAVE: Need(not_owner=True),
    Act.INVITE: Need(setting="may_invite"),
    Act.EDIT: Need(setting="may_edit"),
    Act.PIN: Need(setting="may_edit"),
    Act.ANNOUNCE: Need(setting="may_announce"),
    Act.MENTION_ALL: _ADMIN,
    Act.TIMER: _ADMIN,
    Act.RULES: _ADMIN,
    Act.APPROVE: _ADMIN,
    Act.INVITES: _ADMIN,
    Act.SILENCE: Need("admin", over_lesser=True),
    Act.REMOVE: Need("admin", over_lesser=True),
    Act.RECALL_OTHERS: Need("admin", over_lesser=True),
    Act.SET_ROLE: Need("owner", over_lesser=True),
    Act.LARGE: _OWNER,
    Act.TRANSFER: Need("owner", over_lesser=True),
    Act.DISSOLVE: _OWNER,
}


def may(act: Act, group: Group | None, other: str = "") -> bool:
    """Says whether the account may act in a group, on a member of the role `other` where it is
    on one. Without a group, in a direct chat, there are no roles: there one may.
    """
    if group is None:
        return True
    need, role = TABLE[act], ROLES.index(group.role)
    least = ROLES.index(getattr(group.settings, need.setting) if need.setting else need.role)
    if group.settings.muted:
        least = max(least, ROLES.index(need.muted))
    if need.over_lesser and ROLES.index(other) >= role:
        return False
    if need.not_owner and group.role == "owner":
        return False
    return role >= max(least, 1)
