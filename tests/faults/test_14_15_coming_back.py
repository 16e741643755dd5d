"""14, 15: a device comes back to many messages, and connects again and again while they flow."""

import asyncio
import secrets
import time

import pytest
from hongyan.gate.v1 import gate_pb2

from hongyan_client.channel import Channel
from hongyan_client.stream import Stream
from loadtest.accounts import LoggedIn, make_accounts
from loadtest.driver import message, open_direct
from tests.faults.people import CANARY, Device, until
from tests.faults.report import trial
from tests.faults.scale import scaled

CHATS = scaled(30, 300)
EACH = scaled(20, 34)
DEVICES = 3
FIRST_CHATS = 20
FIRST_SECONDS = scaled(5, 10)
HEADS_SECONDS = 60
PEERS_AT_ONCE = 8
CONNECTS = scaled(60, 1000)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(scaled(150, 1200))]


async def write(address: str, peer: LoggedIn, user_id: str) -> str:
    """Sends as a peer, and waits for every ack; returns the conversation."""
    conversation_id = await open_direct(address, peer.token, user_id)
    channel = Channel(address)
    stream = Stream(channel, peer.token)
    await stream.open(gate_pb2.Sync())
    open_sends = set()
    for number in range(EACH):
        client_message_id = secrets.token_hex(16)
        open_sends.add(client_message_id)
        stream.send(message(conversation_id, client_message_id, f"{CANARY} {number}"))
    async for event in stream:
        assert not event.HasField("send_refused"), str(event)
        if event.HasField("send_ack"):
            open_sends.discard(event.send_ack.client_message_id)
        if not open_sends:
            break
    await stream.close()
    channel.close()
    return conversation_id


def unread(device: Device, chats: list[str]) -> list[int]:
    """Returns a device's unread counts; -1 for a chat that it does not know yet."""
    found = (device.client.conversation(conversation_id) for conversation_id in chats)
    return [one.unread_count if one and one.last_seq == EACH else -1 for one in found]


async def test_offline_during_many_messages(world, town):
    what = f"offline during {CHATS * EACH} messages in {CHATS} chats"
    with trial("14", what) as record:
        bo = await town.newcomer("bo")
        devices = [bo, *[await town.second_device(bo) for _ in range(DEVICES - 1)]]
        for device in devices:
            await device.close()
            record.faults += 1
        system = world.system
        peers = await make_accounts(system.address, system.mail_folder, CHATS)
        turn = asyncio.Semaphore(PEERS_AT_ONCE)

        async def one(peer: LoggedIn) -> str:
            async with turn:
                return await write(system.address, peer, bo.client.user_id)

        chats = list(await asyncio.gather(*(one(peer) for peer in peers)))
        record.messages = record.acked = CHATS * EACH
        first = heads = 0.0
        for device in devices:
            began = time.monotonic()
            again = asyncio.create_task(device.restart())
            await until(
                lambda device=device: (
                    device.client.user_id != ""
                    and sum(count >= 0 for count in unread(device, chats)) >= FIRST_CHATS
                ),
                f"the first {FIRST_CHATS} chats",
            )
            first = max(first, time.monotonic() - began)
            await until(lambda device=device: -1 not in unread(device, chats), "all heads")
            heads = max(heads, time.monotonic() - began)
            await again
        record.figures[f"first {FIRST_CHATS} chats after, seconds (≤ 1)"] = round(first, 2)
        record.figures["all heads after, seconds (≤ 10)"] = round(heads, 2)
        for device in devices:
            assert unread(device, chats) == [EACH] * CHATS
            for conversation_id in chats:
                page = await device.client.history(conversation_id, None, EACH)
                assert [message.seq for message in page] == list(range(1, EACH + 1))
        assert first <= FIRST_SECONDS
        assert heads <= HEADS_SECONDS


async def test_connecting_while_messages_flow(world, town):
    with trial("15", f"connected {CONNECTS} times while messages flow") as record:
        ling, bo, conversation_id = await town.pair("ling", "bo")
        stop = asyncio.Event()

        async def talk() -> None:
            while not stop.is_set():
                one = await ling.send(conversation_id, f"{CANARY} {len(town.history.sent)}")
                await ling.client.settled(one.client_message_id, 60)

        talker = asyncio.create_task(talk())
        for _ in range(CONNECTS):
            seen = len(town.history.acked)
            await bo.restart()
            record.faults += 1
            await until(lambda seen=seen: len(town.history.acked) > seen, "the talk goes on")
        stop.set()
        await talker
        await until(
            lambda: len(bo.texts(conversation_id)) >= len(town.history.sent), "all of it shown"
        )
        record.judge(town)
