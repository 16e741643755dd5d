"""Chat's unary rpcs, for bots and scripts, over a real server."""

import asyncio
from typing import Any

import grpc
import pytest
from hongyan.chat.v1 import (
    conversation_pb2,
    conversation_pb2_grpc,
    message_pb2,
    message_pb2_grpc,
)

from tests.service.gate.device import Device
from tests.service.gate.world import ChatPod, GatePod, Verify


class Bot:
    """A user that calls instead of connecting."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._messages: Any = message_pb2_grpc.MessageServiceStub(channel)
        self._conversations: Any = conversation_pb2_grpc.ConversationServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def open(self, user_id: str) -> conversation_pb2.Conversation:
        request = conversation_pb2.OpenDirectRequest(user_id=user_id)
        answer = await self._conversations.OpenDirect(request, metadata=self._metadata)
        return answer.conversation

    async def send(self, conversation_id: str, text: str, id: str) -> message_pb2.Message:
        request = message_pb2.SendRequest(
            conversation_id=conversation_id, client_message_id=id, text=text
        )
        return (await self._messages.Send(request, metadata=self._metadata)).message

    async def page(self, conversation_id: str, **options: int) -> message_pb2.ListResponse:
        request = message_pb2.ListRequest(conversation_id=conversation_id, **options)
        return await self._messages.List(request, metadata=self._metadata)

    async def conversations(self) -> list[conversation_pb2.Conversation]:
        found: list[conversation_pb2.Conversation] = []
        token = ""
        while True:
            request = conversation_pb2.ListConversationsRequest(page_size=2, page_token=token)
            page = await self._conversations.ListConversations(request, metadata=self._metadata)
            found += page.conversations
            token = page.next_page_token
            if not token:
                return found

    async def mark_read(self, conversation_id: str, seq: int) -> int:
        request = conversation_pb2.MarkReadRequest(conversation_id=conversation_id, seq=seq)
        return (await self._conversations.MarkRead(request, metadata=self._metadata)).read_seq


@pytest.fixture
def ann(channels: dict[str, grpc.aio.Channel], verify: Verify) -> Bot:
    return Bot(channels["chat"], verify.token("ann"))


@pytest.fixture
def bob(channels: dict[str, grpc.aio.Channel], verify: Verify) -> Bot:
    return Bot(channels["chat"], verify.token("bob"))


async def test_two_bots_talk(ann: Bot, bob: Bot) -> None:
    talk = (await ann.open("bob")).conversation_id
    assert (await bob.open("ann")).conversation_id == talk
    sent = await ann.send(talk, "你好", "x")
    assert (sent.seq, sent.sender_id, sent.text) == (1, "ann", "你好")
    page = await bob.page(talk)
    assert list(page.messages) == [sent]
    assert page.last_seq == 1
    [conversation] = await bob.conversations()
    assert conversation.unread_count == 1
    assert conversation.last_message == sent
    assert await bob.mark_read(talk, 99) == 1
    [conversation] = await bob.conversations()
    assert conversation.unread_count == 0
    assert {member.user_id: member.read_seq for member in conversation.members} == {
        "ann": 0,
        "bob": 1,
    }


async def test_a_repeated_call_returns_the_first_message(ann: Bot) -> None:
    talk = (await ann.open("bob")).conversation_id
    first = await ann.send(talk, "hello", "x")
    assert await ann.send(talk, "hello", "x") == first
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ann.send(talk, "other", "x")
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_calls_at_once_with_one_id_store_one_message(ann: Bot) -> None:
    talk = (await ann.open("bob")).conversation_id
    answers = await asyncio.gather(*(ann.send(talk, "hello", "x") for _ in range(20)))
    assert {answer.seq for answer in answers} == {1}
    assert (await ann.page(talk)).last_seq == 1


async def test_what_a_bot_sends_is_pushed_to_all_devices(
    ann: Bot, verify: Verify, gate: GatePod
) -> None:
    talk = (await ann.open("bob")).conversation_id
    devices = [await Device(gate.target, verify.token(user)).hello() for user in ("ann", "bob")]
    await ann.send(talk, "from a script", "x")
    for device in devices:
        [message] = await device.wait("message")
        assert message.text == "from a script"
        await device.close()


async def test_an_unknown_user_is_not_found(ann: Bot) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ann.open("nobody")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_pages_of_conversations_join_without_gaps(ann: Bot) -> None:
    ids = {(await ann.open(f"user{number}")).conversation_id for number in range(5)}
    listed = [conversation.conversation_id for conversation in await ann.conversations()]
    assert len(listed) == 5
    assert set(listed) == ids


async def test_a_bot_in_a_hurry_is_limited_with_a_delay(ann: Bot) -> None:
    talk = (await ann.open("bob")).conversation_id
    answers = await asyncio.gather(
        *(ann.send(talk, "x", f"x{number}") for number in range(70)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert 5 <= len(refused) <= 10
    assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert (await ann.page(talk)).last_seq == 70 - len(refused)


async def test_callers_that_hang_up_leave_chat_whole(
    ann: Bot, channels: dict[str, grpc.aio.Channel], verify: Verify, chat: ChatPod
) -> None:
    talk = (await ann.open("bob")).conversation_id
    await ann.send(talk, "one", "x1")
    for round in range(30):
        calls = [asyncio.create_task(ann.page(talk)) for _ in range(8)]
        for _ in range(round):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    async with asyncio.timeout(5):
        pages = await asyncio.gather(*(ann.page(talk) for _ in range(20)))
        assert (await ann.send(talk, "two", "x2")).seq == 2
    assert {page.last_seq for page in pages} == {1}
