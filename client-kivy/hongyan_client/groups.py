"""The client's methods about groups; `Client` has them all."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from hongyan_client.local import Local
from hongyan_client.model import (
    Conversation,
    Door,
    GroupMember,
    GroupSettings,
    Invite,
    JoinRequest,
)

JOIN_LINK = "hongyan://join/"


class Groups(ABC):
    """What an account does with groups. What changes them comes back as entries of their logs."""

    @abstractmethod
    def _open(self) -> Local: ...

    @abstractmethod
    def _micros(self) -> int: ...

    def _keep(self, conversation: Conversation) -> Conversation:
        cache = self._open().cache
        cache.put_conversation(conversation, self._micros())
        return cache.conversation(conversation.conversation_id) or conversation

    async def create_group(
        self, name: str, user_ids: Sequence[str], *, client_group_id: str = ""
    ) -> Conversation:
        """Makes a group of the account and friends; a retry with the same id makes no second."""
        id = client_group_id or uuid.uuid4().hex
        return self._keep(await self._open().groups.create(name, user_ids, id))

    async def update_group(self, conversation_id: str, **values: Any) -> Conversation:
        """Changes fields of GroupSettings."""
        settings = replace(GroupSettings(), **values)
        return self._keep(await self._open().groups.update(conversation_id, settings, values))

    async def group_members(self, conversation_id: str) -> list[GroupMember]:
        """Returns all members, the owner first, then the admins."""
        return await self._open().groups.members(conversation_id)

    async def add_members(
        self, conversation_id: str, user_ids: Sequence[str], *, greeting: str = ""
    ) -> tuple[list[str], list[str]]:
        """Brings friends in; returns who came, and who waits for approval."""
        return await self._open().groups.add(conversation_id, user_ids, greeting)

    async def remove_member(self, conversation_id: str, user_id: str) -> None:
        """Removes a member, who sees nothing later."""
        await self._open().groups.remove(conversation_id, user_id)

    async def leave_group(self, conversation_id: str) -> None:
        """Leaves a group."""
        await self._open().groups.leave(conversation_id)

    async def set_role(self, conversation_id: str, user_id: str, role: str) -> None:
        """Makes a member an "admin", or an admin a "member"."""
        await self._open().groups.set_role(conversation_id, user_id, role)

    async def transfer_group(self, conversation_id: str, user_id: str) -> None:
        """Makes another member the owner."""
        await self._open().groups.transfer(conversation_id, user_id)

    async def dissolve_group(self, conversation_id: str) -> None:
        """Ends a group for everybody."""
        await self._open().groups.dissolve(conversation_id)

    async def silence_member(
        self, conversation_id: str, user_id: str, until: datetime | None
    ) -> None:
        """Forbids a member to write until a moment; None allows it again."""
        await self._open().groups.silence(conversation_id, user_id, until)

    async def set_nickname(self, conversation_id: str, nickname: str) -> None:
        """Sets the own name in a group; empty: the display name."""
        await self._open().groups.set_nickname(conversation_id, nickname)

    async def announce(self, conversation_id: str, text: str) -> int:
        """Announces; returns the seq, for `readers`. An empty text takes it down."""
        return await self._open().groups.announce(conversation_id, text)

    async def create_invite(
        self, conversation_id: str, *, lifetime_seconds: int = 0, max_uses: int = 0
    ) -> Invite:
        """Makes an invite; 0: for a week, for any number. Its link is JOIN_LINK + code."""
        return await self._open().groups.create_invite(conversation_id, lifetime_seconds, max_uses)

    async def invites(self, conversation_id: str) -> list[Invite]:
        """Returns the invites that the account may see."""
        return await self._open().groups.invites(conversation_id)

    async def revoke_invite(self, conversation_id: str, invite_id: str) -> None:
        """Makes an invite work no more."""
        await self._open().groups.revoke_invite(conversation_id, invite_id)

    async def resolve_invite(self, code: str) -> Door:
        """Says where an invite, or its link, leads."""
        return await self._open().groups.resolve_invite(code.removeprefix(JOIN_LINK))

    async def join_group(self, code: str, *, greeting: str = "") -> tuple[bool, str]:
        """Joins by an invite; returns whether the account is a member now, and of what."""
        return await self._open().groups.join(code.removeprefix(JOIN_LINK), greeting)

    async def join_requests(self, conversation_id: str) -> list[JoinRequest]:
        """Returns who waits to be let in."""
        return await self._open().groups.join_requests(conversation_id)

    async def answer_join_request(
        self, conversation_id: str, user_id: str, *, approve: bool
    ) -> None:
        """Lets somebody in who waits, or not."""
        await self._open().groups.answer(conversation_id, user_id, approve=approve)
