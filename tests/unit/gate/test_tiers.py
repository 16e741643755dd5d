"""What a session gets of a large group: all while it shows it, else where the log ends."""

from hongyan.chat.v1 import link_pb2
from hongyan.gate.v1 import gate_pb2

from services.common.identity import Caller
from services.common.limits import Limit, LocalLimit
from services.gate.rules import Gate, Limits
from services.gate.session import Bounds


class Nothing:
    """No chat pods, and nobody who watches."""

    def choose(self, conversation_id):
        return None

    def live(self):
        return []

    def arrived(self, user_id):
        pass

    def left(self, user_id):
        pass

    def watch(self, session, user_ids):
        pass

    def forget(self, session):
        pass


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


def make_gate(clock):
    limit = LocalLimit(Limit("all", 1_000, 0.001), clock)
    return Gate(
        Nothing(),
        bounds=Bounds(100, 100_000),
        now=clock,
        watching=Nothing(),
        limits=Limits(limit, limit, limit, limit),
        idle_seconds=90,
        slow_seconds=10,
    )


def push(gate, users, seq, urgency, conversation_id="c"):
    frame = gate_pb2.ConnectResponse()
    frame.events.add().message.seq = seq
    gate.deliver(
        None,
        link_pb2.Delivery(
            user_ids=users,
            frame=frame.SerializeToString(),
            urgency=urgency,
            conversation_id=conversation_id,
            last_seq=seq,
        ),
    )


def taken(session):
    frame = gate_pb2.ConnectResponse.FromString(session.take())
    return [
        event.message.seq if event.HasField("message") else -event.head_moved.last_seq
        for event in frame.events
    ]


def open_sessions(gate, *users):
    sessions = [gate.open(Caller(user, user)) for user in users]
    for session in sessions:
        session.end_sync()
    return sessions


def test_who_shows_it_gets_messages_and_others_the_head():
    gate = make_gate(Clock())
    users = [f"user{number}" for number in range(500)]
    sessions = open_sessions(gate, *users)
    for session in sessions[:3]:
        session.focus = "c"
    sessions[3].focus = "another"
    push(gate, users, 7, link_pb2.URGENCY_FOCUS)
    assert [taken(session) for session in sessions] == [[7]] * 3 + [[-7]] * 497
    push(gate, users, 8, link_pb2.URGENCY_HEAD, "another")
    assert [taken(session) for session in sessions] == [[-8]] * 500


def test_heads_are_told_once_a_second_and_the_last_one_always():
    clock = Clock()
    gate = make_gate(clock)
    (session,) = open_sessions(gate, "ling")
    for seq in range(1, 6):
        push(gate, ["ling"], seq, link_pb2.URGENCY_HEAD)
        push(gate, ["ling"], seq + 10, link_pb2.URGENCY_HEAD, "another")
    assert taken(session) == [-1, -11]
    clock.now += 0.9
    session.tell_heads()
    assert taken(session) == []
    clock.now += 0.2
    session.tell_heads()
    assert taken(session) == [-5, -15]
    clock.now += 5
    session.tell_heads()
    assert taken(session) == []


def test_a_hint_is_left_out_when_something_waits():
    gate = make_gate(Clock())
    (session,) = open_sessions(gate, "ling")
    push(gate, ["ling"], 1, link_pb2.URGENCY_HINT)
    push(gate, ["ling"], 2, link_pb2.URGENCY_HINT)
    push(gate, ["ling"], 3, link_pb2.URGENCY_UNSPECIFIED)
    assert taken(session) == [1, 3]
    session.start_sync()
    push(gate, ["ling"], 4, link_pb2.URGENCY_HINT)
    session.end_sync()
    assert taken(session) == []
