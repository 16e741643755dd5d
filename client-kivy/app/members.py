"""The members of the group that is shown: what they are called there, and their roles."""

from collections.abc import Callable

from app.session import Session
from hongyan_client.model import Conversation, GroupMember


class Members:
    """Asked for once for each version of the list."""

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self._session = session
        self._changed = changed
        self._version: tuple[str, int] = ("", -1)
        self._known: dict[str, GroupMember] = {}

    def follow(self, conversation: Conversation | None) -> None:
        """Looks whether the list is another one now, and asks for it if so."""
        group = conversation.group if conversation else None
        if conversation is None or group is None or not group.role:
            self._known, self._version = {}, ("", -1)
            return
        version = (conversation.conversation_id, group.member_version)
        if version != self._version:
            if version[0] != self._version[0]:
                self._known = {}
            self._version = version
            self._session.spawn(self._ask(version))

    async def _ask(self, version: tuple[str, int]) -> None:
        found = await self._session.client.group_members(version[0])
        if version == self._version:
            self._known = {it.user_id: it for it in found}
            self._changed()

    def all(self) -> list[GroupMember]:
        """Returns the members, as far as they are known."""
        return list(self._known.values())

    def role(self, user_id: str) -> str:
        """Returns a member's role, "" for who is none."""
        known = self._known.get(user_id)
        return known.role if known else ""

    def name(self, user_id: str) -> str:
        """Returns what somebody is called: by the remark, the name in the group, or their own."""
        known = self._known.get(user_id)
        if known and known.nickname and not self._session.client.contact(user_id).remark:
            return known.nickname
        return self._session.name(user_id)
