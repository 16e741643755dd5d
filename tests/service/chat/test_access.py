"""Who may call what: every rpc of chat, gate and status, by the contract's descriptors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hongyan.chat.v1 import (
    conversation_pb2,
    group_event_pb2,
    group_pb2,
    message_pb2,
    search_pb2,
)
from hongyan.options.v1 import access_pb2
from hongyan.status.v1 import presence_pb2

from services.common.contract import ACCESS, FILES, SCOPE
from tests.service.gate.device import Device, read, send, sync_event
from tests.service.gate.world import INTERNAL_KEY, ChatPod, GatePod, Service, Verify

Metadata = tuple[tuple[str, str], ...]
Channels = dict[str, grpc.aio.Channel]

STREAMING = {
    f"/{service.full_name}/{method.name}": method.client_streaming
    for file in FILES
    for service in file.services_by_name.values()
    for method in service.methods
}
HERE = sorted(path for path in ACCESS if not path.startswith("/hongyan.verify."))
OF_USERS = [path for path in HERE if ACCESS[path] == access_pb2.ACCESS_USER]
INTERNAL = [path for path in HERE if ACCESS[path] == access_pb2.ACCESS_INTERNAL]
ADMIN = [path for path in HERE if ACCESS[path] == access_pb2.ACCESS_ADMIN]


async def call(
    channels: Channels, path: str, metadata: Metadata = (), request: bytes = b""
) -> tuple[grpc.StatusCode, str]:
    """Calls an rpc with raw bytes; returns its code and the reason in the rich status."""
    channel = channels[path.split(".")[1]]
    try:
        if STREAMING.get(path):
            stream: Any = channel.stream_stream(path)(metadata=metadata)
            await stream.write(request)
            await stream.read()
        else:
            await channel.unary_unary(path)(request, metadata=metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        return error.code(), reason(error)
    return grpc.StatusCode.OK, ""


def reason(error: grpc.aio.AioRpcError) -> str:
    status: Any = rpc_status.from_call(error)  # type: ignore[arg-type]
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            assert info.domain == "hongyan"
            return info.reason
    return ""


def test_there_is_something_to_test() -> None:
    assert len(OF_USERS) >= 7
    assert len(INTERNAL) >= 2
    assert len(ADMIN) >= 6
    assert set(HERE) == set(OF_USERS) | set(INTERNAL) | set(ADMIN)


@pytest.mark.parametrize("path", OF_USERS)
async def test_without_a_good_token_a_user_rpc_is_closed(
    channels: Channels, verify: Verify, path: str
) -> None:
    stranger = Verify()
    for metadata, expected in (
        ((), "TOKEN_MISSING"),
        ((("authorization", ""),), "TOKEN_MISSING"),
        ((("authorization", "Basic YW5uOmFubg=="),), "TOKEN_MISSING"),
        ((("authorization", "Bearer"),), "TOKEN_MISSING"),
        ((("authorization", "Bearer nonsense"),), "TOKEN_INVALID"),
        ((("authorization", f"Bearer {stranger.token('ann')}"),), "TOKEN_INVALID"),
        ((("x-user-id", "ann"),), "TOKEN_MISSING"),
        ((("x-hongyan-internal", INTERNAL_KEY),), "TOKEN_MISSING"),
    ):
        assert await call(channels, path, metadata) == (
            grpc.StatusCode.UNAUTHENTICATED,
            expected,
        )


@pytest.mark.parametrize("path", OF_USERS)
async def test_a_bot_calls_what_its_scopes_open_and_nothing_else(
    channels: Channels, verify: Verify, path: str
) -> None:
    scopes = {number for number in access_pb2.Scope.values() if number}
    for held in (*({one} for one in scopes), scopes):
        bot = verify.token("bot", scopes=held)
        code, why = await call(channels, path, (("authorization", f"Bearer {bot}"),))
        if not SCOPE[path]:
            assert (code, why) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_FOR_BOTS")
        else:
            assert (why == "SCOPE_MISSING") is (SCOPE[path] not in held)


@pytest.mark.parametrize("path", INTERNAL)
async def test_without_the_internal_key_an_internal_rpc_is_closed(
    channels: Channels, verify: Verify, path: str
) -> None:
    for metadata in (
        (),
        (("x-hongyan-internal", ""),),
        (("x-hongyan-internal", INTERNAL_KEY[:-1]),),
        (("x-hongyan-internal", INTERNAL_KEY + "x"),),
        (("authorization", f"Bearer {verify.token('ann')}"),),
    ):
        assert await call(channels, path, metadata) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "INTERNAL_ONLY",
        )


async def test_an_rpc_that_is_not_declared_is_closed_to_everybody(verify: Verify) -> None:
    async def answer(request: Any, context: Any) -> bytes:
        return b"secret"

    handlers = {"Undeclared": grpc.unary_unary_rpc_method_handler(answer)}
    service = Service(verify, 0)
    from tests.service.conftest import free_port  # noqa: PLC0415

    service.target = f"127.0.0.1:{free_port()}"
    await service.serve(
        lambda server: server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("hongyan.chat.v1.MessageService", handlers),)
        )
    )
    async with grpc.aio.insecure_channel(service.target) as channel:
        for metadata in (
            (),
            (("authorization", f"Bearer {verify.token('ann')}"),),
            (("x-hongyan-internal", INTERNAL_KEY),),
        ):
            assert await call(
                {"chat": channel}, "/hongyan.chat.v1.MessageService/Undeclared", metadata
            ) == (grpc.StatusCode.PERMISSION_DENIED, "ACCESS_NOT_DECLARED")
    await service.stop()


async def test_an_ended_session_may_call_nothing(
    channels: Channels, verify: Verify, chat: ChatPod, gate: GatePod, status: Service
) -> None:
    metadata = (("authorization", f"Bearer {verify.token('ann', 'ended')}"),)
    verify.ended.append("ended")
    for pod in (chat, gate, status):
        await pod.trust.refresh()
    for path in OF_USERS:
        assert await call(channels, path, metadata) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "SESSION_ENDED",
        )


# Things of others


@dataclass(frozen=True)
class Foreign:
    """How to ask for a conversation by its id.

    `group` says whether it must be one; `answer` is what the owner is told who may ask.
    """

    request: Callable[[str], Message]
    group: bool = False
    answer: tuple[grpc.StatusCode, str] = (grpc.StatusCode.OK, "")


def of_group(request: type[Message], reason: str = "", **fields: Any) -> Foreign:
    """Returns the case of an rpc on a group of ann and bob."""
    code = {
        "": grpc.StatusCode.OK,
        "OWNER_CANNOT_LEAVE": grpc.StatusCode.FAILED_PRECONDITION,
    }.get(reason, grpc.StatusCode.NOT_FOUND)
    return Foreign(
        lambda id: request(conversation_id=id, **fields), group=True, answer=(code, reason)
    )


NO_FOREIGN_ID = {
    "/hongyan.chat.v1.ConversationService/ListConversations": "lists the caller's own only",
    "/hongyan.chat.v1.ConversationService/OpenDirect": "makes the caller's own only",
    "/hongyan.chat.v1.NotificationService/RegisterPush": "registers the caller's own session",
    "/hongyan.chat.v1.NotificationService/ListPushRegistrations": "lists the caller's own only",
    "/hongyan.chat.v1.NotificationService/UnregisterPush": "has tests of its own: test_push",
    "/hongyan.chat.v1.NotificationService/GetWebPushKey": "is the same for all",
    "/hongyan.status.v1.PresenceService/Query": "presence is open to every user in 1.0",
    "/hongyan.gate.v1.GateService/Connect": "has a test of its own below",
    **{
        f"/hongyan.chat.v1.ContactService/{rpc}": "acts on the caller's own contacts only"
        for rpc in (
            "ListContacts",
            "UpdateContact",
            "DeleteContact",
            "Block",
            "Unblock",
            "RequestContact",
            "ListContactRequests",
            "AcceptContactRequest",
            "DeclineContactRequest",
            "WithdrawContactRequest",
            "CreateContactCode",
            "ListContactCodes",
            "RevokeContactCode",
        )
    },
    "/hongyan.chat.v1.ReportService/Report": "has tests of its own: test_moderation",
    "/hongyan.chat.v1.ContactService/ResolveContactCode": "who has the code may",
    "/hongyan.chat.v1.GroupService/CreateGroup": "makes the caller's own only",
    "/hongyan.chat.v1.GroupService/ResolveInvite": "who has the code may",
    "/hongyan.chat.v1.GroupService/JoinGroup": "who has the code may",
}
FOREIGN = {
    "/hongyan.chat.v1.MessageService/Send": Foreign(
        lambda id: message_pb2.SendRequest(conversation_id=id, client_message_id="x", text="hi")
    ),
    "/hongyan.chat.v1.MessageService/List": Foreign(
        lambda id: message_pb2.ListRequest(conversation_id=id)
    ),
    "/hongyan.chat.v1.MessageService/ListReaders": Foreign(
        lambda id: message_pb2.ListReadersRequest(conversation_id=id, seq=1)
    ),
    "/hongyan.chat.v1.MessageService/Hide": Foreign(
        lambda id: message_pb2.HideRequest(conversation_id=id, seqs=[1])
    ),
    "/hongyan.chat.v1.SearchService/Search": Foreign(
        lambda id: search_pb2.SearchRequest(query="hi", conversation_id=id)
    ),
    "/hongyan.chat.v1.ConversationService/GetConversation": Foreign(
        lambda id: conversation_pb2.GetConversationRequest(conversation_id=id)
    ),
    "/hongyan.chat.v1.ConversationService/UpdateSettings": Foreign(
        lambda id: conversation_pb2.UpdateSettingsRequest(
            conversation_id=id, settings=conversation_pb2.ConversationSettings(pinned=True)
        )
    ),
    "/hongyan.chat.v1.ConversationService/Clear": Foreign(
        lambda id: conversation_pb2.ClearRequest(conversation_id=id)
    ),
    "/hongyan.chat.v1.ConversationService/MarkRead": Foreign(
        lambda id: conversation_pb2.MarkReadRequest(conversation_id=id, seq=1)
    ),
    **{
        f"/hongyan.chat.v1.GroupService/{rpc}": case
        for rpc, case in {
            "UpdateGroup": of_group(
                group_pb2.UpdateGroupRequest, group=group_event_pb2.GroupSettings(name="x")
            ),
            "ListMembers": of_group(group_pb2.ListMembersRequest),
            "AddMembers": of_group(group_pb2.AddMembersRequest, user_ids=["bob"]),
            "RemoveMember": of_group(group_pb2.RemoveMemberRequest, user_id="bob"),
            "LeaveGroup": of_group(group_pb2.LeaveGroupRequest, "OWNER_CANNOT_LEAVE"),
            "SetRole": of_group(group_pb2.SetRoleRequest, user_id="bob", role=2),
            "TransferGroup": of_group(group_pb2.TransferGroupRequest, user_id="bob"),
            "DissolveGroup": of_group(group_pb2.DissolveGroupRequest),
            "SilenceMember": of_group(group_pb2.SilenceMemberRequest, user_id="bob"),
            "SetNickname": of_group(group_pb2.SetNicknameRequest, nickname="x"),
            "Announce": of_group(group_pb2.AnnounceRequest, text="x"),
            "CreateInvite": of_group(group_pb2.CreateInviteRequest),
            "ListInvites": of_group(group_pb2.ListInvitesRequest),
            "RevokeInvite": of_group(
                group_pb2.RevokeInviteRequest, "INVITE_NOT_FOUND", invite_id="x"
            ),
            "ListJoinRequests": of_group(group_pb2.ListJoinRequestsRequest),
            "AnswerJoinRequest": of_group(
                group_pb2.AnswerJoinRequestRequest, "JOIN_REQUEST_NOT_FOUND", user_id="bob"
            ),
        }.items()
    },
}


def test_every_user_rpc_has_a_case_here() -> None:
    assert set(FOREIGN) | set(NO_FOREIGN_ID) == set(OF_USERS)


@pytest.mark.parametrize("path", sorted(FOREIGN))
async def test_a_conversation_of_others_and_one_that_is_not_there_give_one_answer(
    channels: Channels, verify: Verify, chat: ChatPod, path: str
) -> None:
    case = FOREIGN[path]
    talk = await (chat.group("ann", "bob") if case.group else chat.talk("ann", "bob"))
    ann = (("authorization", f"Bearer {verify.token('ann')}"),)
    eve = (("authorization", f"Bearer {verify.token('eve')}"),)
    first = message_pb2.SendRequest(conversation_id=talk, client_message_id="first", text="hi")
    sent = await call(
        channels, "/hongyan.chat.v1.MessageService/Send", ann, first.SerializeToString()
    )
    assert sent == (grpc.StatusCode.OK, "")
    answers = []
    for id in (talk, "nowhere"):
        request = case.request(id).SerializeToString()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channels["chat"].unary_unary(path)(request, metadata=eve, timeout=10)
        status: Any = rpc_status.from_call(refused.value)  # type: ignore[arg-type]
        answers.append(status.SerializeToString(deterministic=True))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert answers[0] == answers[1]
    request = case.request(talk).SerializeToString()
    assert await call(channels, path, ann, request) == case.answer


async def test_a_user_without_conversations_lists_none_of_others(
    channels: Channels, verify: Verify, chat: ChatPod
) -> None:
    await chat.talk("ann", "bob")
    answer = await channels["chat"].unary_unary(
        "/hongyan.chat.v1.ConversationService/ListConversations",
        response_deserializer=conversation_pb2.ListConversationsResponse.FromString,
    )(b"", metadata=(("authorization", f"Bearer {verify.token('eve')}"),))
    assert not answer.conversations


async def test_the_stream_gives_nothing_of_others(
    channels: Channels, verify: Verify, chat: ChatPod, gate: GatePod
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await Device(gate.target, verify.token("ann")).hello()
    eve = await Device(gate.target, verify.token("eve")).hello({talk: 0, "nowhere": 0})
    await ann.send(talk, "secret")
    await ann.wait("send_ack")
    await eve.say(
        send(talk, "x", "x"), send("nowhere", "x", "y"), read(talk, 1), sync_event({talk: 0})
    )
    await eve.wait("send_refused", 2)
    await eve.wait("caught_up", 2)
    await eve.settle()
    first, second = eve.of("send_refused")
    assert first.refusal == second.refusal
    allowed = {"welcome", "caught_up", "send_refused", "pong", "need_sync"}
    assert set(eve.kinds()) <= allowed
    await ann.settle()
    assert ann.of("read_moved") == []
    for device in (ann, eve):
        await device.close()


async def test_the_sender_is_who_the_token_says(
    channels: Channels, verify: Verify, chat: ChatPod, gate: GatePod
) -> None:
    """Headers and unknown fields that name somebody else change nothing."""
    talk = await chat.talk("ann", "bob")
    request = message_pb2.SendRequest(conversation_id=talk, client_message_id="x", text="hi")
    forged = request.SerializeToString() + b"\x1a\x02hi" + b"\xa2\x06\x03bob" + b"\x9a\x06\x03bob"
    answer = await channels["chat"].unary_unary(
        "/hongyan.chat.v1.MessageService/Send",
        response_deserializer=message_pb2.SendResponse.FromString,
    )(
        forged,
        metadata=(
            ("authorization", f"Bearer {verify.token('ann')}"),
            ("x-user-id", "bob"),
            ("x-hongyan-user", "bob"),
        ),
    )
    assert answer.message.sender_id == "ann"


@pytest.mark.parametrize(
    ("path", "request_", "field"),
    [
        (
            "/hongyan.chat.v1.MessageService/Send",
            message_pb2.SendRequest(conversation_id="c", client_message_id="x"),
            "content",
        ),
        (
            "/hongyan.chat.v1.MessageService/List",
            message_pb2.ListRequest(conversation_id="c", limit=201),
            "limit",
        ),
        (
            "/hongyan.chat.v1.ConversationService/ListConversations",
            conversation_pb2.ListConversationsRequest(page_token="forged"),
            "page_token",
        ),
        (
            "/hongyan.chat.v1.ConversationService/OpenDirect",
            conversation_pb2.OpenDirectRequest(user_id="a b"),
            "user_id",
        ),
        (
            "/hongyan.status.v1.PresenceService/Query",
            presence_pb2.QueryRequest(user_ids=["a", "b c"]),
            "user_ids[1]",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and not value.startswith("/") else "",
)
async def test_a_wrong_field_is_named_in_the_rich_status(
    channels: Channels, verify: Verify, path: str, request_: Message, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channels[path.split(".")[1]].unary_unary(path)(
            request_.SerializeToString(),
            metadata=(("authorization", f"Bearer {verify.token('ann')}"),),
        )
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status: Any = rpc_status.from_call(refused.value)  # type: ignore[arg-type]
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in status.details)
    assert [violation.field for violation in bad.field_violations] == [field]


@pytest.mark.parametrize("path", [path for path in OF_USERS if not STREAMING[path]])
async def test_bytes_that_are_no_request_break_nothing(
    channels: Channels, verify: Verify, path: str
) -> None:
    metadata = (("authorization", f"Bearer {verify.token('ann')}"),)
    without_text = (
        "/ListConversations",
        "/ListPushRegistrations",
        "/GetWebPushKey",
        "/CreateContactCode",
        "/ListContactCodes",
        "/ListContactRequests",
        "/ListContacts",
    )
    no_utf8 = () if path.endswith(without_text) else (b"\x0a\x03\xff\xfe\xfd",)
    for data in (b"\xff\xff\xff", b"\x0b" * 1_000, *no_utf8):
        assert await call(channels, path, metadata, data) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "REQUEST_UNREADABLE",
        )
        assert await call(channels, path, (), data) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "TOKEN_MISSING",
        )
    code, _ = await call(channels, path, metadata, b"")
    assert code in {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}
