"""LoginCodeService over gRPC, on SQLite and MariaDB: log-ins by a code of another device."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from hongyan.options.v1 import access_pb2
from hongyan.verify.v1 import account_pb2, login_code_pb2
from redis.asyncio.cluster import RedisCluster

from loadtest.servers import mariadb
from services.common import cluster, migrations
from services.verify.model import Suspension
from services.verify.rules import MICROS
from tests.service.conftest import Valkey, free_port
from tests.service.verify.conftest import Joined, NewClient
from tests.service.verify.world import EMAIL, PASSWORD, WIDE, Client, VerifyPod, refusal

States = login_code_pb2.LoginCodeState
Code = grpc.StatusCode
BO = "bo@example.org"
GONE = (Code.NOT_FOUND, "LOGIN_CODE_NOT_FOUND")


@pytest.fixture(params=["sqlite", "mariadb"])
async def url(request: pytest.FixtureRequest, verify_database: str) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield verify_database
        return
    async with mariadb() as server:
        await asyncio.to_thread(migrations.upgrade, "verify", server.url)
        yield server.url


@pytest.fixture
async def pods(url: str, redis: RedisCluster, tmp_path: Path) -> AsyncIterator[list[VerifyPod]]:
    """Two pods on one database, which sign with one key as pods do."""
    first, second = (VerifyPod(free_port(), url, redis, tmp_path / "mail", **WIDE) for _ in "12")
    second.signer = first.signer
    for pod in (first, second):
        await pod.start()
    yield [first, second]
    for pod in (first, second):
        await pod.stop()


async def outcomes(calls: Iterable[Awaitable[Any]]) -> tuple[list[Any], list[Any]]:
    """Returns the answers and the refusals of calls made at once."""

    async def one(call: Awaitable[Any]) -> Any:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            return error

    done = await asyncio.gather(*(one(call) for call in calls))
    refused = [it for it in done if isinstance(it, grpc.aio.AioRpcError)]
    return [it for it in done if it not in refused], refused


async def gone(call: Awaitable[Any]) -> bool:
    refused = await refusal(call)
    return (refused.code, refused.reason) == GONE


async def test_a_tablet_logs_in_by_the_code_of_a_phone(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient
) -> None:
    phone, tablet = await joined(pods[0]), new_client(pods[1])
    made = await phone.create_login_code()
    seen = await phone.login_code(made.code_id)
    assert (seen.state, seen.HasField("claim")) == (States.LOGIN_CODE_STATE_WAITING, False)
    assert seen.expires_at == made.expires_at
    claimed = await tablet.claim_login_code(made.code)
    assert claimed.display_name == "灵"
    seen = await phone.login_code(made.code_id)
    assert seen.state == States.LOGIN_CODE_STATE_CLAIMED
    assert (seen.claim.device_name, seen.claim.platform) == ("her tablet-0002", "android")
    assert seen.claim.number == claimed.number
    assert seen.expires_at == claimed.expires_at
    waiting = await tablet.login_with_code(claimed.claim_token)
    assert waiting.WhichOneof("outcome") == "waiting"
    answered = await phone.answer_login_code(made.code_id, True)
    assert answered.state == States.LOGIN_CODE_STATE_APPROVED
    opened = (await tablet.login_with_code(claimed.claim_token)).login
    assert (await phone.login_code(made.code_id)).state == States.LOGIN_CODE_STATE_USED
    me = await phone.me()
    assert opened.me == me
    tablet.token = opened.tokens.access_token
    assert await tablet.me() == me
    assert (await tablet.refresh(opened.tokens.refresh_token)).user_id == me.user_id
    devices = {(it.device.id, it.device.platform, it.current) for it in await tablet.sessions()}
    assert devices == {("phone-0001", "linux", False), ("tablet-0002", "android", True)}
    # And once only.
    assert await gone(tablet.login_with_code(claimed.claim_token))
    assert await gone(tablet.claim_login_code(made.code))


async def test_a_declined_device_is_told_so(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient
) -> None:
    phone, thief = await joined(pods[0]), new_client(pods[1])
    made = await phone.create_login_code()
    claimed = await thief.claim_login_code(made.code)
    await phone.answer_login_code(made.code_id, False)
    for _ in range(2):
        answer = await thief.login_with_code(claimed.claim_token)
        assert answer.WhichOneof("outcome") == "declined"
    assert len(await phone.sessions()) == 1


async def test_of_many_claims_at_once_at_two_pods_one_has_the_code(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient
) -> None:
    phone = await joined(pods[0])
    devices = [new_client(pods[number % 2]) for number in range(8)]
    for _ in range(5):
        made = await phone.create_login_code()
        won, lost = await outcomes(
            device.claim_login_code(made.code, f"device-{number:04d}")
            for number, device in enumerate(devices)
        )
        assert (len(won), {it.code() for it in lost}) == (1, {Code.NOT_FOUND})
        assert (await phone.login_code(made.code_id)).claim.number == won[0].number


async def test_of_many_log_ins_at_once_at_two_pods_with_one_claim_one_has_tokens(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient
) -> None:
    phone = await joined(pods[0])
    devices = [new_client(pods[number % 2]) for number in range(8)]
    for number in range(5):
        made = await phone.create_login_code()
        claimed = await devices[0].claim_login_code(made.code)
        await phone.answer_login_code(made.code_id, True)
        won, lost = await outcomes(
            device.login_with_code(claimed.claim_token) for device in devices
        )
        assert [it.WhichOneof("outcome") for it in won] == ["login"], number
        assert {it.code() for it in lost} == {Code.NOT_FOUND}
        assert len(await phone.sessions()) == 2


async def test_a_code_and_a_claim_expire_and_are_swept(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient
) -> None:
    pod = pods[0]
    phone, tablet = await joined(pod), new_client(pod)
    made = await phone.create_login_code()
    assert made.expires_at.ToMicroseconds() == int((pod.now + 120) * MICROS)
    pod.now += 120
    assert await gone(tablet.claim_login_code(made.code))
    assert (await phone.login_code(made.code_id)).state == States.LOGIN_CODE_STATE_EXPIRED
    made = await phone.create_login_code()
    claimed = await tablet.claim_login_code(made.code)
    await phone.answer_login_code(made.code_id, True)
    pod.now += 120
    assert await gone(tablet.login_with_code(claimed.claim_token))
    assert len(await phone.sessions()) == 1
    pod.now += 601
    await pod.login_codes.sweep()
    assert await gone(phone.login_code(made.code_id))
    async with pod.database.read() as connection:
        assert await connection.scalar(sa.text("SELECT count(*) FROM login_code")) == 0


async def test_anothers_code_is_answered_for_as_one_that_there_is_not(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient
) -> None:
    ling, bo = await joined(pods[0]), await joined(pods[0], BO, "phone-0002")
    made = await ling.create_login_code()
    await new_client(pods[0]).claim_login_code(made.code)
    answers = []
    for code_id in (made.code_id, "none"):
        answers += [
            (await refusal(call)).seen
            for call in (
                bo.login_code(code_id),
                bo.answer_login_code(code_id, True),
                bo.answer_login_code(code_id, False),
            )
        ]
    assert all(answer == answers[0] for answer in answers)
    assert (await ling.login_code(made.code_id)).state == States.LOGIN_CODE_STATE_CLAIMED


async def test_unknown_used_and_expired_codes_answer_alike(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient
) -> None:
    pod = pods[0]
    phone, tablet = await joined(pod), new_client(pod)
    used, answers = await phone.create_login_code(), []
    claimed = await tablet.claim_login_code(used.code)
    answers.append((await refusal(tablet.claim_login_code(used.code))).seen)
    await phone.answer_login_code(used.code_id, True)
    await tablet.login_with_code(claimed.claim_token)
    answers.append((await refusal(tablet.claim_login_code(used.code))).seen)
    answers.append((await refusal(tablet.login_with_code(claimed.claim_token))).seen)
    expired = await phone.create_login_code()
    pod.now += 120
    for wrong in (expired.code, "k" * 43, "guessed", expired.code_id, "鸿" * 40):
        answers.append((await refusal(tablet.claim_login_code(wrong))).seen)
        answers.append((await refusal(tablet.login_with_code(wrong))).seen)
    assert all(answer == answers[0] for answer in answers)
    assert (await refusal(tablet.claim_login_code("k"))).reason == GONE[1]


async def end(client: Client, how: str) -> None:
    if how == "log-out":
        await client.revoke("current")
    else:
        request = account_pb2.DeleteAccountRequest(password=PASSWORD)
        await client.call("DeleteAccount", request)


@pytest.mark.parametrize("how", ["log-out", "deleted"])
async def test_a_code_ends_with_the_session_that_made_it(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient, how: str
) -> None:
    phone, tablet = await joined(pods[0]), new_client(pods[1])
    claimed = await phone.create_login_code()
    token = (await tablet.claim_login_code(claimed.code)).claim_token
    await phone.answer_login_code(claimed.code_id, True)
    await end(phone, how)
    assert await gone(tablet.login_with_code(token))
    # Its access token works for some seconds more; but opens no way in.
    assert await gone(phone.create_login_code())


async def test_a_log_in_by_a_code_and_the_end_of_its_session_at_once_leave_no_way_in(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient
) -> None:
    phone, tablet = await joined(pods[0]), new_client(pods[1])
    user_id = (await phone.me()).user_id
    for _ in range(8):
        made = await phone.create_login_code()
        token = (await tablet.claim_login_code(made.code)).claim_token
        await phone.answer_login_code(made.code_id, True)
        await phone.send_code(EMAIL, 2)
        reset = phone.reset(await pods[0].code(), PASSWORD)
        await outcomes((tablet.login_with_code(token), reset))
        assert await pods[0].verify.sessions(user_id) == []
        phone.token = (await phone.login()).access_token


async def test_who_is_suspended_is_refused(
    pods: list[VerifyPod], joined: Joined, new_client: NewClient
) -> None:
    phone, tablet = await joined(pods[0]), new_client(pods[1])
    made = await phone.create_login_code()
    token = (await tablet.claim_login_code(made.code)).claim_token
    await phone.answer_login_code(made.code_id, True)
    user_id = (await phone.me()).user_id
    async with pods[0]._begin() as store:
        await store.suspend(user_id, Suspension("spam", int(pods[0].now * MICROS), 0))
    refused = await refusal(tablet.login_with_code(token))
    assert (refused.code, refused.reason) == (Code.PERMISSION_DENIED, "ACCOUNT_SUSPENDED")


async def test_a_bot_can_let_nobody_in(pod: VerifyPod, joined: Joined, new_client: NewClient):
    owner = await joined(pod)
    bot = await owner.create_bot()
    scopes = (access_pb2.SCOPE_READ, access_pb2.SCOPE_WRITE, access_pb2.SCOPE_MANAGE)
    token = (await owner.create_bot_token(bot, *scopes)).token
    actor = new_client(pod)
    actor.token = (await actor.refresh(token)).access_token
    for call in (
        actor.create_login_code(),
        actor.login_code("code"),
        actor.answer_login_code("code", True),
    ):
        assert (await refusal(call)).reason == "NOT_FOR_BOTS"


@pytest.mark.parametrize(
    ("rpc", "request_", "wrong"),
    [
        ("ClaimLoginCode", login_code_pb2.ClaimLoginCodeRequest(), {"code", "device"}),
        (
            "ClaimLoginCode",
            login_code_pb2.ClaimLoginCodeRequest(
                code="c", device=account_pb2.Device(id="x", name="a\nb", platform="<>")
            ),
            {"device.id", "device.name", "device.platform"},
        ),
        (
            "ClaimLoginCode",
            login_code_pb2.ClaimLoginCodeRequest(
                code="c" * 129, device=account_pb2.Device(id="tablet-0002")
            ),
            {"code"},
        ),
        (
            "ClaimLoginCode",
            login_code_pb2.ClaimLoginCodeRequest(
                code="c", device=account_pb2.Device(id="tablet-0002", name="\u202egniL")
            ),
            {"device.name"},
        ),
        ("LoginWithCode", login_code_pb2.LoginWithCodeRequest(), {"claim_token"}),
        ("GetLoginCode", login_code_pb2.GetLoginCodeRequest(code_id="a b"), {"code_id"}),
        ("AnswerLoginCode", login_code_pb2.AnswerLoginCodeRequest(), {"code_id"}),
    ],
)
async def test_what_is_wrong_with_a_request_is_named(
    pod: VerifyPod, joined: Joined, rpc: str, request_: Any, wrong: set[str]
) -> None:
    refused = await refusal((await joined(pod)).call(rpc, request_))
    assert refused.code is Code.INVALID_ARGUMENT
    assert set(refused.fields) == wrong


async def calls_until_refused(call: Any, most: int) -> tuple[int, Any]:
    for number in range(most):
        refused = await refusal(call())
        if refused.code is Code.RESOURCE_EXHAUSTED:
            return number, refused
        assert refused.code is Code.NOT_FOUND
    raise AssertionError("no limit was reached")


async def test_making_codes_and_looking_at_them_is_limited_by_user(
    limited_pod: VerifyPod, joined: Joined
) -> None:
    ling, bo = await joined(limited_pod), await joined(limited_pod, BO, "phone-0002")
    for _ in range(10):
        await ling.create_login_code()
    refused = await refusal(ling.create_login_code())
    assert (refused.code, "login_code" in refused.text) == (Code.RESOURCE_EXHAUSTED, True)
    assert 0 < refused.retry_seconds <= 30
    made = await bo.create_login_code()
    started = time.monotonic()
    looked, refused = await calls_until_refused(lambda: ling.login_code("none"), 500)
    assert 200 <= looked <= 201 + (time.monotonic() - started) / 0.5
    assert "login_code_look" in refused.text
    assert (await refusal(ling.answer_login_code("none", True))).code is Code.RESOURCE_EXHAUSTED
    await bo.login_code(made.code_id)


async def test_claims_and_polls_are_limited_by_ip_address(
    limited_pod: VerifyPod, new_client: NewClient
) -> None:
    thief, owner = (new_client(limited_pod, ip) for ip in ("203.0.113.9", "198.51.100.1"))
    started = time.monotonic()
    claims, refused = await calls_until_refused(lambda: thief.claim_login_code("guessed"), 200)
    assert 100 <= claims <= 101 + (time.monotonic() - started) / 2
    assert "claim_ip" in refused.text
    started = time.monotonic()
    polls, refused = await calls_until_refused(lambda: thief.login_with_code("guessed"), 2_000)
    assert 600 <= polls <= 601 + (time.monotonic() - started) / 0.2
    assert "claim_poll_ip" in refused.text
    assert await gone(owner.claim_login_code("guessed"))
    assert await gone(owner.login_with_code("guessed"))


async def test_without_redis_nobody_is_let_in(
    mortal_valkey: Valkey, verify_database: str, tmp_path: Path, joined: Joined
) -> None:
    redis = cluster.connect(mortal_valkey.settings)
    pod = VerifyPod(free_port(), verify_database, redis, tmp_path / "mail", **WIDE)
    await pod.start()
    phone = await joined(pod)
    made = await phone.create_login_code()
    token = (await phone.claim_login_code(made.code)).claim_token
    mortal_valkey.stop()
    for call in (
        phone.create_login_code(),
        phone.login_code(made.code_id),
        phone.answer_login_code(made.code_id, True),
        phone.claim_login_code(made.code),
        phone.login_with_code(token),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (Code.UNAVAILABLE, "REDIS_AWAY")
        assert refused.retry_seconds
    await pod.stop()
    await redis.aclose()
