"""What a conversation can do, through real gates and pods: live on every device, and by unary."""

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hongyan.chat.v1 import (
    conversation_pb2,
    conversation_pb2_grpc,
    message_pb2,
    message_pb2_grpc,
)
from hongyan.gate.v1 import gate_pb2

from tests.service.gate.device import Device
from tests.service.gate.world import ChatPod, GatePod, Verify


def say(conversation_id: str, id: str, **content: Any) -> gate_pb2.ClientEvent:
    """An event that sends something."""
    request = message_pb2.SendRequest(
        conversation_id=conversation_id, client_message_id=id, **content
    )
    return gate_pb2.ClientEvent(send=request)


class Calls:
    """The unary calls of one user."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self.messages: Any = message_pb2_grpc.MessageServiceStub(channel)
        self.conversations: Any = conversation_pb2_grpc.ConversationServiceStub(channel)
        self.metadata = (("authorization", f"Bearer {token}"),)


@pytest.fixture
def ann(channels: dict[str, grpc.aio.Channel], verify: Verify) -> Calls:
    return Calls(channels["chat"], verify.token("ann"))


async def test_entries_reach_every_device_and_read_back_applied(
    verify: Verify, chat: ChatPod, gate: GatePod, ann: Calls
) -> None:
    talk = await chat.talk("ann", "bob")
    phone = await Device(gate.target, verify.token("ann", "s1")).hello()
    laptop = await Device(gate.target, verify.token("ann", "s2")).hello()
    bob = await Device(gate.target, verify.token("bob")).hello()
    await phone.say(say(talk, "a", text="你好"))
    await phone.wait("send_ack")
    await bob.say(
        say(talk, "b", text="@ann 好", quote={"seq": 1}, mentions={"user_ids": ["ann"]}),
        say(talk, "c", reaction={"seq": 1, "emoji": "❤️"}),
    )
    await bob.wait("send_ack", 2)
    await phone.say(say(talk, "d", edit={"seq": 1, "text": "您好"}))
    await phone.wait("send_ack", 2)
    await phone.say(say(talk, "e", recall={"seq": 2}))
    await phone.wait("send_refused")
    assert phone.of("send_refused")[0].refusal.reason == "NOT_THE_SENDER"
    for device, count in ((laptop, 4), (bob, 2), (phone, 2)):
        await device.wait("message", count)
    assert [it.WhichOneof("content") for it in laptop.of("message")] == [
        "text",
        "text",
        "reaction",
        "edit",
    ]
    answer = await ann.messages.List(
        message_pb2.ListRequest(conversation_id=talk), metadata=ann.metadata
    )
    first, second = answer.messages[:2]
    assert (first.text, first.reactions[0].emoji) == ("您好", "❤️")
    assert (second.quote.sender_id, list(second.mentions.user_ids)) == ("ann", ["ann"])
    answer = await ann.conversations.GetConversation(
        conversation_pb2.GetConversationRequest(conversation_id=talk), metadata=ann.metadata
    )
    assert (answer.conversation.unread_count, answer.conversation.mention_count) == (1, 1)
    for device in (phone, laptop, bob):
        await device.close()


async def test_settings_reach_the_other_devices_of_the_user_alone(
    verify: Verify, chat: ChatPod, gate: GatePod, ann: Calls
) -> None:
    talk = await chat.talk("ann", "bob")
    phone = await Device(gate.target, verify.token("ann", "s1")).hello()
    bob = await Device(gate.target, verify.token("bob")).hello()
    answer = await ann.conversations.UpdateSettings(
        conversation_pb2.UpdateSettingsRequest(
            conversation_id=talk,
            settings={"pinned": True, "draft": "不要", "muted_until": {"seconds": 2**33}},
            update_mask=FieldMask(paths=["pinned", "muted_until"]),
        ),
        metadata=ann.metadata,
    )
    assert (answer.user_version, answer.settings.pinned, answer.settings.draft) == (1, True, "")
    await phone.wait("user_change")
    change = phone.of("user_change")[0]
    assert change.settings.settings == answer.settings
    await ann.messages.Send(
        message_pb2.SendRequest(conversation_id=talk, client_message_id="x", text="1"),
        metadata=ann.metadata,
    )
    await ann.conversations.Clear(
        conversation_pb2.ClearRequest(conversation_id=talk), metadata=ann.metadata
    )
    await phone.wait("user_change", 2)
    assert phone.of("user_change")[1].settings.settings.cleared_seq == 1
    page = await ann.messages.List(
        message_pb2.ListRequest(conversation_id=talk), metadata=ann.metadata
    )
    assert (list(page.messages), page.first_seq, page.last_seq) == ([], 2, 1)
    await bob.settle()
    assert bob.of("user_change") == []
    for device in (phone, bob):
        await device.close()


@pytest.mark.parametrize(
    ("paths", "settings"),
    [(["cleared_seq"], {}), (["nonsense"], {}), ([], {}), ([], {"removed": True})],
)
async def test_what_cannot_be_set_is_refused_by_name(
    chat: ChatPod, ann: Calls, paths: list[str], settings: dict[str, Any]
) -> None:
    talk = await chat.talk("ann", "bob")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ann.conversations.UpdateSettings(
            conversation_pb2.UpdateSettingsRequest(
                conversation_id=talk, settings=settings, update_mask=FieldMask(paths=paths)
            ),
            metadata=ann.metadata,
        )
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_read_list_says_who_read_who_received_and_who_waits(
    verify: Verify, chat: ChatPod, gate: GatePod, ann: Calls
) -> None:
    talk = await chat.talk("ann", "bob")
    await ann.messages.Send(
        message_pb2.SendRequest(conversation_id=talk, client_message_id="x", text="1"),
        metadata=ann.metadata,
    )

    async def readers() -> tuple[list[str], list[str], list[str]]:
        answer = await ann.messages.ListReaders(
            message_pb2.ListReadersRequest(conversation_id=talk, seq=1), metadata=ann.metadata
        )
        return (
            list(answer.read_user_ids),
            list(answer.received_user_ids),
            list(answer.waiting_user_ids),
        )

    assert await readers() == ([], [], ["bob"])
    phone = await Device(gate.target, verify.token("ann", "s1")).hello()
    bob = await Device(gate.target, verify.token("bob")).hello()
    received = gate_pb2.Received(conversation_id=talk, seq=1)
    await bob.say(gate_pb2.ClientEvent(received=received))
    await phone.wait("received_moved")
    assert await readers() == ([], ["bob"], [])
    read = conversation_pb2.MarkReadRequest(conversation_id=talk, seq=1)
    await bob.say(gate_pb2.ClientEvent(read=read))
    await phone.wait("read_moved")
    assert await readers() == (["bob"], [], [])
    for device in (phone, bob):
        await device.close()


async def test_who_is_writing_is_told_to_the_other(
    verify: Verify, chat: ChatPod, gate: GatePod
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await Device(gate.target, verify.token("ann")).hello()
    bob = await Device(gate.target, verify.token("bob")).hello()
    eve = await Device(gate.target, verify.token("eve")).hello()
    await ann.send(talk, "hi")
    await bob.wait("message")
    typing = gate_pb2.ClientEvent(typing=gate_pb2.Typing(conversation_id=talk))
    await eve.say(typing)
    await bob.say(typing)
    await ann.wait("typing_started")
    assert [it.user_id for it in ann.of("typing_started")] == ["bob"]
    await bob.settle()
    assert bob.of("typing_started") == []
    for device in (ann, bob, eve):
        await device.close()
