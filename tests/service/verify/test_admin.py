"""AdminService over gRPC, on SQLite and MariaDB: users, suspensions, and the audit of it all."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from hongyan.options.v1 import access_pb2
from hongyan.verify.v1 import account_pb2, admin_pb2, admin_pb2_grpc, trust_pb2, trust_pb2_grpc
from redis.asyncio.cluster import RedisCluster

from loadtest.servers import mariadb
from services.admin.keys import add_key
from services.common import migrations
from services.common.contract import ACCESS
from tests.service.conftest import free_port
from tests.service.gate.world import INTERNAL_KEY
from tests.service.verify.conftest import Joined, NewClient
from tests.service.verify.world import EMAIL, PASSWORD, WIDE, VerifyPod, refusal

Code = grpc.StatusCode
BO = "bo@example.org"
ADMIN_RPCS = [
    path
    for path, access in ACCESS.items()
    if access == access_pb2.ACCESS_ADMIN and path.startswith("/hongyan.verify.")
]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "admins"


@pytest.fixture(params=["sqlite", "mariadb"])
async def pod(
    request: pytest.FixtureRequest,
    verify_database: str,
    redis: RedisCluster,
    tmp_path: Path,
    keys: Path,
) -> AsyncIterator[VerifyPod]:
    async def run(url: str) -> AsyncIterator[VerifyPod]:
        mails = tmp_path / "mail"
        started = VerifyPod(free_port(), url, redis, mails, admin_keys_file=keys, **WIDE)
        await started.start()
        yield started
        await started.stop()

    if request.param == "sqlite":
        async for started in run(verify_database):
            yield started
        return
    async with mariadb() as server:
        await asyncio.to_thread(migrations.upgrade, "verify", server.url)
        async for started in run(server.url):
            yield started


class Operator:
    """Calls AdminService with a key."""

    def __init__(self, channel: grpc.aio.Channel, key: str) -> None:
        self._stub: Any = admin_pb2_grpc.AdminServiceStub(channel)
        self._key = key

    async def __call__(self, rpc: str, request: Any) -> Any:
        metadata = (("authorization", f"Bearer {self._key}"),)
        return await getattr(self._stub, rpc)(request, metadata=metadata, timeout=15)

    async def find(self, query: str, **page: Any) -> list[Any]:
        request = admin_pb2.AdminServiceFindUsersRequest(query=query, **page)
        return list((await self("FindUsers", request)).users)

    async def suspend(self, user_id: str, reason: str = "spam", until: float = 0) -> Any:
        request = admin_pb2.SuspendUserRequest(user_id=user_id, reason=reason)
        if until:
            request.until.FromMicroseconds(int(until * 1_000_000))
        return (await self("SuspendUser", request)).user

    async def audit(self) -> list[Any]:
        return list((await self("ListAudit", admin_pb2.ListAuditRequest())).entries)


@pytest.fixture
async def operator(pod: VerifyPod, keys: Path) -> AsyncIterator[Operator]:
    async with grpc.aio.insecure_channel(pod.target) as channel:
        yield Operator(channel, add_key(keys, "mei"))


async def test_users_are_found_by_what_is_known_of_them(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    ling, _ = await joined(pod), await joined(pod, BO, "phone-0002")
    user_id = (await ling.me()).user_id
    me = account_pb2.Me(handle="Ling_2026")
    await ling.call("UpdateMe", account_pb2.UpdateMeRequest(me=me))
    for query in (user_id, EMAIL.upper(), "ling_2026"):
        (found,) = await operator.find(query)
        assert (found.user_id, found.email, found.session_count) == (user_id, EMAIL, 1)
        assert found.kind == account_pb2.USER_KIND_PERSON
        assert not found.HasField("suspension")
    assert {it.email for it in await operator.find("灵")} == {EMAIL, BO}
    for wrong in ("%", "_", "灵灵", "ling"):
        assert await operator.find(wrong) == []
    request = admin_pb2.AdminServiceFindUsersRequest(query="灵", page_size=1)
    first = await operator("FindUsers", request)
    request.page_token = first.next_page_token
    second = await operator("FindUsers", request)
    assert {it.email for it in (*first.users, *second.users)} == {EMAIL, BO}
    assert second.next_page_token == ""


async def test_a_suspended_user_gets_in_nowhere_and_learns_why(
    pod: VerifyPod, joined: Joined, new_client: NewClient, operator: Operator
) -> None:
    client = await joined(pod)
    user_id = (await client.me()).user_id
    tokens = await client.login(device="tablet-0002")
    until = pod.now + 3600
    seen = await operator.suspend(user_id, "三次骂人", until)
    assert (seen.session_count, seen.suspension.reason) == (0, "三次骂人")
    assert seen.suspension.until.ToMicroseconds() == int(until * 1_000_000)
    await pod.trust.refresh()
    assert (await refusal(client.me())).reason == "SESSION_ENDED"
    stranger = new_client(pod)
    for call in (stranger.login(), stranger.refresh(tokens.refresh_token)):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (Code.PERMISSION_DENIED, "ACCOUNT_SUSPENDED")
        assert "三次骂人" in refused.text
    # Who does not know the password learns nothing.
    known = await refusal(stranger.login(password="not this one"))
    unknown = await refusal(stranger.login("nobody@example.org", "not this one"))
    assert known.reason == "CREDENTIALS_INVALID"
    assert known.seen == unknown.seen
    pod.now = until
    assert (await stranger.login()).user_id == user_id
    (found,) = await operator.find(user_id)
    assert not found.HasField("suspension")
    assert (await refusal(stranger.refresh(tokens.refresh_token))).reason == "REFRESH_TOKEN_INVALID"


async def test_a_restored_user_logs_in_again(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    user_id = (await client.me()).user_id
    client.token = ""
    await operator.suspend(user_id, "first")
    assert (await operator.suspend(user_id, "second")).suspension.reason == "second"
    assert "second" in (await refusal(client.login())).text
    request = admin_pb2.RestoreUserRequest(user_id=user_id, reason="a mistake")
    for _ in range(2):
        assert not (await operator("RestoreUser", request)).user.HasField("suspension")
    await client.login()
    request = admin_pb2.EndSessionsRequest(user_id=user_id, reason="lost phone")
    assert (await operator("EndSessions", request)).ended_count == 1
    assert (await operator("EndSessions", request)).ended_count == 0
    await client.login()


async def test_log_ins_and_a_suspension_at_once_leave_no_session(
    pod: VerifyPod, joined: Joined, new_client: NewClient, operator: Operator
) -> None:
    user_id = (await (await joined(pod)).me()).user_id
    clients = [new_client(pod) for _ in range(6)]
    calls = [client.login(device=f"phone-1{n:03}") for n, client in enumerate(clients)]
    calls.insert(3, operator.suspend(user_id))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert outcomes[3].user_id == user_id
    (found,) = await operator.find(user_id)
    assert found.session_count == 0


async def test_who_is_not_there_is_not_suspended(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    user_id = (await client.me()).user_id
    assert (await refusal(operator.suspend(user_id, until=1))).fields.keys() == {"until"}
    assert (await refusal(operator.suspend(user_id, ""))).fields.keys() == {"reason"}
    assert (await refusal(operator.suspend(user_id, "x" * 501))).fields.keys() == {"reason"}
    await client.call("DeleteAccount", account_pb2.DeleteAccountRequest(password=PASSWORD))
    assert (await refusal(operator.suspend(user_id))).reason == "USER_NOT_FOUND"
    (found,) = await operator.find(user_id)
    assert (found.deleted, found.email) == (True, "")


async def test_the_audit_has_every_call_and_what_came_of_it(
    pod: VerifyPod, joined: Joined, operator: Operator, keys: Path
) -> None:
    user_id = (await (await joined(pod)).me()).user_id
    await operator.suspend(user_id, "spam")
    await refusal(operator.suspend("nobody", "spam too"))
    await refusal(operator.suspend("a b", ""))
    async with grpc.aio.insecure_channel(pod.target) as channel:
        guess = Operator(channel, "hya_guess")
        refused = await refusal(guess.suspend(user_id, "a secret of mine"))
        assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, "ADMIN_KEY_INVALID")
        call = channel.unary_unary("/hongyan.verify.v1.AdminService/SuspendUser")
        metadata = (("authorization", f"Bearer {operator._key}"),)
        assert (await refusal(call(b"\xff\xff", metadata=metadata))).reason == "REQUEST_UNREADABLE"
    own, *before = await operator.audit()
    # A listing is listed as well, when nobody knows yet what comes of it.
    assert (own.rpc, own.outcome) == ("verify.v1.AdminService/ListAudit", "")
    assert [(it.admin, it.outcome, it.refusal, it.reason) for it in reversed(before)] == [
        ("mei", "OK", "", "spam"),
        ("mei", "NOT_FOUND", "USER_NOT_FOUND", "spam too"),
        ("mei", "INVALID_ARGUMENT", "INVALID_FIELD", ""),
        ("", "UNAUTHENTICATED", "ADMIN_KEY_INVALID", ""),
        ("mei", "INVALID_ARGUMENT", "REQUEST_UNREADABLE", ""),
    ]
    assert json.loads(before[-1].request) == {"user_id": user_id, "reason": "spam"}
    assert before[1].request == ""
    request = admin_pb2.ListAuditRequest(page_size=2)
    page = await operator("ListAudit", request)
    request.page_token = page.next_page_token
    assert page.entries[1].entry_id > (await operator("ListAudit", request)).entries[0].entry_id


@pytest.mark.parametrize("path", ADMIN_RPCS)
async def test_every_call_of_an_administrator_is_written_before_it_is_done(
    pod: VerifyPod, joined: Joined, operator: Operator, path: str
) -> None:
    """Of all rpcs that the contract has, whoever adds one."""
    token = (await joined(pod)).token
    rpc = path.removeprefix("/hongyan.")
    async with grpc.aio.insecure_channel(pod.target) as channel:
        for metadata, reason in (
            ((), "TOKEN_MISSING"),
            ((("authorization", f"Bearer {token}"),), "ADMIN_KEY_INVALID"),
            ((("x-hongyan-internal", INTERNAL_KEY),), "TOKEN_MISSING"),
        ):
            call = channel.unary_unary(path)
            refused = await refusal(call(b"", metadata=metadata))
            assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, reason)
            _, entry, *_ = await operator.audit()
            assert (entry.rpc, entry.admin, entry.refusal) == (rpc, "", reason)
        # The intent cannot be written: nothing is done.
        await _break_audit(pod)
        own = (("authorization", f"Bearer {operator._key}"),)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(path)(b"", metadata=own)
        # Not INVALID_ARGUMENT, which it would be: nobody has looked at it.
        assert caught.value.code() in (Code.INTERNAL, Code.UNAVAILABLE)


async def test_without_the_audit_nobody_is_suspended(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    await _break_audit(pod)
    with pytest.raises(grpc.aio.AioRpcError):
        await operator.suspend((await client.me()).user_id)
    await client.login()


async def _break_audit(pod: VerifyPod) -> None:
    async with pod.database.begin() as connection:
        await connection.execute(sa.text("ALTER TABLE verify_audit RENAME TO away"))


async def test_persons_are_listed_page_by_page(pod: VerifyPod, joined: Joined) -> None:
    people = [
        (await (await joined(pod, f"p{n}@example.org", f"phone-{n:04}")).me()).user_id
        for n in range(3)
    ]
    until = int(pod.now * 1_000_000)
    async with grpc.aio.insecure_channel(pod.target) as channel:
        stub: Any = trust_pb2_grpc.TrustServiceStub(channel)
        metadata = (("x-hongyan-internal", INTERNAL_KEY),)
        found: list[str] = []
        for expected in (3, 0):
            request = trust_pb2.ListUsersRequest(
                after_user_id=found[-1] if found else "", limit=2, created_until_micros=until
            )
            answer = await stub.ListUsers(request, metadata=metadata)
            assert answer.total == expected
            found += answer.user_ids
        assert found == sorted(people)
        request = trust_pb2.ListUsersRequest(limit=2, created_until_micros=until - 1)
        assert list((await stub.ListUsers(request, metadata=metadata)).user_ids) == []


async def test_bots_are_out_with_whose_bots_they_are(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    bot = await client.create_bot()
    made = await client.create_bot_token(bot, access_pb2.SCOPE_READ)
    await operator.suspend((await client.me()).user_id)
    assert (await refusal(client.refresh(made.token))).reason == "REFRESH_TOKEN_INVALID"


async def test_a_bot_alone_is_suspended(pod: VerifyPod, joined: Joined, operator: Operator) -> None:
    client = await joined(pod)
    bot = await client.create_bot()
    await operator.suspend(bot.user_id, "spam")
    made = await client.create_bot_token(bot, access_pb2.SCOPE_READ)
    assert (await refusal(client.refresh(made.token))).reason == "ACCOUNT_SUSPENDED"
    assert (await client.me()).email == EMAIL


async def test_a_suspension_ends_by_itself(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    user_id, until = (await client.me()).user_id, int(pod.now) + 3600
    await operator.suspend(user_id, until=until)
    pod.now = until - 1
    assert (await refusal(client.login())).reason == "ACCOUNT_SUSPENDED"
    pod.now = until
    assert (await client.login()).user_id == user_id
    assert not (await operator.find(user_id))[0].HasField("suspension")


async def test_a_name_is_found_whatever_the_case(
    pod: VerifyPod, joined: Joined, operator: Operator
) -> None:
    client = await joined(pod)
    me = account_pb2.Me(display_name="Lin 灵_100%")
    await client.call("UpdateMe", account_pb2.UpdateMeRequest(me=me))
    for query in ("lin", "LIN 灵", "lin 灵_100%"):
        [found] = await operator.find(query)
        assert found.display_name == "Lin 灵_100%"
    for query in ("lin_", "l%", "in"):
        assert await operator.find(query) == []
