"""The client against a scripted peer: catching up, sending, cuts, and the end of a session."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hongyan.gate.v1 import gate_pb2

from hongyan_client import model
from hongyan_client.client import Client
from hongyan_client.errors import (
    InvalidArgument,
    NotLoggedIn,
    ServerError,
    Unavailable,
    WentAway,
)
from hongyan_client.listeners import Listener
from tests.unit.client.peer import CHAT, YOU, Peer, duration, event


async def next_of(events: Listener, kind: type[Any], timeout: float = 5.0) -> Any:
    async with asyncio.timeout(timeout):
        async for it in events:
            if isinstance(it, kind):
                return it
    raise AssertionError("the listener ended")


async def added(events: Listener, count: int) -> list[model.Message]:
    return [(await next_of(events, model.MessageAdded)).message for _ in range(count)]


async def test_start_brings_what_was_said_before_in_order(peer: Peer, client: Client) -> None:
    for number in range(3):
        peer.chat.append(f"你好 {number}")
    events = client.events()
    await client.start()
    await client.caught_up(5)
    assert [it.seq for it in await added(events, 3)] == [1, 2, 3]
    assert [it.text for it in await client.history(CHAT)] == ["你好 0", "你好 1", "你好 2"]
    (conversation,) = await client.conversations()
    assert conversation.unread_count == 3
    assert conversation.peer_id(client.user_id) == YOU
    assert client.state is model.ConnectionState.ONLINE


async def test_a_sent_message_is_sending_then_stored(peer: Peer, client: Client) -> None:
    await client.start()
    events = client.events()
    message = await client.send(CHAT, "在吗 🕊️")
    assert message.state is model.MessageState.SENDING
    stored = await client.settled(message.client_message_id, 5)
    assert (stored.seq, stored.state) == (1, model.MessageState.STORED)
    assert [it.seq for it in await added(events, 1)] == [1]
    assert client.pending() == []
    assert [it.text for it in peer.chat.log] == ["在吗 🕊️"]


async def test_messages_written_offline_go_out_in_order_after_the_start(
    peer: Peer, client: Client
) -> None:
    sent = [await client.send(CHAT, f"{number}") for number in range(5)]
    await client.start()
    for message in sent:
        await client.settled(message.client_message_id, 5)
    assert [it.text for it in peer.chat.log] == ["0", "1", "2", "3", "4"]


async def test_after_a_cut_before_the_ack_the_same_id_is_sent_again(
    peer: Peer, client: Client
) -> None:
    cut = True

    async def store_and_cut(request: Any) -> bool:
        nonlocal cut
        if cut:
            cut = False
            peer.chat.append(request.text, client.user_id, request.client_message_id)
            await peer.gate.stream.cancel()
            return False
        return True

    peer.gate.on_send = store_and_cut
    await client.start()
    first = await client.send(CHAT, "一")
    second = await client.send(CHAT, "二")
    assert (await client.settled(first.client_message_id, 10)).seq == 1
    assert (await client.settled(second.client_message_id, 10)).seq == 2
    assert [it.text for it in peer.chat.log] == ["一", "二"]


async def test_a_killed_server_that_comes_back_is_met_again(peer: Peer, client: Client) -> None:
    await client.start()
    await client.caught_up(5)
    events = client.events()
    await peer.stop()
    state = await next_of(events, model.ConnectionChanged)
    assert state.state is model.ConnectionState.OFFLINE
    message = await client.send(CHAT, "离线写的")
    for number in range(3):
        peer.chat.append(f"missed {number}")
    await peer.start()
    assert (await client.settled(message.client_message_id, 15)).seq == 4
    await client.caught_up(5)
    assert [it.seq for it in await client.history(CHAT)] == [1, 2, 3, 4]


async def test_pushes_out_of_order_and_twice_are_shown_once_in_order(
    peer: Peer, client: Client
) -> None:
    await client.start()
    await client.caught_up(5)
    events = client.events()
    log = [peer.chat.append(f"{number}") for number in range(4)]
    for index in (0, 2, 2, 1, 0, 3, 3):
        await peer.gate.push(event(message=log[index]))
    assert [it.seq for it in await added(events, 4)] == [1, 2, 3, 4]
    assert peer.chat.lists == []


async def test_a_gap_that_does_not_close_is_pulled(peer: Peer, client: Client) -> None:
    await client.start()
    await client.caught_up(5)
    events = client.events()
    log = [peer.chat.append(f"{number}") for number in range(450)]
    await peer.gate.push(event(message=log[-1]))
    assert [it.seq for it in await added(events, 450)] == list(range(1, 451))
    assert [it.after_seq for it in peer.chat.lists] == [0, 200, 400]


async def test_need_sync_is_answered_with_the_heads(peer: Peer, client: Client) -> None:
    peer.chat.append("one")
    await client.start()
    await client.caught_up(5)
    events = client.events()
    peer.chat.append("two")
    await peer.gate.push(event(need_sync=gate_pb2.NeedSync()))
    assert (await added(events, 1))[0].text == "two"
    syncs = [it.sync for frame in peer.gate.frames for it in frame.events if it.HasField("sync")]
    assert [(it.conversation_id, it.seq) for it in syncs[0].heads] == [(CHAT, 1)]


async def test_too_far_behind_the_window_starts_anew_and_older_pages_come_on_demand(
    peer: Peer, client: Client
) -> None:
    peer.chat.append("0")
    await client.start()
    await client.caught_up(5)
    await client.close()
    for number in range(1, 500):
        peer.chat.append(f"{number}")
    again = Client(peer.address, client.home)
    events = again.events()
    await again.start()
    await again.caught_up(5)
    reset = await next_of(events, model.HistoryReset)
    assert reset.first_seq == 451
    assert (await added(events, 50))[0].seq == 451
    assert [it.seq for it in await again.history(CHAT, limit=120)] == list(range(381, 501))
    seen, before = [], None
    while page := await again.history(CHAT, before, limit=100):
        seen[:0] = [it.seq for it in page]
        before = page[0].seq
    assert seen == list(range(1, 501))
    await again.close()


async def test_a_refusal_without_delay_fails_and_can_be_resent(peer: Peer, client: Client) -> None:
    refusing = True

    async def refuse(request: Any) -> bool:
        if refusing:
            refusal = gate_pb2.Refusal(code=7, reason="NOT_A_MEMBER", message="no")
            refused = gate_pb2.SendRefused(
                conversation_id=CHAT, client_message_id=request.client_message_id, refusal=refusal
            )
            await peer.gate.push(event(send_refused=refused))
        return not refusing

    peer.gate.on_send = refuse
    await client.start()
    message = await client.send(CHAT, "嗨")
    with pytest.raises(ServerError) as raised:
        await client.settled(message.client_message_id, 5)
    assert (raised.value.code, raised.value.reason) == (7, "NOT_A_MEMBER")
    assert client.pending()[0].failure == "NOT_A_MEMBER"
    refusing = False
    client.resend(message.client_message_id)
    assert (await client.settled(message.client_message_id, 5)).seq == 1


async def test_a_refusal_with_delay_is_tried_again_under_the_same_id(
    peer: Peer, client: Client
) -> None:
    ids: list[str] = []

    async def busy_once(request: Any) -> bool:
        ids.append(request.client_message_id)
        if len(ids) == 1:
            refusal = gate_pb2.Refusal(
                code=8, reason="CONVERSATION_BUSY", retry_delay=duration(0.01)
            )
            refused = gate_pb2.SendRefused(
                conversation_id=CHAT, client_message_id=ids[0], refusal=refusal
            )
            await peer.gate.push(event(send_refused=refused))
            return False
        return True

    peer.gate.on_send = busy_once
    await client.start()
    first = await client.send(CHAT, "一")
    second = await client.send(CHAT, "二")
    await client.settled(second.client_message_id, 5)
    assert ids == [first.client_message_id, first.client_message_id, second.client_message_id]


async def test_going_away_is_followed_by_a_new_stream(peer: Peer, client: Client) -> None:
    await client.start()
    await client.caught_up(5)
    away = gate_pb2.GoAway(reconnect_after=duration(0.05), reason=gate_pb2.GO_AWAY_REASON_DRAINING)
    await peer.gate.push(event(go_away=away))
    await peer.gate.until(lambda: peer.gate.connects == 2)
    await client.caught_up(5)
    assert peer.gate.goodbyes == 1


async def test_a_replaced_stream_does_not_come_back(peer: Peer, client: Client) -> None:
    await client.start()
    await client.caught_up(5)
    events = client.events()
    away = gate_pb2.GoAway(reason=gate_pb2.GO_AWAY_REASON_REPLACED)
    await peer.gate.push(event(go_away=away))
    changed = await next_of(events, model.ConnectionChanged)
    assert (changed.state, changed.reason) == (model.ConnectionState.OFFLINE, "REPLACED")
    with pytest.raises(WentAway):
        await client.caught_up(5)
    assert peer.gate.connects == 1


async def test_an_ended_session_signs_out_and_forgets_the_tokens(
    peer: Peer, client: Client
) -> None:
    await client.start()
    await client.caught_up(5)
    events = client.events()
    away = gate_pb2.GoAway(reason=gate_pb2.GO_AWAY_REASON_SESSION_ENDED)
    await peer.gate.push(event(go_away=away))
    await next_of(events, model.SignedOut)
    assert client.state is model.ConnectionState.SIGNED_OUT
    assert not (client.home / "tokens.json").exists()
    with pytest.raises(NotLoggedIn):
        await client.me()


async def test_read_cursors_are_coalesced_and_shown_at_once(peer: Peer, client: Client) -> None:
    for number in range(10):
        peer.chat.append(f"{number}")
    await client.start()
    await client.caught_up(5)
    for seq in range(1, 11):
        client.mark_read(CHAT, seq)
    assert (await client.conversations())[0].unread_count == 0
    await peer.gate.until(lambda: peer.chat.reads[client.user_id] == 10)
    reads = [it for frame in peer.gate.frames for it in frame.events if it.HasField("read")]
    assert len(reads) == 1


async def test_a_read_cursor_moved_offline_is_sent_after_the_start(
    peer: Peer, client: Client
) -> None:
    peer.chat.append("hi")
    await client.conversations()
    client.mark_read(CHAT, 1)
    await client.start()
    await peer.gate.until(lambda: peer.chat.reads[client.user_id] == 1)


async def test_a_first_message_of_a_stranger_brings_its_conversation(
    peer: Peer, tmp_path: Path
) -> None:
    client = Client(peer.address, tmp_path / "other", gap_seconds=0.02)
    await client.login("me@example.org", "correct horse")
    await client.start()
    await client.caught_up(5)
    events = client.events()
    message = peer.chat.append("你是谁")
    message.conversation_id = "chat-2"
    await peer.gate.push(event(message=message))
    assert (await added(events, 1))[0].conversation_id == "chat-2"
    async with asyncio.timeout(10):
        while not ((known := client.conversation("chat-2")) and known.members):
            await asyncio.sleep(0.005)
    # It was asked for alone: nothing else was synced again.
    events_seen = [it for frame in peer.gate.frames for it in frame.events]
    assert not any(it.HasField("sync") for it in events_seen)
    await client.close()


async def test_offline_the_cache_answers(peer: Peer, client: Client) -> None:
    peer.chat.append("早")
    await client.start()
    await client.caught_up(5)
    await client.close()
    await peer.stop()
    offline = Client(peer.address, client.home)
    assert [it.text for it in await offline.history(CHAT)] == ["早"]
    assert [it.last_seq for it in await offline.conversations()] == [1]
    with pytest.raises(Unavailable):
        await offline.me()
    await offline.close()


async def test_delivering_without_a_stream_empties_the_outbox(peer: Peer, client: Client) -> None:
    message = await client.send(CHAT, "一次性")
    await client.deliver(5)
    stored = await client.settled(message.client_message_id, 1)
    assert stored.seq == 1
    assert peer.gate.connects == 0


@pytest.mark.parametrize("text", ["", "x" * 16385, "\ud83d"])
async def test_a_text_that_no_server_takes_is_refused_before_the_outbox(
    client: Client, text: str
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        await client.send(CHAT, text)
    assert "text" in raised.value.fields
    assert client.pending() == []


async def test_a_slow_listener_is_told_that_it_missed_something(peer: Peer, client: Client) -> None:
    slow = client.events(limit=5)
    for number in range(50):
        peer.chat.append(f"{number}")
    await client.start()
    await client.caught_up(5)
    lagged = await next_of(slow, model.Lagged)
    assert lagged.missed >= 5


async def collect(events: AsyncIterator[model.Event]) -> list[model.Event]:
    return [it async for it in events]


async def test_closing_ends_every_listener(client: Client) -> None:
    events = client.events()
    await client.close()
    assert await collect(events) == []
