"""Profiles, pictures and deletion over gRPC."""

from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from hongyan.verify.v1 import account_pb2, trust_pb2, trust_pb2_grpc

from tests.service.verify.conftest import Joined, NewClient
from tests.service.verify.test_trust import INTERNAL
from tests.service.verify.world import EMAIL, Client, VerifyPod, refusal
from tests.unit.verify.test_avatars import encoded, halves, opened

OTHER = "other@example.org"


async def update(client: Client, *paths: str, **fields: Any) -> Any:
    request = account_pb2.UpdateMeRequest(
        me=account_pb2.Me(**fields), update_mask=FieldMask(paths=paths)
    )
    return (await client.call("UpdateMe", request)).me


async def search(client: Client, query: str) -> Any:
    return await client.call("SearchUser", account_pb2.SearchUserRequest(query=query))


async def test_a_profile_is_changed_field_by_field(pod: VerifyPod, joined: Joined) -> None:
    client = await joined(pod)
    me = await update(client, handle="Ling_2026", signature="飞鸿踏雪", gender=1)
    assert (me.handle, me.signature, me.gender) == ("Ling_2026", "飞鸿踏雪", 1)
    assert me.handle_changeable_at.seconds == int(pod.now) + 365 * 86_400
    hidden = account_pb2.Privacy(hide_read_receipts=True, hide_from_email_search=True)
    me = await update(client, "privacy", privacy=hidden)
    assert me.privacy.add_policy == account_pb2.ADD_POLICY_EVERYBODY
    nobody = account_pb2.Privacy(add_policy=account_pb2.ADD_POLICY_NOBODY)
    me = await update(client, "privacy.add_policy", privacy=nobody)
    assert me.privacy.add_policy == account_pb2.ADD_POLICY_NOBODY
    assert me.privacy.hide_read_receipts
    assert me.privacy.hide_from_email_search
    assert (await update(client, privacy=nobody)).privacy == me.privacy
    assert (await update(client, "signature")).signature == ""
    for path in ("email", "avatar_id", "privacy.nothing"):
        refused = await refusal(update(client, path))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    other = await joined(pod, OTHER)
    refused = await refusal(update(other, handle="ling_2026"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "HANDLE_TAKEN")
    refused = await refusal(update(client, handle="another_one"))
    assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refused.reason == "HANDLE_TOO_SOON"


async def test_policies_are_told_to_the_other_services(pod: VerifyPod, joined: Joined) -> None:
    client = await joined(pod)
    hidden = account_pb2.Privacy(hide_read_receipts=True, add_policy=account_pb2.ADD_POLICY_CODE)
    me = await update(client, "privacy", privacy=hidden)
    request = trust_pb2.FindPoliciesRequest(user_ids=[me.user_id, "nobody"])
    async with grpc.aio.insecure_channel(pod.target) as channel:
        stub = trust_pb2_grpc.TrustServiceStub(channel)
        answer = await stub.FindPolicies(request, metadata=INTERNAL, timeout=5)
        refused = await refusal(stub.FindPolicies(request, timeout=5))
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    (policy,) = answer.policies
    assert policy.user_id == me.user_id
    assert policy.add_policy == account_pb2.ADD_POLICY_CODE
    assert policy.stranger_policy == account_pb2.STRANGER_POLICY_BOX
    assert policy.hide_read_receipts
    assert policy.kind == account_pb2.USER_KIND_PERSON


async def test_a_picture_is_kept_for_ever_under_its_id(pod: VerifyPod, joined: Joined) -> None:
    client = await joined(pod)
    request = account_pb2.SetAvatarRequest(image=encoded(halves()))
    me = (await client.call("SetAvatar", request)).me
    call = client.stub.GetAvatar(
        account_pb2.GetAvatarRequest(avatar_id=me.avatar_id, size=100),
        metadata=[("authorization", f"Bearer {client.token}")],
    )
    headers = dict(await call.initial_metadata())
    assert headers["cache-control"] == "private, max-age=31536000, immutable"
    assert headers["x-content-type-options"] == "nosniff"
    body = await call
    assert body.content_type == "image/webp"
    assert opened(body.data).size == (480, 480)
    broken = account_pb2.SetAvatarRequest(image=b"<svg/>")
    assert (await refusal(client.call("SetAvatar", broken))).reason == "IMAGE_INVALID"
    assert not (await client.call("DeleteAvatar", account_pb2.DeleteAvatarRequest())).me.avatar_id


async def test_searches_are_limited(limited_pod: VerifyPod, joined: Joined) -> None:
    client = await joined(limited_pod)
    for _ in range(100):
        assert not (await search(client, "nobody_here")).HasField("user")
    assert (await refusal(search(client, "nobody_here"))).reason == "LIMIT_REACHED"


async def test_a_deleted_account_is_an_id(
    pod: VerifyPod, joined: Joined, new_client: NewClient
) -> None:
    client, other = await joined(pod), await joined(pod, OTHER)
    me = await update(client, handle="Ling_2026")
    assert (await search(other, "LING_2026")).user.user_id == me.user_id
    wrong = account_pb2.DeleteAccountRequest(password="wrong")
    assert (await refusal(client.call("DeleteAccount", wrong))).reason == "PASSWORD_WRONG"
    right = account_pb2.DeleteAccountRequest(password="a good 密码 42")
    await client.call("DeleteAccount", right)
    for query in ("ling_2026", EMAIL):
        assert await search(other, query) == account_pb2.SearchUserResponse()
    gone = account_pb2.User(user_id=me.user_id, deleted=True, kind=account_pb2.USER_KIND_PERSON)
    request = account_pb2.GetUserRequest(user_id=me.user_id)
    assert (await other.call("GetUser", request)).user == gone
    several = account_pb2.GetUsersRequest(user_ids=[me.user_id, "nobody", me.user_id])
    assert list((await other.call("GetUsers", several)).users) == [gone]
    assert (await refusal(new_client(pod).login())).reason == "CREDENTIALS_INVALID"
