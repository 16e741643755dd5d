"""Limits of credentials, in a real cluster: reached, told apart by IP address, and without it."""

import time
from pathlib import Path

import grpc
import pytest

from services.common import cluster
from tests.service.conftest import Valkey, free_port
from tests.service.verify.conftest import Joined, NewClient
from tests.service.verify.world import EMAIL, RESET, WIDE, Client, VerifyPod, refusal

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
OWNER, STRANGER = "198.51.100.1", "203.0.113.9"
WRONG = "not this one"


async def tries_until_refused(client: Client, most: int) -> int:
    for number in range(most):
        refused = await refusal(client.login(password=WRONG))
        if refused.code is EXHAUSTED:
            assert refused.retry_seconds > 0
            return number
        assert refused.reason == "CREDENTIALS_INVALID"
    return most


async def test_codes_for_one_address_are_three_and_then_one_a_minute(
    limited_pod: VerifyPod, new_client: NewClient
) -> None:
    for number in range(3):
        await new_client(limited_pod, f"198.51.100.{number}").send_code()
    for purpose in (1, RESET):
        refused = await refusal(new_client(limited_pod, STRANGER).send_code(EMAIL, purpose))
        assert refused.code is EXHAUSTED
        assert 50 < refused.retry_seconds <= 60
    written = await refusal(new_client(limited_pod, STRANGER).send_code(EMAIL.upper()))
    assert written.code is EXHAUSTED


async def test_codes_from_one_ip_address_are_twenty(
    limited_pod: VerifyPod, new_client: NewClient
) -> None:
    client = new_client(limited_pod, STRANGER)
    for number in range(20):
        await client.send_code(f"user{number}@example.org")
    refused = await refusal(client.send_code("user20@example.org"))
    assert refused.code is EXHAUSTED
    assert 0 < refused.retry_seconds <= 10
    await new_client(limited_pod, OWNER).send_code("user20@example.org")


async def test_a_stranger_is_stopped_and_the_owner_still_gets_in(
    limited_pod: VerifyPod, joined: Joined, new_client: NewClient
) -> None:
    await joined(limited_pod)
    assert await tries_until_refused(new_client(limited_pod, STRANGER), 15) == 10
    owner = new_client(limited_pod, OWNER)
    assert (await owner.login()).access_token
    # The right password does not get past the limit.
    assert (await refusal(new_client(limited_pod, STRANGER).login())).code is EXHAUSTED


async def test_many_accounts_tried_from_one_ip_address_are_limited_too(
    limited_pod: VerifyPod, new_client: NewClient
) -> None:
    client = new_client(limited_pod, STRANGER)
    started, tried = time.monotonic(), 0
    while (refused := await refusal(client.login(f"user{tried}@example.org"))).code != EXHAUSTED:
        tried += 1
        assert tried < 150
    assert 100 <= tried <= 101 + (time.monotonic() - started) / 2
    assert "login_ip" in refused.text


@pytest.mark.parametrize(
    "headers",
    [
        ["{own}"],
        ["1.2.3.{n}, {own}"],
        ["1.2.3.{n},5.6.7.{n},{own}"],
        ["{own}, ,{own}"],
        ["1.2.3.{n}", "{own}"],
        [", {own} "],
    ],
    ids=str,
)
async def test_what_a_client_writes_before_the_last_hop_is_not_believed(
    limited_pod: VerifyPod, joined: Joined, new_client: NewClient, headers: list[str]
) -> None:
    await joined(limited_pod)
    client = new_client(limited_pod)

    class Hops(Client):
        tries = 0

        async def call(self, name, request, **_):
            Hops.tries += 1
            metadata = [
                ("x-forwarded-for", one.format(n=Hops.tries, own=STRANGER)) for one in headers
            ]
            return await getattr(self.stub, name)(request, metadata=metadata, timeout=15)

    assert await tries_until_refused(Hops(client.channel), 15) == 10


async def test_without_a_gateway_the_peer_counts(
    limited_pod: VerifyPod, joined: Joined, new_client: NewClient
) -> None:
    await joined(limited_pod)
    # Each from a port of its own.
    for _ in range(10):
        await refusal(new_client(limited_pod).login(password=WRONG))
    assert await tries_until_refused(new_client(limited_pod), 3) == 0


async def test_two_pods_share_their_limits(
    limited_pod: VerifyPod, verify_database: str, redis, tmp_path: Path, new_client: NewClient
) -> None:
    other = await VerifyPod(free_port(), verify_database, redis, tmp_path / "mail").start()
    for number in range(3):
        await new_client(limited_pod if number % 2 else other, OWNER).send_code()
    for pod in (limited_pod, other):
        assert (await refusal(new_client(pod, OWNER).send_code())).code is EXHAUSTED
    await other.stop()


async def test_no_address_is_written_into_the_cluster(
    limited_pod: VerifyPod, new_client: NewClient, redis
) -> None:
    client = new_client(limited_pod, STRANGER)
    await client.send_code()
    await refusal(client.login())
    names = [str(name) for name in await redis.keys("*")]
    assert len(names) == 4
    assert not [name for name in names if "ling" in name or STRANGER in name]
    assert all([0 < await redis.ttl(name) <= 1_000 for name in names])


async def test_without_redis_credentials_are_closed_and_sessions_go_on(
    mortal_valkey: Valkey, verify_database: str, tmp_path: Path, joined: Joined
) -> None:
    redis = cluster.connect(mortal_valkey.settings)
    pod = VerifyPod(free_port(), verify_database, redis, tmp_path / "mail", **WIDE)
    await pod.start()
    client = await joined(pod)
    tokens = await client.login()
    client.token = tokens.access_token
    await client.send_code(EMAIL, RESET)
    code = await pod.code()
    mortal_valkey.stop()
    started = time.monotonic()
    for call in (client.login(), client.send_code(), client.send_code(EMAIL, RESET)):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "REDIS_AWAY")
        assert refused.retry_seconds
    assert time.monotonic() - started < 10
    tokens = await client.refresh(tokens.refresh_token)
    assert (await client.me()).email == EMAIL
    assert len(await client.sessions()) == 1
    await client.revoke("current")
    await client.reset(code, "quite another 9")
    await pod.stop()
    await redis.aclose()
