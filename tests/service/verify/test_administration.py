"""What administrators do with accounts, over gRPC."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hongyan.options.v1 import access_pb2
from hongyan.verify.v1 import account_pb2, admin_pb2, admin_pb2_grpc
from redis.asyncio.cluster import RedisCluster

from services.common.admins import line_for, new_key
from tests.service.conftest import free_port
from tests.service.verify.conftest import Joined, NewClient
from tests.service.verify.world import EMAIL, WIDE, Client, VerifyPod, refusal

OTHER = "other@example.org"
KEY = new_key()


@pytest.fixture
async def pod(
    verify_database: str, redis: RedisCluster, tmp_path: Path
) -> AsyncIterator[VerifyPod]:
    keys = tmp_path / "admins"
    keys.write_text(line_for("mei", KEY))
    mails = tmp_path / "mail"
    started = VerifyPod(free_port(), verify_database, redis, mails, admin_keys_file=keys, **WIDE)
    await started.start()
    yield started
    await started.stop()


class Operator:
    """Calls as an administrator."""

    def __init__(self, pod: VerifyPod, key: str = KEY) -> None:
        self._channel = grpc.aio.insecure_channel(pod.target)
        self._stub: Any = admin_pb2_grpc.AdminServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()

    async def __aenter__(self) -> "Operator":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def call(self, name: str, request: Any) -> Any:
        return await getattr(self._stub, name)(request, metadata=self._metadata, timeout=10)

    async def find(self, query: str) -> list[Any]:
        request = admin_pb2.AdminServiceFindUsersRequest(query=query)
        return list((await self.call("FindUsers", request)).users)

    async def suspend(self, user_id: str, reason: str = "spam", until: int = 0) -> Any:
        request = admin_pb2.SuspendUserRequest(user_id=user_id, reason=reason)
        if until:
            request.until.CopyFrom(Timestamp(seconds=until))
        return (await self.call("SuspendUser", request)).user

    async def restore(self, user_id: str) -> Any:
        request = admin_pb2.RestoreUserRequest(user_id=user_id, reason="sorry")
        return (await self.call("RestoreUser", request)).user


@pytest.fixture
async def operator(pod: VerifyPod) -> AsyncIterator[Operator]:
    async with Operator(pod) as started:
        yield started


async def user_id_of(client: Client) -> str:
    return str((await client.me()).user_id)


async def test_users_are_found_by_id_handle_address_and_how_their_name_begins(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client, other = await joined(pod), await joined(pod, OTHER)
    user_id, other_id = await user_id_of(client), await user_id_of(other)
    me = account_pb2.Me(handle="Ling_2026", display_name="灵灵_Lin_100%")
    await client.call("UpdateMe", account_pb2.UpdateMeRequest(me=me))
    for query in (user_id, "ling_2026", EMAIL, EMAIL.upper(), "灵灵", "灵灵_LIN", "灵灵_Lin_100%"):
        [found] = await operator.find(query)
        assert (found.user_id, found.email, found.session_count) == (user_id, EMAIL, 1)
    assert {it.user_id for it in await operator.find("灵")} == {user_id, other_id}
    for query in ("_", "%", "灵灵%", "nobody"):
        assert await operator.find(query) == []


async def test_who_is_suspended_is_out_at_once_and_is_told_why(
    pod: VerifyPod, joined: Joined, operator: Operator, new_client: NewClient
) -> None:
    client = await joined(pod)
    user_id, tokens = await user_id_of(client), await client.login()
    client.token = tokens.access_token
    user = await operator.suspend(user_id, "三次辱骂")
    assert (user.suspension.reason, user.session_count) == ("三次辱骂", 0)
    await pod.trust.refresh()
    assert (await refusal(client.me())).reason == "SESSION_ENDED"
    refused = await refusal(client.refresh(tokens.refresh_token))
    assert (refused.reason, "三次辱骂" in refused.text) == ("ACCOUNT_SUSPENDED", True)
    stranger = new_client(pod)
    refused = await refusal(stranger.login())
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "ACCOUNT_SUSPENDED",
    )
    # Who does not know the password learns nothing.
    refused = await refusal(stranger.login(password="wrong"))
    assert (refused.reason, "三次辱骂" in refused.text) == ("CREDENTIALS_INVALID", False)
    await operator.restore(user_id)
    assert (await stranger.login()).user_id == user_id
    # The session that ended stays ended.
    assert (await refusal(client.refresh(tokens.refresh_token))).reason == "REFRESH_TOKEN_INVALID"


async def test_a_suspension_ends_by_itself(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    user_id, until = await user_id_of(client), int(pod.now) + 3600
    await operator.suspend(user_id, until=until)
    refused = await refusal(client.login())
    assert refused.reason == "ACCOUNT_SUSPENDED"
    pod.now = until - 1
    assert (await refusal(client.login())).reason == "ACCOUNT_SUSPENDED"
    pod.now = until
    assert (await client.login()).user_id == user_id
    assert not (await operator.find(user_id))[0].HasField("suspension")
    refused = await refusal(operator.suspend(user_id, until=int(pod.now) - 1))
    assert "until" in refused.fields


async def test_bots_are_out_with_whose_bots_they_are(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    bot = await client.create_bot()
    made = await client.create_bot_token(bot, access_pb2.SCOPE_READ)
    await operator.suspend(await user_id_of(client))
    assert (await refusal(client.refresh(made.token))).reason == "REFRESH_TOKEN_INVALID"


async def test_a_bot_alone_is_suspended(pod: VerifyPod, joined: Joined, operator: Operator) -> None:
    client = await joined(pod)
    bot = await client.create_bot()
    await operator.suspend(bot.user_id, "spam")
    made = await client.create_bot_token(bot, access_pb2.SCOPE_READ)
    assert (await refusal(client.refresh(made.token))).reason == "ACCOUNT_SUSPENDED"
    assert (await client.me()).email == EMAIL


async def test_sessions_are_ended_and_new_ones_may_begin(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    request = admin_pb2.EndSessionsRequest(user_id=await user_id_of(client), reason="stolen")
    assert (await operator.call("EndSessions", request)).ended_count == 1
    await pod.trust.refresh()
    assert (await refusal(client.me())).reason == "SESSION_ENDED"
    client.token = (await client.login()).access_token
    await client.me()


async def test_what_cannot_be_done_is_refused_with_a_reason(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    user_id = await user_id_of(await joined(pod))
    for refused in (
        await refusal(operator.suspend("nobody")),
        await refusal(operator.restore("nobody")),
    ):
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    assert "reason" in (await refusal(operator.suspend(user_id, ""))).fields
    assert "reason" in (await refusal(operator.suspend(user_id, "x" * 501))).fields


async def test_nobody_else_administers_and_all_of_it_is_in_the_audit(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    user_id = await user_id_of(client)
    for key, reason in (
        ("", "TOKEN_MISSING"),
        (client.token, "ADMIN_KEY_INVALID"),
        (new_key(), "ADMIN_KEY_INVALID"),
    ):
        async with Operator(pod, key) as stranger:
            for call in (stranger.suspend(user_id), stranger.find(EMAIL)):
                refused = await refusal(call)
                assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)
    assert (await client.me()).user_id == user_id
    await operator.suspend(user_id, "spam")
    entries = (await operator.call("ListAudit", admin_pb2.ListAuditRequest())).entries
    assert [(it.admin, it.outcome) for it in entries[1:]] == [
        ("mei", "OK"),
        *[("", "UNAUTHENTICATED")] * 6,
    ]
    assert (entries[1].rpc, entries[1].reason) == ("verify.v1.AdminService/SuspendUser", "spam")
    assert user_id in entries[1].request
    assert all(EMAIL not in it.request for it in entries)
