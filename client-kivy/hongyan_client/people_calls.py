"""The unary calls about contacts and groups."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from google.protobuf.field_mask_pb2 import FieldMask
from hongyan.chat.v1 import contact_grpc, contact_pb2, group_grpc, group_pb2

from hongyan_client.account import AccountCalls
from hongyan_client.channel import Channel
from hongyan_client.convert import to_conversation
from hongyan_client.convert_people import (
    ROLE_NUMBERS,
    SOURCE_NUMBERS,
    from_group_settings,
    to_contact,
    to_contact_code,
    to_contact_request,
    to_group_member,
    to_invite,
    to_join_request,
)
from hongyan_client.model import (
    Contact,
    ContactCode,
    ContactRequest,
    Conversation,
    Door,
    GroupMember,
    GroupSettings,
    Invite,
    JoinRequest,
    to_micros,
)


class ContactCalls:
    """Calls about contacts as the session of `account`."""

    def __init__(self, channel: Channel, account: AccountCalls) -> None:
        self._call = account.call
        self._stub = contact_grpc.ContactServiceStub(channel.grpc)

    async def everybody(
        self,
    ) -> tuple[list[contact_pb2.Contact], list[contact_pb2.ContactRequest]]:
        """Returns all contacts and requests."""
        contacts: list[contact_pb2.Contact] = []
        requests: list[contact_pb2.ContactRequest] = []
        token = ""
        while True:
            page = await self._call(
                self._stub.ListContacts,
                contact_pb2.ListContactsRequest(page_size=1_000, page_token=token),
            )
            contacts += page.contacts
            if not (token := page.next_page_token):
                break
        while True:
            asked = await self._call(
                self._stub.ListContactRequests,
                contact_pb2.ListContactRequestsRequest(page_size=200, page_token=token),
            )
            requests += asked.requests
            if not (token := asked.next_page_token):
                return contacts, requests

    async def update(
        self, user_id: str, contact: contact_pb2.Contact, fields: Iterable[str]
    ) -> Contact:
        """Changes some fields of a friend."""
        request = contact_pb2.UpdateContactRequest(
            user_id=user_id, contact=contact, update_mask=FieldMask(paths=fields)
        )
        return to_contact((await self._call(self._stub.UpdateContact, request)).contact)

    async def delete(self, user_id: str) -> None:
        """Takes a friend out of the contacts."""
        request = contact_pb2.DeleteContactRequest(user_id=user_id)
        await self._call(self._stub.DeleteContact, request)

    async def block(self, user_id: str) -> Contact:
        """Blocks a user."""
        request = contact_pb2.BlockRequest(user_id=user_id)
        return to_contact((await self._call(self._stub.Block, request)).contact)

    async def unblock(self, user_id: str) -> Contact:
        """Takes a block back."""
        request = contact_pb2.UnblockRequest(user_id=user_id)
        return to_contact((await self._call(self._stub.Unblock, request)).contact)

    async def request(
        self, user_id: str, code: str, greeting: str, source: str, place: tuple[str, int]
    ) -> ContactRequest:
        """Asks a user to be friends; `place` is the group, or where the card is."""
        request = contact_pb2.RequestContactRequest(
            user_id=user_id,
            code=code,
            greeting=greeting,
            source=contact_pb2.ContactSource.ValueType(SOURCE_NUMBERS[source]),
            conversation_id=place[0],
            seq=place[1],
        )
        return to_contact_request((await self._call(self._stub.RequestContact, request)).request)

    async def accept(self, user_id: str) -> tuple[Contact, str]:
        """Accepts a request; returns the friend and the direct conversation."""
        request = contact_pb2.AcceptContactRequestRequest(user_id=user_id)
        answer = await self._call(self._stub.AcceptContactRequest, request)
        return to_contact(answer.contact), answer.conversation_id

    async def decline(self, user_id: str) -> None:
        """Declines a request."""
        request = contact_pb2.DeclineContactRequestRequest(user_id=user_id)
        await self._call(self._stub.DeclineContactRequest, request)

    async def withdraw(self, user_id: str) -> None:
        """Withdraws an own request."""
        request = contact_pb2.WithdrawContactRequestRequest(user_id=user_id)
        await self._call(self._stub.WithdrawContactRequest, request)

    async def create_code(self, lifetime_seconds: int) -> ContactCode:
        """Makes a code; 0: for a week."""
        request = contact_pb2.CreateContactCodeRequest(lifetime_seconds=lifetime_seconds)
        return to_contact_code((await self._call(self._stub.CreateContactCode, request)).code)

    async def codes(self) -> list[ContactCode]:
        """Returns the codes that work."""
        request = contact_pb2.ListContactCodesRequest()
        answer = await self._call(self._stub.ListContactCodes, request)
        return [to_contact_code(it) for it in answer.codes]

    async def revoke_code(self, code_id: str) -> None:
        """Makes a code work no more."""
        request = contact_pb2.RevokeContactCodeRequest(code_id=code_id)
        await self._call(self._stub.RevokeContactCode, request)

    async def resolve_code(self, code: str) -> str:
        """Returns whose code it is."""
        request = contact_pb2.ResolveContactCodeRequest(code=code)
        return (await self._call(self._stub.ResolveContactCode, request)).user_id


class GroupCalls:
    """Calls about groups as the session of `account`."""

    def __init__(self, channel: Channel, account: AccountCalls) -> None:
        self._call = account.call
        self._stub = group_grpc.GroupServiceStub(channel.grpc)

    async def create(
        self, name: str, user_ids: Sequence[str], client_group_id: str
    ) -> Conversation:
        """Makes a group of friends."""
        request = group_pb2.CreateGroupRequest(
            name=name, user_ids=user_ids, client_group_id=client_group_id
        )
        return to_conversation((await self._call(self._stub.CreateGroup, request)).conversation)

    async def update(
        self, conversation_id: str, settings: GroupSettings, fields: Iterable[str]
    ) -> Conversation:
        """Changes some of a group's settings."""
        request = group_pb2.UpdateGroupRequest(
            conversation_id=conversation_id,
            group=from_group_settings(settings),
            update_mask=FieldMask(paths=fields),
        )
        return to_conversation((await self._call(self._stub.UpdateGroup, request)).conversation)

    async def members(self, conversation_id: str) -> list[GroupMember]:
        """Returns all members, the owner first."""
        found: list[GroupMember] = []
        token = ""
        while True:
            request = group_pb2.ListMembersRequest(
                conversation_id=conversation_id, page_size=1_000, page_token=token
            )
            page = await self._call(self._stub.ListMembers, request)
            found += [to_group_member(it) for it in page.members]
            if not (token := page.next_page_token):
                return found

    async def add(
        self, conversation_id: str, user_ids: Sequence[str], greeting: str
    ) -> tuple[list[str], list[str]]:
        """Brings friends in; returns who came, and who waits for approval."""
        request = group_pb2.AddMembersRequest(
            conversation_id=conversation_id, user_ids=user_ids, greeting=greeting
        )
        answer = await self._call(self._stub.AddMembers, request)
        return list(answer.joined_user_ids), list(answer.waiting_user_ids)

    async def remove(self, conversation_id: str, user_id: str) -> None:
        """Removes a member."""
        request = group_pb2.RemoveMemberRequest(conversation_id=conversation_id, user_id=user_id)
        await self._call(self._stub.RemoveMember, request)

    async def leave(self, conversation_id: str) -> None:
        """Leaves a group."""
        request = group_pb2.LeaveGroupRequest(conversation_id=conversation_id)
        await self._call(self._stub.LeaveGroup, request)

    async def set_role(self, conversation_id: str, user_id: str, role: str) -> None:
        """Makes a member an admin, or an admin a member."""
        request = group_pb2.SetRoleRequest(
            conversation_id=conversation_id, user_id=user_id, role=ROLE_NUMBERS[role]
        )
        await self._call(self._stub.SetRole, request)

    async def transfer(self, conversation_id: str, user_id: str) -> None:
        """Makes another member the owner."""
        request = group_pb2.TransferGroupRequest(conversation_id=conversation_id, user_id=user_id)
        await self._call(self._stub.TransferGroup, request)

    async def dissolve(self, conversation_id: str) -> None:
        """Ends a group."""
        request = group_pb2.DissolveGroupRequest(conversation_id=conversation_id)
        await self._call(self._stub.DissolveGroup, request)

    async def silence(self, conversation_id: str, user_id: str, until: datetime | None) -> None:
        """Forbids a member to write until a moment; None allows it."""
        request = group_pb2.SilenceMemberRequest(conversation_id=conversation_id, user_id=user_id)
        if until:
            request.until.FromMicroseconds(to_micros(until))
        await self._call(self._stub.SilenceMember, request)

    async def set_nickname(self, conversation_id: str, nickname: str) -> None:
        """Sets the own name in a group."""
        request = group_pb2.SetNicknameRequest(conversation_id=conversation_id, nickname=nickname)
        await self._call(self._stub.SetNickname, request)

    async def announce(self, conversation_id: str, text: str) -> int:
        """Announces; returns the seq of the entry."""
        request = group_pb2.AnnounceRequest(conversation_id=conversation_id, text=text)
        return (await self._call(self._stub.Announce, request)).seq

    async def create_invite(
        self, conversation_id: str, lifetime_seconds: int, max_uses: int
    ) -> Invite:
        """Makes an invite; 0 seconds is a week, 0 uses any number."""
        request = group_pb2.CreateInviteRequest(
            conversation_id=conversation_id,
            lifetime_seconds=lifetime_seconds,
            max_uses=max_uses,
        )
        return to_invite((await self._call(self._stub.CreateInvite, request)).invite)

    async def invites(self, conversation_id: str) -> list[Invite]:
        """Returns the invites that the account may see."""
        request = group_pb2.ListInvitesRequest(conversation_id=conversation_id)
        answer = await self._call(self._stub.ListInvites, request)
        return [to_invite(it) for it in answer.invites]

    async def revoke_invite(self, conversation_id: str, invite_id: str) -> None:
        """Makes an invite work no more."""
        request = group_pb2.RevokeInviteRequest(
            conversation_id=conversation_id, invite_id=invite_id
        )
        await self._call(self._stub.RevokeInvite, request)

    async def resolve_invite(self, code: str) -> Door:
        """Says where an invite leads."""
        request = group_pb2.ResolveInviteRequest(code=code)
        it = await self._call(self._stub.ResolveInvite, request)
        return Door(
            it.conversation_id, it.name, it.member_count, it.inviter_id, it.member, it.approval
        )

    async def join(self, code: str, greeting: str) -> tuple[bool, str]:
        """Joins by an invite; returns whether the account is a member now, and of what."""
        request = group_pb2.JoinGroupRequest(code=code, greeting=greeting)
        answer = await self._call(self._stub.JoinGroup, request)
        return answer.state == group_pb2.JOIN_STATE_JOINED, answer.conversation_id

    async def join_requests(self, conversation_id: str) -> list[JoinRequest]:
        """Returns who waits to be let in."""
        request = group_pb2.ListJoinRequestsRequest(conversation_id=conversation_id)
        answer = await self._call(self._stub.ListJoinRequests, request)
        return [to_join_request(it) for it in answer.requests]

    async def answer(self, conversation_id: str, user_id: str, *, approve: bool) -> None:
        """Lets somebody in who waits, or not."""
        request = group_pb2.AnswerJoinRequestRequest(
            conversation_id=conversation_id, user_id=user_id, approve=approve
        )
        await self._call(self._stub.AnswerJoinRequest, request)
