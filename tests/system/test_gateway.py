"""The gateway as outsiders meet it: the real Envoy before the real services."""

import asyncio
import base64
import contextlib
import json
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ed25519
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from hongyan.chat.v1 import (
    conversation_pb2,
    conversation_pb2_grpc,
    link_pb2_grpc,
    moderation_pb2,
    moderation_pb2_grpc,
)
from hongyan.gate.v1 import gate_pb2, gate_pb2_grpc
from hongyan.status.v1 import directory_pb2, directory_pb2_grpc
from hongyan.verify.v1 import (
    account_pb2,
    account_pb2_grpc,
    admin_pb2,
    admin_pb2_grpc,
    trust_pb2,
    trust_pb2_grpc,
)

from loadtest.accounts import make_accounts
from services.common.contract import PUBLIC_SERVICES
from services.common.identity import Caller
from services.common.tokens import Signer
from services.embedded.settings import Settings
from services.embedded.system import System

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEVICES = 1_100
LARGE_BODY = json.dumps({"display_name": "x" * 1_100_000})
UNMETERED = {"HONGYAN_LIMIT_CONNECT": "10000/0.001"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(home: Path) -> AsyncIterator[System]:
    settings = Settings(port=0, home=home, database_url="", redis_nodes="", otlp_endpoint="")
    async with System(settings, replicas={"chat": 2}, environment={"gate": UNMETERED}) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rest(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.address, trust_env=False) as client:
        yield client


def open_channel(system: System) -> grpc.aio.Channel:
    own = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each channel
    return grpc.aio.insecure_channel(system.address.removeprefix("http://"), options=own)


@pytest_asyncio.fixture(loop_scope="module")
async def channel(system: System) -> AsyncIterator[grpc.aio.Channel]:
    async with open_channel(system) as opened:
        yield opened


@pytest.fixture(scope="module")
def signer(system: System, home: Path) -> Signer:
    return Signer((home / "keys" / "signing.pem").read_bytes())


def bearer(signer: Signer, number: int = 0) -> tuple[tuple[str, str]]:
    token = signer.sign(Caller(f"user{number}", f"session{number}"), time.time())
    return (("authorization", f"Bearer {token}"),)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert info.domain == "hongyan"
    return info.reason


def rest_error(answer: httpx.Response) -> tuple[int, int, str]:
    """Returns the HTTP status, the google.rpc.Code and the reason of an error."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    (reason,) = (detail["reason"] for detail in body["details"] if "reason" in detail)
    return answer.status_code, body["code"], reason


async def test_a_person_registers_and_reads_a_profile_by_rest(system, rest):
    email = "mei@example.org"
    asked = await rest.post(
        "/v1/verification-codes", json={"email": email, "purpose": "CODE_PURPOSE_REGISTER"}
    )
    assert asked.status_code == 200, asked.text
    code = await mailed_code(system.mail_folder)
    account = {"email": email, "code": code, "password": "correct horse 42", "display_name": "梅"}
    registered = await rest.post("/v1/accounts", json=account)
    assert registered.json()["me"]["display_name"] == "梅"
    device = {"id": "device-0001", "name": "curl", "platform": "linux"}
    login = await rest.post(
        "/v1/sessions", json={"email": email, "password": "correct horse 42", "device": device}
    )
    token = login.json()["tokens"]["access_token"]
    me = await rest.get("/v1/me", headers={"authorization": f"Bearer {token}"})
    assert me.json()["me"]["email"] == email
    # Empty fields are printed, by the names of the contract.
    listed = await rest.get("/v1/conversations", headers={"authorization": f"Bearer {token}"})
    assert listed.json() == {"conversations": [], "next_page_token": ""}
    log = system.log("gateway").read_text()
    assert "/v1/me" in log
    assert token not in log
    assert email not in log


async def mailed_code(folder: Path) -> str:
    async with asyncio.timeout(10):
        while True:
            mails = await asyncio.to_thread(lambda: [m.read_text() for m in folder.glob("*.eml")])
            if found := re.search(r"\b\d{6}\b", "".join(mails)):
                return found[0]
            await asyncio.sleep(0.02)


def forged_tokens(signer: Signer) -> dict[str, str]:
    claims = {"iss": "hongyan", "aud": "hongyan", "sub": "u", "exp": int(time.time()) + 600}
    good = signer.sign(Caller("u", "s"), time.time())
    kid = jwt.get_unverified_header(good)["kid"]
    stranger = ed25519.Ed25519PrivateKey.generate()

    def sign(changes: dict[str, Any], key: Any = stranger, algorithm: str = "EdDSA") -> str:
        return jwt.encode(claims | changes, key, algorithm=algorithm, headers={"kid": kid})

    return {
        "nonsense": "x",
        "of a stranger": sign({}),
        "without a signature": jwt.encode(claims, None, algorithm="none"),
        "signed with the public key's name": sign({}, "k" * 32, "HS256"),
        "for another audience": sign({"aud": "another"}, signer._key),
        "from another issuer": sign({"iss": "another"}, signer._key),
        "expired": signer.sign(Caller("u", "s"), time.time() - 3600),
        "cut": good[:-8] + "AAAAAAAA",
    }


async def test_a_wrong_token_goes_no_further_than_the_gateway(rest, channel, signer):
    account = account_pb2_grpc.AccountServiceStub(channel)
    for name, token in ({"missing": ""} | forged_tokens(signer)).items():
        header = {"authorization": f"Bearer {token}"} if token else {}
        answer = await rest.get("/v1/me", headers=header)
        reason = {"missing": "TOKEN_MISSING", "expired": "TOKEN_EXPIRED"}.get(name, "TOKEN_INVALID")
        assert rest_error(answer) == (401, 16, reason), name
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await account.GetMe(account_pb2.GetMeRequest(), metadata=tuple(header.items()))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, name
        assert reason_of(caught.value) == reason


# What other systems believe, in every spelling that a server may take for it.
FORGED = (
    *("x-user-id", "x-user", "x-account-id", "x-session-id", "x-device-id", "x-remote-user"),
    *("x-jwt-payload", "x-forwarded-user", "x-forwarded-email", "x-auth-request-user"),
    *("x-hongyan-user-id", "x-hongyan-session-id", "user-id", "sub"),
)


async def test_nobody_becomes_another_by_headers_of_their_own(system, rest, channel, home):
    mei, bo = await make_accounts(system.address, system.mail_folder, 2)
    payload = base64.urlsafe_b64encode(json.dumps({"sub": bo.user_id}).encode()).decode()
    key = (home / "keys" / "internal").read_text()
    forged = {
        **dict.fromkeys(FORGED, bo.user_id),
        "x-jwt-payload": payload,
        "x-hongyan-internal": key,
        "x-internal-key": key,
    }
    own = {"authorization": f"Bearer {mei.token}"}
    answer = await rest.get("/v1/me", headers={**own, **forged})
    assert answer.json()["me"]["user_id"] == mei.user_id
    account = account_pb2_grpc.AccountServiceStub(channel)
    me = await account.GetMe(account_pb2.GetMeRequest(), metadata=tuple({**own, **forged}.items()))
    assert me.me.user_id == mei.user_id
    # Alone they are nobody; and an underscore is no way around.
    spelled = {name.replace("-", "_"): value for name, value in forged.items()}
    for headers in (forged, spelled, {**forged, "x-envoy-original-path": "/v1/accounts"}):
        assert rest_error(await rest.get("/v1/me", headers=headers))[0] == 401
    # The limits count by the address that the gateway saw, not by one that was made up.
    for number in range(30):
        headers = {"x-forwarded-for": f"10.0.0.{number}", "x-real-ip": f"10.0.0.{number}"}
        body = {"email": f"made-up-{number}@example.org", "purpose": 1}
        answer = await rest.post("/v1/verification-codes", json=body, headers=headers)
        if answer.status_code != 200:
            break
    assert rest_error(answer) == (429, 8, "LIMIT_REACHED")


async def test_the_inner_calls_have_no_way_by_rest_either(rest, signer, home):
    key = (home / "keys" / "internal").read_text()
    headers = {**dict(bearer(signer)), "x-hongyan-internal": key}
    for path in (
        "/hongyan.verify.v1.TrustService/GetTrust",
        "/hongyan.verify.v1.TrustService/FindUsers",
        "/hongyan.status.v1.DirectoryService/Renew",
        "/hongyan.chat.v1.LinkService/Attach",
        "/hongyan.verify.v1.AdminService/FindUsers",
        "/hongyan.chat.v1.ModerationService/ListReports",
        "/hongyan.verify.v1.AccountService/../TrustService/GetTrust",
        "//hongyan.verify.v1.TrustService/GetTrust",
        "/.well-known/jwks.json",
        "/metrics",
    ):
        answer = await rest.post(path, json={}, headers=headers)
        assert rest_error(answer) == (404, 5, "PATH_NOT_FOUND"), path


async def test_a_token_in_the_address_is_no_token(rest, signer):
    ((_, value),) = bearer(signer)
    answer = await rest.get("/v1/me", params={"access_token": value.removeprefix("Bearer ")})
    assert rest_error(answer)[0] == 401


async def test_what_services_say_to_each_other_cannot_be_reached(channel, signer, home):
    key = (home / "keys" / "internal").read_text()
    metadata = (*bearer(signer), ("x-hongyan-internal", key))
    trust = trust_pb2_grpc.TrustServiceStub(channel)
    directory = directory_pb2_grpc.DirectoryServiceStub(channel)
    link = link_pb2_grpc.LinkServiceStub(channel)
    admin = (("authorization", f"Bearer {(home / 'keys' / 'admin').read_text()}"),)
    accounts = admin_pb2_grpc.AdminServiceStub(channel)
    moderation = moderation_pb2_grpc.ModerationServiceStub(channel)
    for call in (
        accounts.FindUsers(admin_pb2.AdminServiceFindUsersRequest(query="x"), metadata=metadata),
        moderation.ListReports(moderation_pb2.ListReportsRequest(), metadata=metadata),
        trust.GetTrust(trust_pb2.GetTrustRequest(), metadata=metadata),
        trust.FindUsers(trust_pb2.FindUsersRequest(), metadata=metadata),
        directory.Renew(directory_pb2.RenewRequest(), metadata=metadata),
        link.Attach(iter(()), metadata=metadata).read(),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert reason_of(caught.value) == "PATH_NOT_FOUND"
    # An administrator's key is no token: it does not even get so far.
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await moderation.ListReports(moderation_pb2.ListReportsRequest(), metadata=admin)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("request_line", "content", "expected"),
    [
        ("GET /v1/nowhere", "", (404, 5, "PATH_NOT_FOUND")),
        ("DELETE /v1/me", "", (404, 5, "PATH_NOT_FOUND")),
        ("POST /hongyan.verify.v1.AccountService/GetMe", "{}", (404, 5, "PATH_NOT_FOUND")),
        ("PATCH /v1/me", '{"display_name":', (400, 3, "REQUEST_UNREADABLE")),
        ("GET /v1/me?colour=red", "", (400, 3, "REQUEST_UNREADABLE")),
        ("GET /v1/conversations?page_size=many", "", (400, 3, "REQUEST_UNREADABLE")),
        ("PATCH /v1/me", LARGE_BODY, (413, 8, "REQUEST_TOO_LARGE")),
        ("GET /v1/conversations?page_size=1000", "", (400, 3, "INVALID_FIELD")),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
async def test_an_error_over_rest_is_json_with_a_reason(
    rest, signer, request_line, content, expected
):
    method, path = request_line.split(" ")
    answer = await rest.request(method, path, content=content or None, headers=dict(bearer(signer)))
    assert rest_error(answer) == expected


async def test_a_call_that_is_too_large_is_refused_over_grpc(channel, signer):
    account = account_pb2_grpc.AccountServiceStub(channel)
    request = account_pb2.GetUserRequest(user_id="x" * 1_100_000)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await account.GetUser(request, metadata=bearer(signer))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(caught.value) == "REQUEST_TOO_LARGE"


async def test_headers_have_a_limit(rest):
    answer = await rest.get("/v1/me", headers={"x-padding": "x" * 40_000})
    assert rest_error(answer)[0] == 431


async def test_anyone_may_ask_which_services_there_are(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    async for answer in stub.ServerReflectionInfo(iter([ask])):
        found = {service.name for service in answer.list_services_response.service}
        assert found >= set(PUBLIC_SERVICES)
        assert "hongyan.verify.v1.TrustService" not in found
        assert "hongyan.verify.v1.AdminService" not in found
    newer = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await newer(iter([b""])).read()
    # Which is what makes tools ask in the older way.
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


class Device:
    """A stream that is open."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def say(self, **event: Any) -> None:
        frame = gate_pb2.ConnectRequest(events=[gate_pb2.ClientEvent(**event)])
        await self._call.write(frame)

    async def hear(self, kind: str) -> Any:
        """Waits for an event of a kind."""
        async with asyncio.timeout(20):
            while True:
                for event in (await self._call.read()).events:
                    if event.WhichOneof("event") == kind:
                        return getattr(event, kind)


@contextlib.asynccontextmanager
async def connected(channel: grpc.aio.Channel, metadata: Any) -> AsyncIterator[Device]:
    call = gate_pb2_grpc.GateServiceStub(channel).Connect(metadata=metadata)
    device = Device(call)
    await device.say(hello=gate_pb2.Hello())
    await device.hear("caught_up")
    try:
        yield device
    finally:
        call.cancel()


async def test_more_devices_than_the_defaults_allow_are_connected_at_once(system, signer):
    async with contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(open_channel(system)) for _ in range(4)]

        async def connect(number: int) -> Device:
            channel = channels[number % len(channels)]
            return await stack.enter_async_context(connected(channel, bearer(signer, number)))

        devices: list[Device] = []
        for first in range(0, DEVICES, 100):
            batch = range(first, min(first + 100, DEVICES))
            devices += await asyncio.gather(*(connect(number) for number in batch))
        await asyncio.gather(*(device.say(ping={"nonce": 7}) for device in devices))
        answers = await asyncio.gather(*(device.hear("pong") for device in devices))
        assert {answer.nonce for answer in answers} == {7}
        assert len(answers) == DEVICES


async def test_a_stream_stays_open_while_every_chat_pod_is_away(system, channel, signer, rest):
    async with connected(channel, bearer(signer)) as device:
        await asyncio.gather(system.kill("chat", 0), system.kill("chat", 1))
        headers = dict(bearer(signer))
        async with asyncio.timeout(20):
            # Until the gateway has noticed that gate is not ready without chat.
            while (
                b"SERVICE_AWAY"
                not in (await rest.get("/v1/conversations", headers=headers)).content
            ):
                await asyncio.sleep(0.05)
            await asyncio.sleep(0)
        await until_sick(system, "gate")
        await device.say(ping={"nonce": 1})
        assert (await device.hear("pong")).nonce == 1
        await asyncio.gather(system.start("chat", 0), system.start("chat", 1))
        await device.say(ping={"nonce": 2})
        assert (await device.hear("pong")).nonce == 2
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                async with connected(channel, bearer(signer)):
                    break
            await asyncio.sleep(0.05)


async def until_sick(system: System, cluster: str) -> None:
    """Waits until the gateway's health checks find a cluster's hosts failing."""
    async with httpx.AsyncClient(trust_env=False) as admin, asyncio.timeout(20):
        while True:
            listing = (
                await admin.get(f"http://{system.admin_address}/clusters?format=json")
            ).json()
            for status in listing["cluster_statuses"]:
                if status["name"] == cluster and any(
                    host["health_status"].get("failed_active_health_check")
                    for host in status["host_statuses"]
                ):
                    return
            await asyncio.sleep(0.05)


async def test_calls_go_on_while_one_of_two_pods_is_killed(system, channel, signer):
    chat = conversation_pb2_grpc.ConversationServiceStub(channel)
    outcomes: Counter[str] = Counter()

    async def call_for_ever() -> None:
        while True:
            try:
                await chat.ListConversations(
                    conversation_pb2.ListConversationsRequest(), metadata=bearer(signer)
                )
                outcomes["ok"] += 1
            except grpc.aio.AioRpcError as error:
                outcomes[f"{error.code().name}: {error.details()}"] += 1
            await asyncio.sleep(0.002)

    calls = asyncio.create_task(call_for_ever())
    await until_counted(outcomes, 50)
    await system.kill("chat", 0)
    await until_counted(outcomes, outcomes["ok"] + 200)
    await system.start("chat", 0)
    await until_counted(outcomes, outcomes["ok"] + 50)
    calls.cancel()
    # The call that was under way in the pod may have run, so it is not sent again.
    assert outcomes.total() - outcomes["ok"] <= 2, outcomes


async def until_counted(outcomes: Counter[str], ok: int) -> None:
    async with asyncio.timeout(20):
        while outcomes["ok"] < ok:
            await asyncio.sleep(0.01)


async def test_a_flood_of_one_connection_is_answered_with_429(system):
    def flood() -> tuple[Counter[int], bytes]:
        """Asks again as soon as it is answered, until it is told to wait."""
        host, port = system.address.removeprefix("http://").split(":")
        statuses: Counter[int] = Counter()
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            while not statuses[429] and statuses.total() < 40_000:
                connection.sendall(b"GET /v1/nowhere HTTP/1.1\r\nhost: x\r\n\r\n")
                answer = connection.recv(4096)
                while not answer.endswith(b"}\n"):
                    answer += connection.recv(4096)
                statuses[int(answer.split()[1])] += 1
        return statuses, answer.partition(b"\r\n\r\n")[2]

    statuses, last = await asyncio.to_thread(flood)
    assert statuses.keys() == {401, 429}
    assert statuses[401] >= 5_000
    body = json.loads(last)
    assert (body["code"], body["details"][0]["reason"]) == (8, "LIMIT_REACHED")
    assert body["details"][1]["retry_delay"] == "1s"
