"""The bare stream: few frames, pings, a good-bye, and every end reported."""

import asyncio

import pytest
from grpclib.const import Status
from hongyan.chat.v1 import message_pb2
from hongyan.gate.v1 import gate_pb2

from hongyan_client.client import Client
from hongyan_client.errors import NoConnection, QueueFull, Unauthenticated, Unavailable
from hongyan_client.stream import Stream
from tests.unit.client.peer import CHAT, Peer, refuse


async def opened(client: Client, **limits: int) -> Stream:
    stream = Stream(client.channel, await client.account.access_token(), **limits)
    await stream.open(gate_pb2.Sync())
    return stream


async def read_all(stream: Stream) -> list[gate_pb2.ServerEvent]:
    return [it async for it in stream]


def send(number: int) -> gate_pb2.ClientEvent:
    request = message_pb2.SendRequest(
        conversation_id=CHAT, client_message_id=f"id-{number}", text="x"
    )
    return gate_pb2.ClientEvent(send=request)


async def test_what_is_queued_at_once_leaves_in_one_frame(peer: Peer, client: Client) -> None:
    async with await opened(client) as stream:
        for number in range(500):
            stream.send(send(number))
        acks = 0
        async for event in stream:
            acks += event.HasField("send_ack")
            if acks == 500:
                break
    assert [len(it.events) for it in peer.gate.frames[:2]] == [1, 500]
    assert peer.gate.goodbyes == 1


async def test_a_token_that_is_refused_says_so(client: Client) -> None:
    with pytest.raises(Unauthenticated):
        async with Stream(client.channel, "wrong") as stream:
            await stream.open(gate_pb2.Sync())


async def test_the_queue_has_a_bound(client: Client) -> None:
    async with await opened(client, queue_events=10) as stream:
        for number in range(10):
            stream.send(send(number))
        with pytest.raises(QueueFull):
            stream.send(send(10))
        await stream.room()
        stream.send(send(99))


async def test_a_silent_server_counts_as_lost(peer: Peer, client: Client) -> None:
    peer.gate.idle_seconds = 0.15
    peer.gate.answer_pings = False
    async with await opened(client) as stream:
        with pytest.raises(NoConnection):
            await asyncio.wait_for(read_all(stream), 5)


async def test_pings_keep_a_quiet_stream_alive(peer: Peer, client: Client) -> None:
    peer.gate.idle_seconds = 0.15
    async with await opened(client) as stream:
        pongs = 0
        async for event in stream:
            pongs += event.HasField("pong")
            if pongs == 5:
                break
    assert pongs == 5


async def test_a_cut_is_no_connection_for_reader_and_room(peer: Peer, client: Client) -> None:
    async with await opened(client) as stream:
        await peer.stop()
        with pytest.raises(NoConnection):
            await read_all(stream)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_end_with_a_status_is_raised(peer: Peer, client: Client) -> None:
    async def fail(request: object) -> bool:
        raise refuse(Status.UNAVAILABLE, "DRAINING", retry_seconds=1.5)

    peer.gate.on_send = fail
    async with await opened(client) as stream:
        stream.send(send(1))
        with pytest.raises(Unavailable) as raised:
            await read_all(stream)
    assert (raised.value.reason, raised.value.retry_delay) == ("DRAINING", 1.5)


async def test_closing_while_another_task_reads_ends_both(client: Client) -> None:
    stream = await opened(client)
    reader = asyncio.create_task(read_all(stream))
    await asyncio.sleep(0)
    await stream.close()
    async with asyncio.timeout(5):
        await asyncio.gather(reader, return_exceptions=True)
    await stream.close()


async def test_what_the_server_says_last_is_read_even_when_it_resets_the_stream(
    peer: Peer, client: Client
) -> None:
    async def say_and_end(request: object) -> bool:
        away = gate_pb2.GoAway(reason=gate_pb2.GO_AWAY_REASON_REPLACED)
        for _ in range(3):
            await peer.gate.push(gate_pb2.ServerEvent(go_away=away))
        await peer.gate.stream.send_trailing_metadata()
        return False

    peer.gate.on_send = say_and_end
    async with await opened(client) as stream:
        stream.send(send(1))
        events = await asyncio.wait_for(read_all(stream), 5)
    assert [it.WhichOneof("event") for it in events][-3:] == ["go_away"] * 3
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
