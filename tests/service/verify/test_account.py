"""AccountService over gRPC: accounts, log-ins, sessions, profiles."""

import asyncio
import base64
import json

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hongyan.verify.v1 import account_pb2

from tests.service.verify.conftest import Joined, NewClient
from tests.service.verify.world import EMAIL, PASSWORD, RESET, Client, VerifyPod, refusal

Code = grpc.StatusCode
BO = "bo@example.org"
NEW_PASSWORD = "quite another 9"


async def test_from_a_code_to_a_session_and_out_again(
    pod: VerifyPod, new_client: NewClient
) -> None:
    client = new_client(pod)
    answer = await client.send_code()
    assert answer.expires_at.ToMicroseconds() == int((pod.now + 600) * 1_000_000)
    me = await client.register(await pod.code())
    assert (me.email, me.display_name) == (EMAIL, "灵")
    tokens = await client.login()
    assert tokens.user_id == me.user_id
    assert tokens.access_expires_at.ToSeconds() == int(pod.now) + 900
    assert len(base64.urlsafe_b64decode(tokens.refresh_token + "=")) == 32
    client.token = tokens.access_token
    assert await client.me() == me
    await client.revoke("current")
    await pod.trust.refresh()
    ended = await refusal(client.me())
    assert (ended.code, ended.reason) == (Code.UNAUTHENTICATED, "SESSION_ENDED")
    assert (await refusal(client.refresh(tokens.refresh_token))).reason == "REFRESH_TOKEN_INVALID"


async def test_a_known_and_an_unknown_address_see_the_same_bytes(
    pod: VerifyPod, joined: Joined
) -> None:
    client = await joined(pod)
    for purpose in (1, 2):
        known, unknown = [await client.send_code(one, purpose) for one in (EMAIL, BO)]
        assert known == unknown
    for call in (
        lambda address: client.register("000000", address, "not this one"),
        lambda address: client.login(address, "not this one"),
        lambda address: client.reset("000000", "not this one", address),
    ):
        known, unknown = [await refusal(call(address)) for address in (EMAIL, BO)]
        assert known.seen == unknown.seen
        assert known.code in (Code.INVALID_ARGUMENT, Code.UNAUTHENTICATED)


async def test_a_registration_is_repeated_after_a_lost_answer(
    pod: VerifyPod, new_client: NewClient
) -> None:
    client = new_client(pod)
    await client.send_code()
    code = await pod.code()
    first = await client.register(code)
    assert await client.register(code, EMAIL.upper()) == first
    other = await refusal(client.register(code, password="not this one"))
    assert (other.code, other.reason) == (Code.INVALID_ARGUMENT, "CODE_INVALID")
    assert list(other.fields) == ["code"]


async def test_two_who_register_one_address_at_once_are_one_account(
    pod: VerifyPod, new_client: NewClient
) -> None:
    one, other = new_client(pod), new_client(pod)
    await one.send_code()
    code = await pod.code()
    outcomes = await asyncio.gather(
        one.register(code, "LING@example.org", PASSWORD),
        other.register(code, EMAIL, "another one 77"),
        return_exceptions=True,
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, account_pb2.Me)]
    (refused,) = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert len(made) == 1
    assert refused.code() is Code.INVALID_ARGUMENT


async def test_two_who_ask_for_a_code_at_once_both_get_an_answer(
    pod: VerifyPod, new_client: NewClient
) -> None:
    client = new_client(pod)
    answers = await asyncio.gather(*(client.send_code() for _ in range(6)))
    assert len({answer.expires_at.ToMicroseconds() for answer in answers}) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": "a@b.c\r\nbcc: x@y.z"}, "email"),
        ({"email": "a" * 251 + "@b.c"}, "email"),
        ({"code": "12345"}, "code"),
        ({"code": "１２３４５６"}, "code"),
        ({"password": "short 7"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "password1"}, "password"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": "\u3000 "}, "display_name"),
        ({"display_name": "a\r\nbcc: x@y.z"}, "display_name"),
        ({"display_name": "a\u202egnp.exe"}, "display_name"),
        ({"display_name": "x" * 65}, "display_name"),
    ],
    ids=lambda value: ascii(value)[:40],
)
async def test_a_wrong_field_of_a_registration_is_named(
    pod: VerifyPod, new_client: NewClient, changes: dict[str, str], field: str
) -> None:
    good = {"email": EMAIL, "code": "123456", "password": PASSWORD, "display_name": "灵"}
    request = account_pb2.RegisterRequest(**{**good, **changes})
    refused = await refusal(new_client(pod).call("Register", request))
    assert refused.code is Code.INVALID_ARGUMENT
    assert list(refused.fields) == [field]
    assert PASSWORD not in refused.text


@pytest.mark.parametrize("purpose", [0, 3, -1])
async def test_a_code_for_no_purpose_is_refused(
    pod: VerifyPod, new_client: NewClient, purpose: int
) -> None:
    refused = await refusal(new_client(pod).send_code(EMAIL, purpose))
    assert refused.code is Code.INVALID_ARGUMENT
    assert list(refused.fields) == ["purpose"]


@pytest.mark.parametrize(
    "device",
    [
        *(None, {"id": "short"}, {"id": "a b c d e f"}, {"id": "x" * 65}, {"name": "a\nb"}),
        *({"name": "x" * 65}, {"platform": "x" * 33}, {"platform": "<b>"}),
    ],
    ids=str,
)
async def test_a_wrong_device_is_refused(
    pod: VerifyPod, new_client: NewClient, device: dict[str, str] | None
) -> None:
    request = account_pb2.LoginRequest(email=EMAIL, password=PASSWORD)
    if device is not None:
        request.device.CopyFrom(account_pb2.Device(**{"id": "phone-0001", **device}))
    refused = await refusal(new_client(pod).call("Login", request))
    assert refused.code is Code.INVALID_ARGUMENT
    assert [name.partition(".")[0] for name in refused.fields] == ["device"]


async def test_a_device_that_logs_in_again_replaces_its_former_session(
    pod: VerifyPod, joined: Joined
) -> None:
    client = await joined(pod)
    former = client.token
    client.token = (await client.login()).access_token
    await pod.trust.refresh()
    (session,) = await client.sessions()
    assert session.current
    client.token = former
    assert (await refusal(client.me())).reason == "SESSION_ENDED"


async def test_the_same_device_id_of_another_user_is_another_device(
    pod: VerifyPod, joined: Joined
) -> None:
    ling, bo = await joined(pod), await joined(pod, BO)
    await pod.trust.refresh()
    assert len(await ling.sessions()) == len(await bo.sessions()) == 1


async def test_sessions_come_with_the_latest_used_first_and_the_own_one_marked(
    pod: VerifyPod, joined: Joined
) -> None:
    client = await joined(pod, device="device-000")
    tokens = []
    for number in (1, 2):
        pod.now += 60
        tokens.append(await client.login(device=f"device-00{number}"))
    pod.now += 60
    await client.refresh(tokens[0].refresh_token)
    sessions = await client.sessions()
    assert [one.device.id for one in sessions] == ["device-001", "device-002", "device-000"]
    assert [one.current for one in sessions] == [False, False, True]
    assert sessions[0].device.name == "her device-001"
    assert sessions[0].used_at.ToSeconds() - sessions[0].created_at.ToSeconds() == 120


async def test_a_foreign_session_and_none_get_the_same_answer(
    pod: VerifyPod, joined: Joined
) -> None:
    ling, bo = await joined(pod), await joined(pod, BO)
    (session,) = await ling.sessions()
    foreign = await refusal(bo.revoke(session.session_id))
    unknown = await refusal(bo.revoke("0" * len(session.session_id)))
    assert foreign.seen == unknown.seen
    assert foreign.code is Code.NOT_FOUND
    assert len(await ling.sessions()) == 1


async def test_one_session_ends_another_and_may_say_so_twice(
    pod: VerifyPod, joined: Joined
) -> None:
    client = await joined(pod)
    other = await client.login(device="laptop-001")
    for _ in range(2):
        await client.revoke(other.session_id)
    (session,) = await client.sessions()
    assert session.current
    assert (await refusal(client.refresh(other.refresh_token))).code is Code.UNAUTHENTICATED


async def test_a_reset_ends_every_session_and_its_code_works_once(
    pod: VerifyPod, joined: Joined
) -> None:
    client = await joined(pod)
    await client.login(device="laptop-001")
    await client.send_code(EMAIL, RESET)
    code = await pod.code()
    await client.reset(code, NEW_PASSWORD)
    await pod.trust.refresh()
    assert (await refusal(client.me())).reason == "SESSION_ENDED"
    assert (await refusal(client.reset(code, NEW_PASSWORD))).reason == "CODE_INVALID"
    assert (await refusal(client.login())).reason == "CREDENTIALS_INVALID"
    client.token = (await client.login(password=NEW_PASSWORD)).access_token
    assert len(await client.sessions()) == 1


async def test_a_refresh_token_that_comes_again_ends_the_session_everywhere(
    pod: VerifyPod, joined: Joined
) -> None:
    client = await joined(pod)
    tokens = await client.login()
    client.token = tokens.access_token
    fresh = await client.refresh(tokens.refresh_token)
    pod.now += 11
    reused = await refusal(client.refresh(tokens.refresh_token))
    unknown = await refusal(client.refresh("never made by anybody"))
    assert reused.seen == unknown.seen
    assert reused.code is Code.UNAUTHENTICATED
    await pod.trust.refresh()
    assert (await refusal(client.me())).reason == "SESSION_ENDED"
    assert (await refusal(client.refresh(fresh.refresh_token))).code is Code.UNAUTHENTICATED


async def test_an_access_token_is_good_for_fifteen_minutes(pod: VerifyPod, joined: Joined) -> None:
    client = await joined(pod)
    pod.now += 899
    await client.me()
    pod.now += 1
    assert (await refusal(client.me())).reason == "TOKEN_EXPIRED"


def forged(token: str, head: dict[str, object], claims: dict[str, object]) -> str:
    parts = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]
    changed = [{**parts[0], **head}, {**parts[1], **claims}]
    encoded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in changed]
    signature = "" if head.get("alg") == "none" else token.split(".")[2]
    return b".".join(encoded).decode() + "." + signature


@pytest.mark.parametrize(
    ("head", "claims"),
    [
        ({"alg": "none"}, {}),
        ({"alg": "HS256"}, {}),
        ({"kid": "another"}, {}),
        ({"typ": "JWT"}, {}),
        ({"jku": "https://example.org/keys"}, {"sub": "somebody"}),
        ({}, {"sub": "somebody"}),
        ({}, {"aud": "another"}),
        ({}, {"exp": 9_999_999_999}),
    ],
    ids=str,
)
async def test_a_forged_access_token_is_refused(
    pod: VerifyPod, joined: Joined, head: dict[str, object], claims: dict[str, object]
) -> None:
    client = await joined(pod)
    client.token = forged(client.token, head, claims)
    refused = await refusal(client.me())
    assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("mask", "name", "outcome"),
    [
        (["display_name"], "New", "New"),
        (["display_name"], "  New ", "New"),
        ([], "New", "New"),
        ([], "", "update_mask"),
        (["display_name"], "", "me.display_name"),
        (["display_name"], "\u200b", "me.display_name"),
        (["display_name", "display_name"], "New", "New"),
        (["email"], "New", "update_mask"),
        (["display_name", "user_id"], "New", "update_mask"),
        (["*"], "New", "update_mask"),
        (["no_such"], "New", "update_mask"),
    ],
    ids=str,
)
async def test_only_what_the_mask_names_is_changed(
    pod: VerifyPod, joined: Joined, mask: list[str], name: str, outcome: str
) -> None:
    client = await joined(pod)
    before = await client.me()
    me = account_pb2.Me(display_name=name, email="evil@example.org", user_id="evil")
    request = account_pb2.UpdateMeRequest(me=me, update_mask=FieldMask(paths=mask))
    if outcome in ("update_mask", "me.display_name"):
        refused = await refusal(client.call("UpdateMe", request))
        assert refused.code is Code.INVALID_ARGUMENT
        assert list(refused.fields) == [outcome]
        assert await client.me() == before
    else:
        after = (await client.call("UpdateMe", request)).me
        assert after.display_name == outcome
        assert after == await client.me()
        assert (after.user_id, after.email) == (before.user_id, EMAIL)


async def test_of_another_user_one_sees_the_name_and_no_address(
    pod: VerifyPod, joined: Joined
) -> None:
    ling, bo = await joined(pod), await joined(pod, BO)
    me = await ling.me()
    answer = await bo.call("GetUser", account_pb2.GetUserRequest(user_id=me.user_id))
    assert answer.user == account_pb2.User(
        user_id=me.user_id, display_name="灵", kind=account_pb2.USER_KIND_PERSON
    )
    assert EMAIL not in str(answer)
    unknown = await refusal(bo.call("GetUser", account_pb2.GetUserRequest(user_id="nobody")))
    assert (unknown.code, unknown.reason) == (Code.NOT_FOUND, "USER_NOT_FOUND")


@pytest.mark.parametrize("name", ["RevokeSession", "ListSessions", "GetMe", "UpdateMe", "GetUser"])
async def test_without_a_token_nothing_of_a_user_is_told(
    pod: VerifyPod, new_client: NewClient, name: str
) -> None:
    client: Client = new_client(pod)
    refused = await refusal(client.call(name, getattr(account_pb2, f"{name}Request")()))
    assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, "TOKEN_MISSING")


async def test_who_one_is_comes_from_the_token_alone(pod: VerifyPod, joined: Joined) -> None:
    ling, bo = await joined(pod), await joined(pod, BO)
    other = (await ling.me()).user_id
    answer = await bo.call(
        "GetMe", account_pb2.GetMeRequest(), x_user_id=other, x_hongyan_user=other
    )
    assert answer.me.email == BO
