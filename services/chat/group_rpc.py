"""chat.v1.GroupService: protobuf in, protobuf out, nothing decided here."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from hongyan.chat.v1 import group_event_pb2, group_pb2, group_pb2_grpc

from services.chat import groups
from services.chat.model import ADMIN, MEMBER, OWNER, Post
from services.chat.rules import Chat
from services.chat.wire import to_conversation
from services.common.errors import Invalid
from services.common.identity import caller
from services.common.limits import LocalLimit

PAGE = 200

FIELDS: Mapping[str, Any] = {
    "name": lambda it: it.name.strip(),
    "may_invite": lambda it: it.may_invite or MEMBER,
    "may_edit": lambda it: it.may_edit or MEMBER,
    "may_announce": lambda it: it.may_announce or ADMIN,
    "approval": lambda it: it.approval,
    "muted": lambda it: it.muted,
    "large": lambda it: it.large,
}
"""How each field of a group's settings is read."""


class GroupService(group_pb2_grpc.GroupServiceServicer):
    """Groups, for their members."""

    def __init__(
        self,
        chat: Chat,
        rules: groups.GroupService,
        create: LocalLimit,
        change: LocalLimit,
        code: LocalLimit,
    ) -> None:
        self._chat = chat
        self._rules = rules
        self._create = create
        self._change = change
        self._code = code

    async def CreateGroup(self, request: group_pb2.CreateGroupRequest, context: Any) -> Any:
        self._create.take(caller().user_id)
        id = await self._rules.create(
            groups.Plan(
                caller().user_id,
                request.client_group_id,
                request.name.strip(),
                tuple(request.user_ids),
            )
        )
        return group_pb2.CreateGroupResponse(conversation=await self._conversation(id))

    async def UpdateGroup(self, request: group_pb2.UpdateGroupRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        paths = request.update_mask.paths or [field.name for field, _ in request.group.ListFields()]
        if unknown := [path for path in paths if path not in FIELDS] or (not paths and ["empty"]):
            problem = f"names what cannot be set: {', '.join(unknown)}"
            raise Invalid("INVALID_FIELD", problem, fields={"update_mask": problem})
        values = {path: FIELDS[path](request.group) for path in paths}
        await self._rules.change(caller().user_id, request.conversation_id, values)
        conversation = await self._conversation(request.conversation_id)
        return group_pb2.UpdateGroupResponse(conversation=conversation)

    async def ListMembers(self, request: group_pb2.ListMembersRequest, context: Any) -> Any:
        posts, more, version = await self._rules.members(
            caller().user_id,
            request.conversation_id,
            _read_token(request.page_token),
            request.page_size or PAGE,
        )
        return group_pb2.ListMembersResponse(
            members=[_member(post) for post in posts],
            next_page_token=_write_token(posts[-1]) if more else "",
            member_version=version,
        )

    async def AddMembers(self, request: group_pb2.AddMembersRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        if not request.user_ids:
            problem = "must name at least one user"
            raise Invalid("INVALID_FIELD", f"user_ids {problem}", fields={"user_ids": problem})
        joined, waiting = await self._rules.invite_friends(
            caller().user_id, request.conversation_id, request.user_ids, request.greeting
        )
        return group_pb2.AddMembersResponse(
            conversation=await self._conversation(request.conversation_id),
            joined_user_ids=joined,
            waiting_user_ids=waiting,
        )

    async def RemoveMember(self, request: group_pb2.RemoveMemberRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        await self._rules.remove(caller().user_id, request.conversation_id, request.user_id)
        return group_pb2.RemoveMemberResponse()

    async def LeaveGroup(self, request: group_pb2.LeaveGroupRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        await self._rules.remove(caller().user_id, request.conversation_id, caller().user_id)
        return group_pb2.LeaveGroupResponse()

    async def SetRole(self, request: group_pb2.SetRoleRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        await self._rules.set_role(
            caller().user_id, request.conversation_id, request.user_id, request.role
        )
        return group_pb2.SetRoleResponse()

    async def TransferGroup(self, request: group_pb2.TransferGroupRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        await self._rules.transfer(caller().user_id, request.conversation_id, request.user_id)
        return group_pb2.TransferGroupResponse()

    async def DissolveGroup(self, request: group_pb2.DissolveGroupRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        await self._rules.dissolve(caller().user_id, request.conversation_id)
        return group_pb2.DissolveGroupResponse()

    async def SilenceMember(self, request: group_pb2.SilenceMemberRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        until = request.until.ToMicroseconds() if request.HasField("until") else 0
        await self._rules.silence(
            caller().user_id, request.conversation_id, request.user_id, max(until, 0)
        )
        return group_pb2.SilenceMemberResponse()

    async def SetNickname(self, request: group_pb2.SetNicknameRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        await self._rules.set_nickname(
            caller().user_id, request.conversation_id, request.nickname.strip()
        )
        return group_pb2.SetNicknameResponse()

    async def Announce(self, request: group_pb2.AnnounceRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        seq = await self._rules.announce(
            caller().user_id, request.conversation_id, request.text.strip()
        )
        return group_pb2.AnnounceResponse(seq=seq)

    async def CreateInvite(self, request: group_pb2.CreateInviteRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        if 0 < request.lifetime_seconds < 60:
            problem = "must be 0, or 60 and more"
            raise Invalid(
                "INVALID_FIELD",
                f"lifetime_seconds {problem}",
                fields={"lifetime_seconds": problem},
            )
        invite = await self._rules.create_invite(
            caller().user_id,
            request.conversation_id,
            request.lifetime_seconds,
            request.max_uses,
        )
        return group_pb2.CreateInviteResponse(invite=_invite(invite))

    async def ListInvites(self, request: group_pb2.ListInvitesRequest, context: Any) -> Any:
        found = await self._rules.invites(caller().user_id, request.conversation_id)
        return group_pb2.ListInvitesResponse(invites=[_invite(it) for it in found])

    async def RevokeInvite(self, request: group_pb2.RevokeInviteRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        await self._rules.revoke_invite(
            caller().user_id, request.conversation_id, request.invite_id
        )
        return group_pb2.RevokeInviteResponse()

    async def ResolveInvite(self, request: group_pb2.ResolveInviteRequest, context: Any) -> Any:
        self._code.take(caller().user_id)
        door = await self._rules.door(caller().user_id, request.code)
        return group_pb2.ResolveInviteResponse(
            conversation_id=door.invite.conversation_id,
            name=door.rules.name,
            member_count=door.member_count,
            inviter_id=door.invite.inviter_id,
            member=door.member,
            approval=door.rules.approval,
        )

    async def JoinGroup(self, request: group_pb2.JoinGroupRequest, context: Any) -> Any:
        self._code.take(caller().user_id)
        joined, id = await self._rules.join(caller().user_id, request.code, request.greeting)
        state = group_pb2.JOIN_STATE_JOINED if joined else group_pb2.JOIN_STATE_WAITING
        return group_pb2.JoinGroupResponse(state=state, conversation_id=id)

    async def ListJoinRequests(
        self, request: group_pb2.ListJoinRequestsRequest, context: Any
    ) -> Any:
        waiting = await self._rules.join_requests(caller().user_id, request.conversation_id)
        answer = group_pb2.ListJoinRequestsResponse()
        for it in waiting:
            one = answer.requests.add(
                user_id=it.user_id, inviter_id=it.inviter_id, greeting=it.greeting
            )
            one.created_at.FromMicroseconds(it.created_at)
        return answer

    async def AnswerJoinRequest(
        self, request: group_pb2.AnswerJoinRequestRequest, context: Any
    ) -> Any:
        self._change.take(caller().user_id)
        await self._rules.answer(
            caller().user_id, request.conversation_id, request.user_id, request.approve
        )
        return group_pb2.AnswerJoinRequestResponse()

    async def _conversation(self, conversation_id: str) -> Any:
        return to_conversation(await self._chat.conversation(caller().user_id, conversation_id))


def _member(post: Post) -> group_pb2.GroupMember:
    target = group_pb2.GroupMember(
        user_id=post.user_id,
        role=group_event_pb2.GroupRole.ValueType(post.role),
        nickname=post.nickname,
    )
    target.joined_at.FromMicroseconds(post.joined_at)
    if post.silenced_until:
        target.silenced_until.FromMicroseconds(post.silenced_until)
    return target


def _invite(invite: groups.Invite) -> group_pb2.GroupInvite:
    target = group_pb2.GroupInvite(
        invite_id=invite.id,
        code=invite.code,
        inviter_id=invite.inviter_id,
        uses_left=max(invite.uses_left, 0),
    )
    target.expires_at.FromMicroseconds(invite.expires_at)
    return target


def _write_token(post: Post) -> str:
    text = json.dumps([post.role, post.joined_at, post.user_id])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(token: str) -> tuple[int, int, str] | None:
    if not token:
        return None
    try:
        role, joined_at, user_id = json.loads(base64.urlsafe_b64decode(token))
        place = int(role), int(joined_at), str(user_id)
    except ValueError as error:
        problem = "is not a token of this list"
        raise Invalid(
            "INVALID_FIELD", f"page_token {problem}", fields={"page_token": problem}
        ) from error
    if not (0 < place[0] <= OWNER and 0 <= place[1] < 2**63):
        problem = "is not a token of this list"
        raise Invalid("INVALID_FIELD", f"page_token {problem}", fields={"page_token": problem})
    return place
