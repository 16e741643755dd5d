"""Three people become friends and run a group, all of it by REST."""

import uuid

import httpx
import pytest

from tests.faults.people import Town
from tests.system.test_rest import OF_PEOPLE, Script, faces, rest, script  # noqa: F401

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAR = "2099-01-01T00:00:00Z"


class Story:
    """Calls that are to succeed or to be refused, and which rpcs have succeeded."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    async def ok(self, who: Script, rpc: str, body=None, query=None, **path: str) -> dict:
        answer = await who(rpc, body, query, **path)
        assert answer.status_code == 200, (rpc, answer.text)
        self.used.add(rpc)
        return answer.json()

    async def refused(self, reason: str, who: Script, rpc: str, body=None, **path: str) -> None:
        answer = await who(rpc, body, **path)
        assert answer.status_code >= 400, (rpc, answer.text)
        assert answer.json()["details"][0]["reason"] == reason, (rpc, answer.text)

    async def befriend(self, asker: Script, asked: Script) -> None:
        """Makes two people friends, by the code of one of them."""
        code = (await self.ok(asked, "CreateContactCode", {}))["code"]["code"]
        await self.ok(asker, "RequestContact", {"code": code})
        (request,) = pending((await self.ok(asked, "ListContactRequests"))["requests"])
        assert request["source"] == "CONTACT_SOURCE_CODE"
        await self.ok(asked, "AcceptContactRequest", {}, user_id=request["user_id"])


def pending(requests: list[dict]) -> list[dict]:
    return [
        one
        for one in requests
        if one["incoming"] and one["state"] == "CONTACT_REQUEST_STATE_PENDING"
    ]


def text(words: str) -> dict[str, str]:
    return {"client_message_id": uuid.uuid4().hex, "text": words}


async def test_friends_and_a_group_by_rest(town: Town, rest: httpx.AsyncClient):  # noqa: F811
    story = Story()
    ok, refused = story.ok, story.refused
    people = [await town.newcomer(name, start=False) for name in ("ling", "bo", "dai")]
    ling, bo, dai = [await script(one, rest) for one in people]
    ling_id, bo_id, dai_id = (one.client.user_id for one in people)

    # A code says whose it is, until it is revoked.
    made = (await ok(ling, "CreateContactCode", {"lifetime_seconds": 60}))["code"]
    resolved = await ok(bo, "ResolveContactCode", {"code": made["code"]})
    assert resolved["user_id"] == ling_id
    (listed,) = (await ok(ling, "ListContactCodes"))["codes"]
    assert (listed["code_id"], listed["code"]) == (made["code_id"], "")
    await ok(ling, "RevokeContactCode", code_id=made["code_id"])
    await refused("CODE_NOT_FOUND", bo, "RequestContact", {"code": made["code"]})

    # A request that is declined or withdrawn cannot be accepted.
    await ok(dai, "RequestContact", {"user_id": ling_id, "greeting": "我是黛"})
    await ok(ling, "DeclineContactRequest", {}, user_id=dai_id)
    await refused("CONTACT_REQUEST_NOT_FOUND", ling, "AcceptContactRequest", {}, user_id=dai_id)
    await ok(ling, "RequestContact", {"user_id": bo_id})
    await ok(ling, "WithdrawContactRequest", {}, user_id=bo_id)
    await refused("CONTACT_REQUEST_NOT_FOUND", bo, "AcceptContactRequest", {}, user_id=ling_id)
    await story.befriend(bo, ling)
    await story.befriend(ling, dai)  # whom she declined is not told, so it is for her to ask

    # What a friend is to one is one's own.
    own = {"remark": "小波", "tags": ["同学", "球友"], "starred": True}
    contact = (await ok(ling, "UpdateContact", own, user_id=bo_id))["contact"]
    assert {name: contact[name] for name in own} == own
    contacts = (await ok(ling, "ListContacts"))["contacts"]
    assert {one["user_id"]: one["remark"] for one in contacts} == {bo_id: "小波", dai_id: ""}
    (theirs,) = (await ok(bo, "ListContacts"))["contacts"]
    assert (theirs["user_id"], theirs["remark"], theirs["tags"]) == (ling_id, "", [])
    assert (await ok(ling, "Block", {}, user_id=dai_id))["contact"]["blocked"] is True
    assert (await ok(ling, "Unblock", {}, user_id=dai_id))["contact"]["friend"] is True

    # A group of friends; another comes by a link, when the owner lets them in.
    plan = {"name": "球队", "user_ids": [bo_id], "client_group_id": "the-team"}
    group = (await ok(ling, "CreateGroup", plan))["conversation"]
    assert (await ok(ling, "CreateGroup", plan))["conversation"] == group
    place = {"conversation_id": group["conversation_id"]}
    await ok(ling, "UpdateGroup", {"approval": True}, **place)
    spare = (await ok(ling, "CreateInvite", {"max_uses": 1}, **place))["invite"]
    invite = (await ok(bo, "CreateInvite", {}, **place))["invite"]
    ids = {one["invite_id"] for one in (await ok(ling, "ListInvites", **place))["invites"]}
    assert ids == {spare["invite_id"], invite["invite_id"]}
    await refused("INVITE_NOT_FOUND", bo, "RevokeInvite", invite_id=spare["invite_id"], **place)
    await ok(ling, "RevokeInvite", invite_id=spare["invite_id"], **place)
    await refused("INVITE_NOT_FOUND", dai, "JoinGroup", {"code": spare["code"]})
    door = await ok(dai, "ResolveInvite", {"code": invite["code"]})
    assert (door["name"], door["member_count"], door["approval"]) == ("球队", 2, True)
    joined = await ok(dai, "JoinGroup", {"code": invite["code"], "greeting": "我也打球"})
    assert joined == {"state": "JOIN_STATE_WAITING"} | place
    await refused("NOT_A_MEMBER", dai, "List", **place)
    await refused("ROLE_TOO_LOW", bo, "ListJoinRequests", **place)
    (waiting,) = (await ok(ling, "ListJoinRequests", **place))["requests"]
    assert (waiting["user_id"], waiting["greeting"]) == (dai_id, "我也打球")
    await ok(ling, "AnswerJoinRequest", {"approve": True}, user_id=dai_id, **place)

    # Who is in it, and what each may do.
    await ok(dai, "SetNickname", {"nickname": "门将"}, **place)
    await ok(ling, "SetRole", {"role": "GROUP_ROLE_ADMIN"}, user_id=bo_id, **place)
    members = (await ok(dai, "ListMembers", **place))["members"]
    assert [(one["user_id"], one["role"], one["nickname"]) for one in members] == [
        (ling_id, "GROUP_ROLE_OWNER", ""),
        (bo_id, "GROUP_ROLE_ADMIN", ""),
        (dai_id, "GROUP_ROLE_MEMBER", "门将"),
    ]
    await refused("ROLE_TOO_LOW", dai, "Announce", {"text": "听我说"}, **place)
    seq = (await ok(ling, "Announce", {"text": "周六下午三点"}, **place))["seq"]
    await ok(bo, "MarkRead", {"seq": seq}, **place)
    readers = await ok(ling, "ListReaders", seq=seq, **place)
    assert readers["read_user_ids"] == [bo_id]
    await ok(ling, "UpdateGroup", {"muted": True}, **place)
    await refused("GROUP_MUTED", dai, "Send", text("在吗"), **place)
    await ok(bo, "Send", text("管理员在"), **place)
    await ok(ling, "UpdateGroup", {"muted": False}, {"update_mask": "muted"}, **place)
    await ok(bo, "SilenceMember", {"until": FAR}, user_id=dai_id, **place)
    await refused("SILENCED", dai, "Send", text("在吗"), **place)
    await ok(bo, "SilenceMember", {}, user_id=dai_id, **place)
    await ok(dai, "Send", text("终于"), **place)

    # Who is removed reads what was said before, and nothing later.
    await ok(ling, "RemoveMember", user_id=dai_id, **place)
    await ok(ling, "Send", text("她看不到"), **place)
    await refused("NOT_A_MEMBER", dai, "Send", text("还在吗"), **place)
    page = (await ok(dai, "List", **place))["messages"]
    texts = [one["text"] for one in page if "text" in one]
    assert "终于" in texts
    assert "她看不到" not in texts
    assert "她看不到" in str((await ok(bo, "List", **place))["messages"])
    await refused("NOT_FRIENDS", bo, "AddMembers", {"user_ids": [dai_id]}, **place)
    added = await ok(ling, "AddMembers", {"user_ids": [dai_id]}, **place)
    assert added["joined_user_ids"] == [dai_id]
    await ok(dai, "LeaveGroup", {}, **place)

    # The owner cannot just go: another takes the group over, and ends it.
    await refused("OWNER_CANNOT_LEAVE", ling, "LeaveGroup", {}, **place)
    await ok(ling, "TransferGroup", {"user_id": bo_id}, **place)
    await refused("ROLE_TOO_LOW", ling, "DissolveGroup", {}, **place)
    await ok(bo, "DissolveGroup", {}, **place)
    await refused("NOT_A_MEMBER", bo, "Send", text("有人吗"), **place)
    assert "她看不到" in str((await ok(bo, "List", **place))["messages"])

    await ok(ling, "DeleteContact", user_id=bo_id)
    await refused("CONTACT_NOT_FOUND", ling, "UpdateContact", own, user_id=bo_id)
    assert set(faces(*OF_PEOPLE)) <= story.used, "an rpc without its case here"
