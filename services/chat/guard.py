"""Who may not write, and why: what a commit looks at before it takes an entry."""

from services.chat import changes
from services.chat.model import BLOCKED, FREE, NOT_FRIENDS, Guard
from services.chat.permissions import Act, may
from services.common.errors import AppError, Denied


def refuse(guard: Guard, user_id: str, detail: changes.Detail | None, now: int) -> AppError | None:
    """Returns why a member may not append an entry, None when they may."""
    if isinstance(detail, changes.Recall | changes.Moderate):
        return None
    if guard.rules is None:
        return _BARRED.get(guard.barred.get(user_id, FREE))
    if isinstance(detail, changes.GroupAct):
        return None
    role = guard.roles[user_id]
    if guard.silenced.get(user_id, 0) > now:
        return silenced()
    if not may(Act.WRITE, role, guard.rules):
        return Denied("GROUP_MUTED", "only admins may write in this group now")
    return None if may(_act(detail), role, guard.rules) else role_too_low()


def silenced() -> AppError:
    """The answer to a member who may not write for a while."""
    return Denied("SILENCED", "an admin has silenced the sender in this group")


def role_too_low() -> AppError:
    """The answer to a member whose role does not allow it."""
    return Denied("ROLE_TOO_LOW", "the caller's role in the group does not allow that")


_BARRED = {
    NOT_FRIENDS: Denied("NOT_FRIENDS", "the other has deleted the sender from their contacts"),
    BLOCKED: Denied("BLOCKED", "the other refuses messages of the sender"),
}


def _act(detail: changes.Detail | None) -> Act:
    match detail:
        case changes.Pin():
            return Act.PIN
        case changes.SetTimer():
            return Act.TIMER
        case changes.Rich(everybody=True) | changes.Edit(everybody=True):
            return Act.MENTION_ALL
    return Act.WRITE
