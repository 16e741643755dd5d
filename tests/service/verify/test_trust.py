"""TrustService: for the other services only."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from hongyan.verify.v1 import trust_pb2, trust_pb2_grpc

from services.common import calls
from tests.service.gate.world import INTERNAL_KEY
from tests.service.verify.conftest import Joined
from tests.service.verify.world import VerifyPod, refusal

INTERNAL = calls.internal_metadata(INTERNAL_KEY)


@pytest.fixture
async def trust(pod: VerifyPod) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(pod.target) as channel:
        yield trust_pb2_grpc.TrustServiceStub(channel)


@pytest.mark.parametrize("name", ["GetTrust", "FindUsers"])
@pytest.mark.parametrize("key", [None, "", INTERNAL_KEY[:-1], INTERNAL_KEY + "x", "token"])
async def test_without_the_internal_key_nothing_is_told(
    pod: VerifyPod, joined: Joined, trust: Any, name: str, key: str | None
) -> None:
    metadata: tuple[tuple[str, str], ...] = ()
    if key == "token":
        metadata = (("authorization", f"Bearer {(await joined(pod)).token}"),)
    elif key is not None:
        metadata = (("x-hongyan-internal", key),)
    request = getattr(trust_pb2, f"{name}Request")()
    refused = await refusal(getattr(trust, name)(request, metadata=metadata, timeout=5))
    assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "INTERNAL_ONLY")


async def test_the_users_that_exist_are_found(pod: VerifyPod, joined: Joined, trust: Any) -> None:
    user_id = (await (await joined(pod)).me()).user_id
    for asked, found in (
        ([user_id, "nobody"], [user_id]),
        ([], []),
        ([f"nobody{number}" for number in range(999)] + [user_id], [user_id]),
    ):
        request = trust_pb2.FindUsersRequest(user_ids=asked)
        answer = await trust.FindUsers(request, metadata=INTERNAL, timeout=5)
        assert list(answer.user_ids) == found
    request = trust_pb2.FindUsersRequest(user_ids=["x"] * 1_001)
    refused = await refusal(trust.FindUsers(request, metadata=INTERNAL, timeout=5))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_ends_of_sessions_are_told_once_to_who_sends_the_mark_back(
    pod: VerifyPod, joined: Joined, trust: Any
) -> None:
    client = await joined(pod)
    (session,) = await client.sessions()

    async def ask(mark: int) -> Any:
        request = trust_pb2.GetTrustRequest(after_mark=mark)
        return await trust.GetTrust(request, metadata=INTERNAL, timeout=5)

    first = await ask(0)
    assert list(first.ended_session_ids) == []
    assert first.key_set_json == pod.signer.key_set_json
    assert '"d"' not in first.key_set_json
    pod.now += 1
    await client.revoke("current")
    second = await ask(first.mark)
    assert list(second.ended_session_ids) == [session.session_id]
    pod.now += 6
    third = await ask(second.mark)
    pod.now += 1
    assert list((await ask(third.mark)).ended_session_ids) == []
