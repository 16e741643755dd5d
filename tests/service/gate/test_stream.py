"""The session stream: hello, difference, pushes, acks, and what a device may say wrongly."""

import asyncio

import grpc
import pytest
from hongyan.gate.v1 import gate_pb2

from services.chat.committer import Entry
from services.gate.rpc import MAX_FRAME_BYTES
from tests.service.gate.conftest import NewDevice, NewGate, until
from tests.service.gate.device import Device, bye, ping, read, send, sync_event
from tests.service.gate.world import ChatPod, GateOptions, GatePod, Verify


async def test_two_people_talk(chat: ChatPod, gate: GatePod, new_device: NewDevice) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = await new_device(gate, "bob").hello()
    await ann.send(talk, "你好 🐦", id="x")
    [ack] = await ann.wait("send_ack")
    assert (ack.conversation_id, ack.client_message_id, ack.seq) == (talk, "x", 1)
    [message] = await bob.wait("message")
    assert (message.text, message.sender_id, message.seq) == ("你好 🐦", "ann", 1)
    assert message.created_at.ToMicroseconds() == ack.created_at_micros
    await bob.send(talk, "再见")
    [answer] = await ann.wait("message")
    assert (answer.text, answer.seq) == ("再见", 2)


async def test_welcome_comes_first_then_the_difference_then_caught_up(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    await ann.send(talk, "while bob is away")
    await ann.wait("send_ack")
    bob = await new_device(gate, "bob").hello()
    assert bob.kinds() == ["welcome", "difference", "caught_up"]
    [welcome] = bob.of("welcome")
    assert welcome.session_id == "bob-1"
    assert welcome.idle_timeout.ToSeconds() == 90
    [part] = bob.of("difference")[0].conversations
    assert [message.text for message in part.messages] == ["while bob is away"]
    assert part.conversation.unread_count == 1
    assert part.joined


async def test_a_device_that_has_all_gets_no_messages_again(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    for text in ("1", "2", "3"):
        await ann.send(talk, text)
    await ann.wait("send_ack", 3)
    bob = await new_device(gate, "bob").hello({talk: 2})
    [part] = bob.of("difference")[0].conversations
    assert [message.seq for message in part.messages] == [3]


async def test_somebody_without_conversations_is_caught_up_at_once(
    gate: GatePod, new_device: NewDevice
) -> None:
    device = await new_device(gate, "newcomer").hello()
    assert device.kinds() == ["welcome", "caught_up"]


async def test_what_is_sent_before_hello_is_in_the_difference_and_no_push_comes_before_it(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = new_device(gate, "bob")
    await bob.wait("welcome")
    await ann.send(talk, "hello")
    await ann.wait("send_ack")
    await ann.settle()
    await bob.hello()
    await bob.settle()
    assert bob.kinds()[:3] == ["welcome", "difference", "caught_up"]
    assert bob.has(talk) == {1}


async def test_no_message_is_missed_by_devices_that_connect_while_messages_flow(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    count = 600

    async def write() -> None:
        for number in range(count):
            await ann.send(talk, str(number))

    async def listen(number: int) -> None:
        await until(lambda: len(ann.of("send_ack")) >= number * 10)
        device = await new_device(gate, "bob", f"bob-{number}").hello()
        await device.until(lambda: count in device.has(talk), 30)
        # The newest page came first; from there on every message came, in order.
        have = device.has(talk)
        assert have == set(range(min(have), count + 1))
        pushed = [message.seq for message in device.of("message")]
        assert pushed == sorted(set(pushed))
        assert device.of("need_sync") == []

    writing = asyncio.create_task(write())
    reading = asyncio.create_task(ann.wait("send_ack", count))
    await asyncio.gather(writing, *(listen(number) for number in range(40)))
    await reading


async def test_an_echo_goes_to_the_other_devices_and_not_to_the_sender(
    chat: ChatPod, gate: GatePod, new_gate: NewGate, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    second_gate = await new_gate()
    phone = await new_device(gate, "ann", "phone").hello()
    laptop = await new_device(gate, "ann", "laptop").hello()
    tablet = await new_device(second_gate, "ann", "tablet").hello()
    await phone.send(talk, "from the phone")
    await phone.wait("send_ack")
    for device in (laptop, tablet):
        [message] = await device.wait("message")
        assert message.sender_id == "ann"
    await laptop.send(talk, "from the laptop")
    await phone.wait("message")
    await phone.settle()
    assert phone.texts() == ["from the laptop"]


async def test_a_retry_on_another_stream_gets_the_same_seq(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    await ann.send(talk, "hello", id="x")
    [first] = await ann.wait("send_ack")
    await ann.close()
    again = await new_device(gate, "ann").hello({talk: 1})
    await again.send(talk, "hello", id="x")
    [second] = await again.wait("send_ack")
    assert second == first
    await again.send(talk, "other", id="x")
    [refused] = await again.wait("send_refused")
    assert refused.refusal.reason == "CLIENT_MESSAGE_ID_REUSED"
    assert not refused.refusal.HasField("retry_delay")


async def test_messages_of_alternating_senders_arrive_in_the_order_of_seq(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann", "ann-phone").hello()
    bob = await new_device(gate, "bob", "bob-phone").hello()
    watcher = await new_device(gate, "ann", "ann-laptop").hello()
    for number in range(200):
        await (ann, bob)[number % 2].send(talk, str(number))
        if number % 7 == 0:
            await bob.send(talk, f"again {number}")
    total = 200 + 29
    await watcher.wait("message", total)
    assert [message.seq for message in watcher.of("message")] == list(range(1, total + 1))
    await ann.wait("send_ack", 100)
    await bob.wait("send_ack", 129)
    for device in (ann, bob):
        await device.until(lambda device=device: len(device.has(talk)) == total)
        pushed = [message.seq for message in device.of("message")]
        assert pushed == sorted(pushed)
        own = {ack.seq for ack in device.of("send_ack")}
        assert own.isdisjoint(pushed)


async def test_read_cursors_reach_the_others_and_the_own_devices(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = await new_device(gate, "bob", "phone").hello()
    laptop = await new_device(gate, "bob", "laptop").hello()
    await ann.send(talk, "hello")
    await bob.wait("message")
    await bob.say(read(talk, 1))
    for device in (ann, bob, laptop):
        [moved] = await device.wait("read_moved")
        assert (moved.conversation_id, moved.user_id, moved.read_seq) == (talk, "bob", 1)


@pytest.mark.parametrize(
    ("length", "stored"), [(16_384, True), (16_385, False)], ids=["16 KiB", "one more"]
)
async def test_a_text_has_sixteen_kibibytes_at_most(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, length: int, stored: bool
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    text = "字" * 5_461 + "a" * (length - 16_383)
    await ann.send(talk, text, id="x")
    if stored:
        await ann.wait("send_ack")
        return
    [refused] = await ann.wait("send_refused")
    assert (refused.conversation_id, refused.client_message_id) == (talk, "x")
    assert refused.refusal.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "text" in refused.refusal.message
    assert not refused.refusal.HasField("retry_delay")


async def test_a_frame_that_is_too_large_is_refused_and_the_session_lives(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    await ann.write(b"\x00" * (MAX_FRAME_BYTES + 1))
    await ann.write(b"\x00" * (4 * 1024 * 1024 + 100))
    refused = await ann.wait("frame_refused", 2)
    assert {one.refusal.reason for one in refused} == {"FRAME_TOO_LARGE"}
    await ann.send(talk, "still here")
    await ann.wait("send_ack")


async def test_a_frame_of_the_greatest_size_is_taken(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    events = [send(talk, "x" * 16_000, f"m{number}") for number in range(16)]
    frame = gate_pb2.ConnectRequest(events=events).SerializeToString()
    room = MAX_FRAME_BYTES - len(frame)
    frame += gate_pb2.ConnectRequest(
        events=[send(talk, "x" * (room - 30), "last")]
    ).SerializeToString()
    assert MAX_FRAME_BYTES - 30 < len(frame) <= MAX_FRAME_BYTES
    await ann.write(frame)
    await ann.wait("send_ack", 17)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xff\xff", "FRAME_UNREADABLE"),
        (b"", "INVALID_FIELD"),
        (b"\x0a\x02\x12\x7f", "FRAME_UNREADABLE"),
        (b"\x0a\x07\x12\x05\x0a\x03\xff\xfe\xfd", "FRAME_UNREADABLE"),
        (b"\x0a\x00" * 1_001, "INVALID_FIELD"),
        (b"\x0b" * 1_000, "FRAME_UNREADABLE"),
    ],
    ids=["noise", "empty", "cut short", "no UTF-8", "1,001 events", "deep groups"],
)
async def test_bytes_that_are_no_frame_are_refused_and_the_session_lives(
    gate: GatePod, new_device: NewDevice, data: bytes, reason: str
) -> None:
    device = new_device(gate, "ann")
    await device.write(data)
    [refused] = await device.wait("frame_refused")
    assert refused.refusal.reason == reason
    assert refused.refusal.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    await device.hello()


async def test_one_bad_event_among_good_ones_refuses_only_itself(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    await ann.say(
        send(talk, "one", "x1"),
        send(talk, "", "x2"),
        send("no such id!", "text", "x3"),
        send(talk, "two", "not an id!"),
        gate_pb2.ClientEvent(),
        sync_event({"bad id!": 1}),
        read(talk, -1),
        ping(7),
        send(talk, "three", "x4"),
    )
    acks = await ann.wait("send_ack", 2)
    assert [(ack.client_message_id, ack.seq) for ack in acks] == [("x1", 1), ("x4", 2)]
    await ann.settle()
    refused = {one.client_message_id: one.refusal for one in ann.of("send_refused")}
    assert {id: one.reason for id, one in refused.items()} == {
        "x2": "INVALID_FIELD",
        "x3": "INVALID_FIELD",
        "not an id!": "INVALID_FIELD",
    }
    assert "text" in refused["x2"].message
    assert "conversation_id" in refused["x3"].message
    assert len(ann.of("frame_refused")) == 3
    assert 7 in {pong.nonce for pong in ann.of("pong")}


async def test_a_stranger_is_refused_as_for_a_conversation_that_is_not_there(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    eve = await new_device(gate, "eve").hello({talk: 0})
    assert eve.of("difference") == []
    await eve.say(send(talk, "let me in", "x"), send("nowhere", "hm", "y"), read(talk, 1))
    first, second = await eve.wait("send_refused", 2)
    assert first.refusal == second.refusal
    assert first.refusal.reason == "NOT_A_MEMBER"
    assert first.refusal.code == grpc.StatusCode.PERMISSION_DENIED.value[0]


async def test_hello_comes_first_and_once(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = new_device(gate, "ann")
    await ann.say(send(talk, "too early", "x"), ping(1), bye())
    early = await ann.wait("frame_refused", 3)
    assert {one.refusal.reason for one in early} == {"HELLO_EXPECTED"}
    await ann.hello()
    await ann.say(Device.hello_event(), ping(2))
    await ann.wait("pong")
    assert len(ann.of("frame_refused")) == 4
    assert ann.of("send_ack") == []
    assert len(ann.of("caught_up")) == 1


async def test_a_ping_is_answered_with_its_number(gate: GatePod, new_device: NewDevice) -> None:
    ann = await new_device(gate, "ann").hello()
    await ann.say(ping(-5), ping(2**63 - 1))
    assert [pong.nonce for pong in await ann.wait("pong", 2)] == [-5, 2**63 - 1]


@pytest.mark.parametrize("by", ["bye", "half-close", "cut"])
async def test_a_device_that_leaves_is_forgotten(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, by: str
) -> None:
    ann = await new_device(gate, "ann").hello()
    assert gate.gate.user_ids() == ["ann"]
    await until(lambda: "ann" in chat.links._routes)
    if by == "bye":
        await ann.say(bye())
        assert await ann.ended() is grpc.StatusCode.OK
    elif by == "half-close":
        await ann.half_close()
        assert await ann.ended() is grpc.StatusCode.OK
    else:
        await ann.close()
    await until(lambda: gate.gate.user_ids() == [])
    await until(lambda: chat.links._routes == {})


async def test_a_newer_stream_of_the_same_session_replaces_the_older(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    old = await new_device(gate, "ann").hello()
    new = await new_device(gate, "ann").hello()
    assert await old.ended() is grpc.StatusCode.OK
    [go_away] = old.of("go_away")
    assert go_away.reason == gate_pb2.GO_AWAY_REASON_REPLACED
    bob = await new_device(gate, "bob").hello()
    await bob.send(talk, "hello")
    await new.wait("message")
    assert sorted(gate.gate.user_ids()) == ["ann", "bob"]
    await new.close()
    await until(lambda: gate.gate.user_ids() == ["bob"])


async def test_streams_that_replace_each_other_in_a_hurry_leave_one(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    devices = [new_device(gate, "ann") for _ in range(20)]
    await asyncio.gather(*(device.wait("welcome") for device in devices))
    last = await new_device(gate, "ann").hello()
    assert len(gate.gate._sessions) == 1
    bob = await new_device(gate, "bob").hello()
    await bob.send(talk, "hello")
    await last.wait("message")


async def test_an_ended_session_closes_its_stream_and_no_other(
    gate: GatePod, new_device: NewDevice, verify: Verify
) -> None:
    phone = await new_device(gate, "ann", "phone").hello()
    laptop = await new_device(gate, "ann", "laptop").hello()
    verify.ended.append("phone")
    await gate.trust.refresh()
    assert await phone.ended() is grpc.StatusCode.OK
    assert phone.of("go_away")[0].reason == gate_pb2.GO_AWAY_REASON_SESSION_ENDED
    await laptop.settle()
    assert await new_device(gate, "ann", "phone").ended() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_session_that_ends_while_it_is_let_in_does_not_stay(
    gate: GatePod, new_device: NewDevice, verify: Verify
) -> None:
    """The token was good, then Redis was asked for the limit, and meanwhile came the log-out."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow_limit(_: object) -> None:
        arrived.set()
        await go_on.wait()

    gate.admit = slow_limit
    ann = new_device(gate, "ann")
    await arrived.wait()
    verify.ended.append("ann-1")
    await gate.trust.refresh()
    go_on.set()
    assert await ann.ended() is grpc.StatusCode.UNAUTHENTICATED
    assert gate.gate.user_ids() == []


async def test_too_many_messages_are_refused_with_a_delay(
    chat: ChatPod, new_gate: NewGate, new_device: NewDevice
) -> None:
    now = [1_000.0]
    gate = await new_gate(GateOptions(now=lambda: now[0], user_limit="3/1", device_limit="2/10"))
    talk = await chat.talk("ann", "bob")
    phone = await new_device(gate, "ann", "phone").hello()
    laptop = await new_device(gate, "ann", "laptop").hello()
    for number in range(3):
        await phone.send(talk, str(number))
    [refused] = await phone.wait("send_refused")
    assert refused.refusal.reason == "LIMIT_REACHED"
    assert refused.refusal.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert refused.refusal.retry_delay.ToSeconds() == 10
    await phone.wait("send_ack", 2)
    now[0] += 1
    await laptop.send(talk, "still one")
    await laptop.wait("send_ack")


async def test_a_forged_trace_context_costs_only_itself(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    """One long field must not be copied to a thousand requests of the link of all."""
    lengths: set[int] = set()
    hand_out = chat.links.committer._on_commit

    def watch(entries: list[Entry]) -> None:
        lengths.update(len(entry.send.traceparent) for entry in entries)
        hand_out(entries)

    chat.links.committer._on_commit = watch
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = await new_device(gate, "bob").hello()
    await ann.say(
        *(send(talk, "x", f"x{number}") for number in range(1_000)), traceparent="0" * 200_000
    )
    await ann.wait("send_ack", 1_000)
    await bob.wait("message", 1_000)
    assert bob.of("need_sync") == []
    assert lengths == {0}


@pytest.mark.parametrize("traceparent", ["nonsense", "00-" + "1" * 32 + "-" + "2" * 16 + "-01"])
async def test_a_traced_message_is_stored_like_any_other(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, traceparent: str
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    await ann.say(send(talk, "traced", "x"), traceparent=traceparent)
    await ann.wait("send_ack")


async def test_a_retry_is_told_to_the_others_again(
    verify: Verify, chat: ChatPod, gate: GatePod
) -> None:
    """Its first commit may have been the last thing that a database did before it died."""
    talk = await chat.talk("ann", "bob")
    ann = await Device(gate.target, verify.token("ann")).hello()
    bob = await Device(gate.target, verify.token("bob")).hello()
    await ann.say(send(talk, "hi", "once"))
    await bob.wait("message")
    await ann.say(send(talk, "hi", "once"))
    await bob.wait("message", 2)
    assert [it.seq for it in bob.of("message")] == [1, 1]
    await ann.wait("send_ack", 2)
    assert [it.seq for it in ann.of("send_ack")] == [1, 1]
    await ann.say(send(talk, "other", "once"))
    await ann.wait("send_refused")
    await bob.settle()
    assert len(bob.of("message")) == 2
    for device in (ann, bob):
        await device.close()
