"""Who may do what in a group: the one table, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from services.chat.model import ADMIN, MEMBER, OWNER, GroupRules


class Act(Enum):
    """What one may want to do in a group."""

    READ = "read what is said since one came"
    LIST = "see who is a member"
    WRITE = "write, react, forward, edit what one wrote"
    RECALL = "take back what one wrote"
    NICKNAME = "set one's own name in the group"
    LEAVE = "leave"
    INVITE = "invite, and make invites"
    EDIT = "change the name"
    PIN = "pin messages"
    ANNOUNCE = "announce"
    MENTION_ALL = "mention everybody"
    TIMER = "let messages disappear"
    RULES = "change who may do what, mute all"
    APPROVE = "see who waits, and let in or not"
    INVITES = "see and revoke the invites of others"
    SILENCE = "silence a member"
    REMOVE = "remove a member"
    RECALL_OTHERS = "take back what others wrote"
    SET_ROLE = "make and unmake admins"
    LARGE = "make it a large group"
    TRANSFER = "make another the owner"
    DISSOLVE = "dissolve the group"


@dataclass(frozen=True, slots=True)
class Need:
    """What an act needs: at least a role, or the one that a setting of the group names."""

    role: int = MEMBER
    setting: str = ""
    over_lesser: bool = False
    """Whether the other must have a lesser role."""
    not_owner: bool = False
    muted: int = 0
    """At least which role while the group is muted."""


TABLE: Mapping[Act, Need] = {
    Act.READ: Need(MEMBER),
    Act.LIST: Need(MEMBER),
    Act.WRITE: Need(MEMBER, muted=ADMIN),
    Act.RECALL: Need(MEMBER),
    Act.NICKNAME: Need(MEMBER),
    Act.LEAVE: Need(MEMBER, not_owner=True),
    Act.INVITE: Need(setting="may_invite"),
    Act.EDIT: Need(setting="may_edit"),
    Act.PIN: Need(setting="may_edit"),
    Act.ANNOUNCE: Need(setting="may_announce"),
    Act.MENTION_ALL: Need(ADMIN),
    Act.TIMER: Need(ADMIN),
    Act.RULES: Need(ADMIN),
    Act.APPROVE: Need(ADMIN),
    Act.INVITES: Need(ADMIN),
    Act.SILENCE: Need(ADMIN, over_lesser=True),
    Act.REMOVE: Need(ADMIN, over_lesser=True),
    Act.RECALL_OTHERS: Need(ADMIN, over_lesser=True),
    Act.SET_ROLE: Need(OWNER, over_lesser=True),
    Act.LARGE: Need(OWNER),
    Act.TRANSFER: Need(OWNER, over_lesser=True),
    Act.DISSOLVE: Need(OWNER),
}


def may(act: Act, role: int, rules: GroupRules, other: int = 0) -> bool:
    """Says whether who has a role may act, on a member of the role `other` where it is on one."""
    need = TABLE[act]
    least = getattr(rules, need.setting) if need.setting else need.role
    if need.muted and rules.muted:
        least = max(least, need.muted)
    if need.over_lesser and other >= role:
        return False
    if need.not_owner and role == OWNER:
        return False
    return role >= max(least, MEMBER)
