"""Search over gRPC: what it answers and what it refuses."""

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hongyan.chat.v1 import message_pb2, message_pb2_grpc, search_pb2, search_pb2_grpc

from tests.service.gate.world import ChatPod, Verify

Channels = dict[str, grpc.aio.Channel]


def details(error: grpc.aio.AioRpcError) -> tuple[str, set[str]]:
    """Returns the reason and the wrong fields."""
    status: Any = rpc_status.from_call(error)  # type: ignore[arg-type]
    reason, fields = "", set()
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad):
            fields = {one.field for one in bad.field_violations}
    return reason, fields


async def test_what_was_sent_is_found(verify: Verify, chat: ChatPod, channels: Channels) -> None:
    conversation_id = await chat.talk("ann", "ben")
    other_id = await chat.talk("ben", "cat")
    messages = message_pb2_grpc.MessageServiceStub(channels["chat"])
    search = search_pb2_grpc.SearchServiceStub(channels["chat"])
    ann = (("authorization", f"Bearer {verify.token('ann')}"),)
    for number in range(3):
        await messages.Send(
            message_pb2.SendRequest(
                conversation_id=conversation_id,
                client_message_id=f"m{number}",
                text=f"明天 {number} 点开会 Report",
            ),
            metadata=ann,
        )
    first = await search.Search(
        search_pb2.SearchRequest(query="ＲＥＰＯＲＴ 开会", page_size=2), metadata=ann
    )
    assert [message.text for message in first.messages] == [
        "明天 2 点开会 Report",
        "明天 1 点开会 Report",
    ]
    assert first.messages[0].conversation_id == conversation_id
    assert not first.indexing
    second = await search.Search(
        search_pb2.SearchRequest(
            query="report 开会", page_size=2, page_token=first.next_page_token
        ),
        metadata=ann,
    )
    assert [message.seq for message in second.messages] == [1]
    assert second.next_page_token == ""

    for request, reason, fields in (
        (search_pb2.SearchRequest(query="。，!"), "INVALID_FIELD", {"query"}),
        (search_pb2.SearchRequest(query=""), "INVALID_FIELD", {"query"}),
        (search_pb2.SearchRequest(query="x", page_token="!"), "INVALID_FIELD", {"page_token"}),
        (search_pb2.SearchRequest(query="x", page_token="WzEsMl0="), "INVALID_FIELD", None),
        (search_pb2.SearchRequest(query="x", conversation_id=other_id), "NOT_A_MEMBER", set()),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await search.Search(request, metadata=ann)
        found = details(caught.value)
        assert found == (reason, {"page_token"} if fields is None else fields)


async def test_searches_are_limited(verify: Verify, chat: ChatPod, channels: Channels) -> None:
    search = search_pb2_grpc.SearchServiceStub(channels["chat"])
    metadata = (("authorization", f"Bearer {verify.token('ann')}"),)
    request = search_pb2.SearchRequest(query="report")

    async def search_often() -> None:
        for _ in range(100):
            await search.Search(request, metadata=metadata)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await search_often()
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(caught.value)[0] == "LIMIT_REACHED"
