"""What gate and chat do when devices are slow or silent, chat is away, or the gate stops."""

import asyncio
import gc
import sqlite3
import time
import weakref
from typing import Any

import grpc
import pytest
from hongyan.chat.v1 import link_pb2, link_pb2_grpc
from hongyan.gate.v1 import gate_pb2

from services.chat import link as chat_link
from services.common import calls
from services.common.identity import Caller
from services.gate.session import Bounds, Session
from tests.service.conftest import free_port
from tests.service.gate.conftest import NewDevice, NewGate, until
from tests.service.gate.device import Device, bye, ping, send, sync_event
from tests.service.gate.world import INTERNAL_KEY, ChatPod, GateOptions, GatePod, Verify

SMALL_WINDOW = {"http2.bdp_probe": 0, "http2.lookahead_bytes": 65_536}


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def fill(device: Device, session: Session, conversation_id: str, writer: Device) -> int:
    """Sends to a device that does not read until gate cannot write any more; returns how many."""
    sent = 0
    while session.writing_since is None or not session._queue:
        await writer.send(conversation_id, "x" * 16_000)
        sent += 1
        await writer.wait("send_ack", sent)
        assert sent < 1_000
    return sent


# Silent and slow devices


async def test_a_silent_device_is_told_and_closed(
    new_gate: NewGate, clock: Clock, new_device: NewDevice
) -> None:
    gate = await new_gate(GateOptions(now=clock, idle_seconds=90))
    silent = await new_device(gate, "ann").hello()
    lively = await new_device(gate, "bob").hello()
    clock.now += 60
    await lively.settle()
    clock.now += 31
    assert await silent.ended() is grpc.StatusCode.OK
    assert silent.of("go_away")[0].reason == gate_pb2.GO_AWAY_REASON_IDLE
    await lively.settle()
    assert gate.gate.user_ids() == ["bob"]


async def test_a_device_that_never_says_hello_does_not_stay(
    new_gate: NewGate, clock: Clock, new_device: NewDevice
) -> None:
    gate = await new_gate(GateOptions(now=clock))
    device = new_device(gate, "ann")
    await device.wait("welcome")
    clock.now += 11
    assert await device.ended() is grpc.StatusCode.OK
    assert device.of("go_away")


async def test_a_device_that_does_not_read_costs_bounded_memory_and_misses_nothing(
    chat: ChatPod, new_gate: NewGate, new_device: NewDevice
) -> None:
    bounds = Bounds(queue_frames=50, queue_bytes=200_000)
    gate = await new_gate(GateOptions(bounds=bounds))
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = await new_device(gate, "bob", **SMALL_WINDOW).hello()
    session = gate.gate._sessions["bob-1"]
    most = 0
    count = 300
    for number in range(count):
        await ann.send(talk, f"{number} " + "x" * 10_000)
        await ann.wait("send_ack", number + 1)
        most = max(most, session._queue_bytes)
    assert most <= bounds.queue_bytes + 100
    await bob.wait("need_sync")
    missing = True
    while missing:
        have = bob.has(talk)
        head = next(seq for seq in range(count + 1) if seq + 1 not in have)
        missing = head < count
        if missing:
            await bob.say(sync_event({talk: head}))
            await bob.wait("caught_up", len(bob.of("caught_up")) + 1)
    assert bob.has(talk) == set(range(1, count + 1))
    assert bob.of("go_away") == []


async def test_a_device_that_does_not_read_for_too_long_is_closed(
    chat: ChatPod, new_gate: NewGate, clock: Clock, new_device: NewDevice
) -> None:
    gate = await new_gate(GateOptions(now=clock, slow_seconds=10))
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = await new_device(gate, "bob", **SMALL_WINDOW).hello()
    await fill(bob, gate.gate._sessions["bob-1"], talk, ann)
    clock.now += 9
    await ann.settle()
    assert sorted(gate.gate.user_ids()) == ["ann", "bob"]
    clock.now += 2
    await until(lambda: gate.gate.user_ids() == ["ann"])
    # What was on its way still comes; then the stream is at its end and does not hang.
    await bob.ended(5)
    again = await new_device(gate, "bob").hello({talk: 0})
    await again.settle()
    await ann.settle()


async def test_a_device_that_is_both_silent_and_stuck_does_not_stay(
    chat: ChatPod, new_gate: NewGate, clock: Clock, new_device: NewDevice
) -> None:
    """Behind a proxy the connection of a dead device lives: its stream must end all the same."""
    gate = await new_gate(GateOptions(now=clock, slow_seconds=10, idle_seconds=90))
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = await new_device(gate, "bob", **SMALL_WINDOW).hello()
    await fill(bob, gate.gate._sessions["bob-1"], talk, ann)
    clock.now += 91
    await until(lambda: gate.gate.user_ids() == [] or gate.gate.user_ids() == ["ann"], 3)


async def test_a_stuck_stream_that_was_replaced_does_not_stay(
    chat: ChatPod, new_gate: NewGate, clock: Clock, new_device: NewDevice
) -> None:
    gate = await new_gate(GateOptions(now=clock, slow_seconds=10))
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    stuck = await new_device(gate, "bob", **SMALL_WINDOW).hello()
    await fill(stuck, gate.gate._sessions["bob-1"], talk, ann)
    await new_device(gate, "bob").hello()
    assert open_streams() == 3
    clock.now += 11
    await until(lambda: open_streams() == 2, 3)


def open_streams() -> int:
    """Counts the tasks that read from devices: one for each stream that gate still serves."""
    return sum("GateService._read" in repr(task) for task in asyncio.all_tasks())


async def test_a_device_that_asks_and_does_not_read_is_closed(
    new_gate: NewGate, new_device: NewDevice
) -> None:
    gate = await new_gate(GateOptions(bounds=Bounds(100, 20_000)))
    greedy = await new_device(gate, "ann", **SMALL_WINDOW).hello()
    session = gate.gate._sessions["ann-1"]
    with_noise = [ping(2**62 + number) for number in range(1_000)]
    async with asyncio.timeout(10):
        while gate.gate.user_ids():
            try:
                await greedy.say(*with_noise)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                break
    await until(lambda: gate.gate.user_ids() == [])
    assert session.closing


async def test_a_new_device_on_a_slow_line_gets_a_large_history(
    chat: ChatPod, new_gate: NewGate, new_device: NewDevice
) -> None:
    """What waits for one device stays within its bounds, however much there is to say."""
    gate = await new_gate(GateOptions(bounds=Bounds(2_000, 1_200_000)))
    async with chat.database.begin() as connection:
        large = "x" * 16_000
        for number in range(40):
            await connection.exec_driver_sql(
                "INSERT INTO conversation (id, kind, pair, last_seq, member_version, active_at) "
                "VALUES (?, 1, ?, 30, 1, ?)",
                (f"big{number}", f"pair{number}", number),
            )
            await connection.exec_driver_sql(
                "INSERT INTO member (user_id, conversation_id, read_seq) VALUES ('ann', ?, 0)",
                (f"big{number}",),
            )
            for seq in range(1, 31):
                await connection.exec_driver_sql(
                    "INSERT INTO message (conversation_id, seq, sender_id, client_message_id, "
                    "content_hash, kind, body, created_at) "
                    "VALUES (?, ?, 'bob', ?, x'00', 1, ?, 1)",
                    (f"big{number}", seq, f"m{seq}", large.encode()),
                )
    ann = new_device(gate, "ann", **SMALL_WINDOW)
    await ann.say(ann.hello_event())
    session = None
    await ann.wait("welcome")
    session = gate.gate._sessions["ann-1"]
    await until(lambda: not session.syncing or session.closing)
    assert not session.closing
    await ann.wait("caught_up")
    assert ann.of("go_away") == []
    told = {
        part.conversation.conversation_id: part
        for difference in ann.of("difference")
        for part in difference.conversations
    }
    assert len(told) == 40
    assert all(part.conversation.last_seq == 30 for part in told.values())


# Chat away


async def test_while_chat_is_away_sends_are_refused_with_a_delay_and_then_all_heals(
    verify: Verify, chat: ChatPod, gate: GatePod, new_device: NewDevice, chat_database: str
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = await new_device(gate, "bob").hello()
    await chat.stop()
    await until(lambda: not list(gate.links.live()))
    await ann.send(talk, "hello", id="x")
    [refused] = await ann.wait("send_refused")
    assert refused.refusal.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert refused.refusal.reason == "CHAT_AWAY"
    assert refused.refusal.retry_delay.ToMilliseconds() > 0
    other = await ChatPod(verify, int(chat.target.rpartition(":")[2]), chat_database).start()
    try:
        for device in (ann, bob):
            await device.wait("need_sync")
            await device.say(sync_event())
            await device.wait("caught_up", 2)
        await ann.send(talk, "hello", id="x")
        await ann.wait("send_ack")
        await bob.wait("message")
        assert bob.texts() == ["hello"]
    finally:
        await other.stop()


class Locked:
    """Holds SQLite's only write lock: commits wait, as in a database that is slow."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


async def test_open_sends_are_refused_when_chat_is_killed_and_none_stays_counted(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, chat_database: str
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    session = gate.gate._sessions["ann-1"]
    with Locked(chat_database):
        for number in range(5):
            await ann.send(talk, str(number), id=f"x{number}")
        await until(lambda: session.sends_open == 5)
        await until(lambda: not any(link._requests for link in gate.links.live()))
        stopping = asyncio.create_task(chat.stop())
        await until(lambda: not list(gate.links.live()))
    await stopping
    refused = await ann.wait("send_refused", 5)
    assert {one.refusal.reason for one in refused} == {"CHAT_LOST"}
    assert all(one.refusal.HasField("retry_delay") for one in refused)
    assert session.sends_open == 0


async def test_an_answer_that_never_comes_is_given_up_and_a_late_one_does_no_harm(
    chat: ChatPod, new_gate: NewGate, clock: Clock, new_device: NewDevice, chat_database: str
) -> None:
    gate = await new_gate(GateOptions(now=clock))
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    session = gate.gate._sessions["ann-1"]
    with Locked(chat_database):
        await ann.send(talk, "hello", id="x")
        await until(lambda: session.sends_open == 1)
        clock.now += 11
        [refused] = await ann.wait("send_refused")
        assert refused.refusal.reason == "CHAT_LATE"
        assert refused.refusal.HasField("retry_delay")
        assert session.sends_open == 0
    await ann.send(talk, "hello", id="x")
    await ann.wait("send_ack")
    await ann.settle()
    assert session.sends_open == 0
    assert {ack.seq for ack in ann.of("send_ack")} == {1}
    assert not any(link.pending for link in gate.links.live())


async def test_a_device_that_comes_before_chat_is_synced_when_chat_comes(
    verify: Verify, new_gate: NewGate, new_device: NewDevice, chat_database: str
) -> None:
    port = free_port()
    gate = await new_gate(targets=f"127.0.0.1:{port}", links=0)
    ann = new_device(gate, "ann")
    await ann.say(ann.hello_event())
    await ann.settle()
    assert ann.of("caught_up") == []
    pod = await ChatPod(verify, port, chat_database).start()
    try:
        await ann.wait("caught_up")
        await until(lambda: "ann" in pod.links._routes)
    finally:
        await pod.stop()


async def test_a_device_that_left_while_waiting_for_chat_is_forgotten(
    new_gate: NewGate, new_device: NewDevice
) -> None:
    gate = await new_gate(targets=f"127.0.0.1:{free_port()}", links=0)
    ann = new_device(gate, "ann")
    await ann.say(ann.hello_event())
    await ann.settle()
    assert len(gate.gate._waiting_syncs) == 1
    await ann.close()
    await until(lambda: not gate.gate._waiting_syncs)


async def test_a_sync_is_asked_again_when_its_chat_pod_dies(
    verify: Verify, chat: ChatPod, gate: GatePod, new_device: NewDevice, chat_database: str
) -> None:
    await chat.talk("ann", "bob")
    # All that may compute differences are busy: the sync waits.
    for _ in range(chat_link.DIFFERENCES_AT_ONCE):
        await chat.links._differences.acquire()
    ann = new_device(gate, "ann")
    await ann.say(ann.hello_event())
    await until(lambda: any(link.pending for link in gate.links.live()))
    await ann.settle()
    await chat.stop()
    other = await ChatPod(verify, int(chat.target.rpartition(":")[2]), chat_database).start()
    try:
        await ann.wait("caught_up")
        assert len(ann.of("difference")) == 1
    finally:
        await other.stop()


async def test_a_sync_that_the_database_refuses_is_made_up_for_soon(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await chat.talk("ann", "bob")
    working = chat.chat._read
    failed = []

    def away() -> Any:
        failed.append(1)
        raise calls.Unavailable("DATABASE_AWAY", "away", retry_seconds=0.1)

    monkeypatch.setattr(chat.chat, "_read", away)
    ann = new_device(gate, "ann")
    await ann.say(ann.hello_event())
    await until(lambda: failed)
    monkeypatch.setattr(chat.chat, "_read", working)
    await ann.wait("caught_up")
    assert len(ann.of("difference")) == 1


async def test_one_sync_at_a_time_and_the_newest_wish_follows(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    await ann.say(*(sync_event({talk: 0}) for _ in range(50)))
    await ann.settle()
    await ann.wait("caught_up", 3)
    await ann.settle()
    assert len(ann.of("caught_up")) == 3


async def test_two_chat_pods_share_the_conversations(
    verify: Verify, chat: ChatPod, new_gate: NewGate, new_device: NewDevice, chat_database: str
) -> None:
    other = await ChatPod(verify, free_port(), chat_database).start()
    try:
        gates = [await new_gate(targets=f"{chat.target},{other.target}", links=2) for _ in range(2)]
        talks = [await chat.talk("ann", f"user{number}") for number in range(12)]
        talks += [await chat.talk("ann", "bob")]
        ann = await new_device(gates[0], "ann", "phone").hello()
        laptop = await new_device(gates[1], "ann", "laptop").hello()
        bob = await new_device(gates[1], "bob").hello()
        for number in range(5):
            for talk in talks:
                await ann.send(talk, f"text {number}")
        await ann.wait("send_ack", 65)
        await laptop.wait("message", 65)
        await bob.wait("message", 5)
        for talk in talks:
            assert laptop.texts(talk) == [f"text {number}" for number in range(5)]
        owners = {
            conversation_id: gate.links.choose(conversation_id)
            for gate in gates[:1]
            for conversation_id in talks
        }
        assert len(set(owners.values())) == 2
        # One dies: the other takes over at once, and nothing is lost.
        await other.stop()
        await until(lambda: all(len(list(gate.links.live())) == 1 for gate in gates))
        await bob.wait("need_sync")
        for talk in talks:
            await ann.send(talk, "after")
        await ann.wait("send_ack", 78)
    finally:
        await other.stop()


async def test_a_full_chat_refuses_with_a_delay(
    verify: Verify, chat: ChatPod, new_gate: NewGate, new_device: NewDevice, chat_database: str
) -> None:
    pod = await ChatPod(verify, free_port(), chat_database, commit_queue=3).start()
    try:
        gate = await new_gate(targets=pod.target)
        talk = await chat.talk("ann", "bob")
        ann = await new_device(gate, "ann").hello()
        await ann.say(*(send(talk, str(number), f"x{number}") for number in range(10)))
        refused = await ann.wait("send_refused", 7)
        assert {one.refusal.reason for one in refused} == {"CHAT_BUSY"}
        assert all(one.refusal.retry_delay.ToMilliseconds() > 0 for one in refused)
        await ann.wait("send_ack", 3)
    finally:
        await pod.stop()


async def test_too_many_unanswered_sends_of_one_device_are_refused(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, chat_database: str
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    session = gate.gate._sessions["ann-1"]
    with Locked(chat_database):
        await ann.say(*(send(talk, "x", f"x{number}") for number in range(1_000)))
        await ann.say(send(talk, "x", "too-much"))
        [refused] = await ann.wait("send_refused")
        assert refused.client_message_id == "too-much"
        assert refused.refusal.reason == "TOO_MANY_UNANSWERED"
    await ann.wait("send_ack", 1_000)
    assert session.sends_open == 0


async def test_a_gate_that_does_not_read_is_cut_off_and_costs_bounded_memory(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_link, "OUTGOING_BYTES", 1_000_000)
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    async with grpc.aio.insecure_channel(
        chat.target, options=(("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))
    ) as channel:
        stuck: Any = link_pb2_grpc.LinkServiceStub(channel).Attach(
            metadata=calls.internal_metadata(INTERNAL_KEY)
        )
        await stuck.write(link_pb2.AttachRequest(gate_id="stuck", arrived_user_ids=["bob"]))
        await until(lambda: "bob" in chat.links._routes)
        [link] = chat.links._routes["bob"]
        for number in range(250):
            await ann.send(talk, "x" * 16_000)
            await ann.wait("send_ack", number + 1)
        await until(lambda: "bob" not in chat.links._routes)
        assert link.outgoing_bytes < 1_100_000
    await ann.send(talk, "the others go on")
    await ann.wait("send_ack", 251)


# The gate stops


async def test_draining_says_go_away_and_answers_what_is_open(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, chat_database: str
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    session = gate.gate._sessions["ann-1"]
    with Locked(chat_database):
        await ann.send(talk, "open", id="x")
        await until(lambda: session.sends_open == 1)
        draining = asyncio.create_task(gate.gate.drain(30, 20))
        [go_away] = await ann.wait("go_away")
        # The device had written more before it read the good-bye.
        await ann.say(ping(1), send(talk, "too late", "y"))
        await ann.say(ping(2))
        assert await refused_stream(new_device(gate, "bob")) is grpc.StatusCode.UNAVAILABLE
    assert await ann.ended() is grpc.StatusCode.OK
    await draining
    assert go_away.reason == gate_pb2.GO_AWAY_REASON_DRAINING
    assert 0 <= go_away.reconnect_after.ToSeconds() <= 1
    assert next(ack.client_message_id for ack in ann.of("send_ack")) == "x"
    assert gate.gate.user_ids() == []


async def refused_stream(device: Device) -> grpc.StatusCode:
    return await device.ended()


async def test_draining_does_not_wait_for_ever(
    chat: ChatPod, gate: GatePod, new_device: NewDevice
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = await new_device(gate, "bob", **SMALL_WINDOW).hello()
    await fill(bob, gate.gate._sessions["bob-1"], talk, ann)
    started = time.monotonic()
    await gate.gate.drain(0, 0.1)
    assert time.monotonic() - started < 2
    assert gate.gate.user_ids() == ["bob"]


async def test_until_its_turn_a_device_is_served(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gate.rules.DRAINED_A_SECOND", 0.01)
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    bob = await new_device(gate, "bob").hello()
    draining = asyncio.create_task(gate.gate.drain(600, 20))
    sessions = gate.gate._sessions
    await until(lambda: len(sessions) == 1 or any(it.closing for it in sessions.values()))
    first, second = (
        (bob, ann) if "ann-1" in sessions and not sessions["ann-1"].closing else (ann, bob)
    )
    await first.wait("go_away")
    assert await first.ended() is grpc.StatusCode.OK
    # The other one has ten minutes in which nothing changes for it.
    await second.send(talk, "still here", id="z")
    [ack] = await second.wait("send_ack")
    assert ack.client_message_id == "z"
    assert second.of("go_away") == []
    await second.say(bye())
    async with asyncio.timeout(10):
        await draining
    assert gate.gate.user_ids() == []


async def test_draining_an_empty_gate_ends_at_once(gate: GatePod) -> None:
    async with asyncio.timeout(1):
        await gate.gate.drain(30, 30)


async def test_a_bye_ends_a_drain_early(
    chat: ChatPod, gate: GatePod, new_device: NewDevice, chat_database: str
) -> None:
    talk = await chat.talk("ann", "bob")
    ann = await new_device(gate, "ann").hello()
    session = gate.gate._sessions["ann-1"]
    with Locked(chat_database):
        await ann.send(talk, "open")
        await until(lambda: session.sends_open == 1)
        draining = asyncio.create_task(gate.gate.drain(30, 20))
        await ann.wait("go_away")
        await ann.say(bye())
        assert await ann.ended() is grpc.StatusCode.OK
        await draining


# Nothing stays behind


async def test_after_a_storm_nothing_is_left(
    verify: Verify, chat: ChatPod, gate: GatePod, chat_database: str
) -> None:
    talk = await chat.talk("ann", "bob")
    tasks_before = len(asyncio.all_tasks())
    seen: weakref.WeakSet[Session] = weakref.WeakSet()
    open_session = gate.gate.open

    def watch(caller: Caller) -> Session:
        session = open_session(caller)
        seen.add(session)
        return session

    gate.gate.open = watch  # type: ignore[method-assign]

    async def visit(number: int) -> None:
        user = ("ann", "bob")[number % 2]
        device = Device(gate.target, verify.token(user, f"{user}-{number % 10}"))
        try:
            await device.say(device.hello_event())
            for _ in range(number % 4):
                await device.send(talk, "hello")
            if number % 3:
                await device.settle()
        except (grpc.aio.AioRpcError, EOFError, asyncio.InvalidStateError):
            assert number < 1_000
        finally:
            await device.close()

    for wave in range(4):
        await asyncio.gather(*(visit(wave * 25 + number) for number in range(25)))
    await until(lambda: not gate.gate._sessions)
    await until(lambda: not chat.links._routes)
    await until(lambda: not any(link.pending for link in gate.links.live()))
    assert gate.gate._by_user == {}
    assert gate.gate._waiting_syncs == {}
    await until(lambda: len(asyncio.all_tasks()) <= tasks_before)
    assert gate.gate._replaced == set()
    # The sweep remembers the last session that it looked at.
    await until(lambda: gc.collect() >= 0 and len(seen) <= 1)


async def test_the_route_table_is_right_after_any_order_of_coming_and_going(
    gate: GatePod, chat: ChatPod
) -> None:
    callers = [Caller(f"user{number % 5}", f"session{number % 15}") for number in range(300)]
    open_sessions: list[Session] = []
    for number, caller in enumerate(callers):
        open_sessions.append(gate.gate.open(caller))
        if number % 3 == 0:
            gate.gate.closed(open_sessions.pop(number * 7 % len(open_sessions)))
        if number % 20 == 0:
            await asyncio.sleep(0)
    await until(lambda: set(chat.links._routes) == set(gate.gate.user_ids()))
    for session in open_sessions:
        gate.gate.closed(session)
    assert gate.gate.user_ids() == []
    await until(lambda: chat.links._routes == {})
