"""One device's queue: bounded, ordered, hints give way and answers never."""

import pytest
from hongyan.gate.v1 import gate_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.common.identity import Caller
from services.gate import frames
from services.gate.session import WRITE_BYTES, Bounds, Session

Reason = gate_pb2.GoAwayReason


def new_session(queue_frames: int = 10, queue_bytes: int = 10_000) -> Session:
    session = Session(Caller("ann", "session-1"), Bounds(queue_frames, queue_bytes), lambda: 0.0)
    session.start_sync()
    session.end_sync()
    return session


def pong(nonce: int) -> bytes:
    return frames.pong(nonce)


def drain(session: Session) -> list[str]:
    """Takes all that waits; returns the kinds, with the nonce of pongs."""
    found = []
    while frame := session.take():
        for event in gate_pb2.ConnectResponse.FromString(frame).events:
            kind = event.WhichOneof("event") or ""
            found.append(str(event.pong.nonce) if kind == "pong" else kind)
    return found


def test_what_waits_leaves_as_one_frame_in_order() -> None:
    session = new_session()
    for nonce in (1, 2, 3):
        session.answer(pong(nonce)) if nonce == 2 else session.push(pong(nonce))
    frame = session.take()
    assert [event.pong.nonce for event in gate_pb2.ConnectResponse.FromString(frame).events] == [
        1,
        2,
        3,
    ]
    assert session.take() == b""


def test_too_many_hints_become_one_need_sync_and_answers_stay() -> None:
    session = new_session(queue_frames=4)
    session.push(pong(1))
    session.answer(pong(2))
    for nonce in range(3, 20):
        session.push(pong(nonce))
    session.answer(pong(20))
    kinds = drain(session)
    assert kinds.count("need_sync") == 1
    assert [kind for kind in kinds if kind in ("2", "20")] == ["2", "20"]
    session.push(pong(21))
    assert drain(session) == ["21"]


def test_a_hint_larger_than_the_queue_becomes_need_sync() -> None:
    session = new_session(queue_bytes=100)
    session.push(b"x" * 101)
    assert drain(session) == ["need_sync"]


def test_hints_wait_while_a_sync_is_open() -> None:
    session = new_session()
    session.start_sync()
    session.push(pong(2))
    session.answer(pong(1))
    assert drain(session) == ["1"]
    session.end_sync()
    assert drain(session) == ["2"]


def test_a_new_session_holds_hints_until_its_first_difference() -> None:
    session = Session(Caller("ann", "session-1"), Bounds(10, 1_000), lambda: 0.0)
    session.push(pong(1))
    assert drain(session) == []


def test_too_much_held_becomes_need_sync_after_the_difference() -> None:
    session = new_session(queue_bytes=100)
    session.start_sync()
    for nonce in range(200):
        session.push(pong(nonce))
    session.answer(pong(1_000))
    session.end_sync()
    assert drain(session) == ["1000", "need_sync"]


def test_many_small_held_hints_are_bounded_by_their_number_too() -> None:
    session = new_session(queue_frames=5)
    session.start_sync()
    for nonce in range(20):
        session.push(pong(nonce))
    session.end_sync()
    kinds = drain(session)
    assert kinds[0] == "need_sync"
    assert len(kinds) <= 5


def test_good_bye_is_said_once() -> None:
    session = new_session()
    session.close(Reason.GO_AWAY_REASON_IDLE, 0)
    session.close(Reason.GO_AWAY_REASON_TOO_SLOW, 0)
    assert session.done
    assert drain(session) == ["go_away"]


def test_a_draining_session_waits_for_its_answers() -> None:
    session = new_session()
    session.sends_open = 1
    session.close(Reason.GO_AWAY_REASON_DRAINING, 1)
    assert not session.done
    session.sends_open = 0
    assert session.done


def test_a_session_that_ends_for_good_does_not_wait() -> None:
    for reason in (
        Reason.GO_AWAY_REASON_REPLACED,
        Reason.GO_AWAY_REASON_SESSION_ENDED,
        Reason.GO_AWAY_REASON_TOO_SLOW,
        Reason.GO_AWAY_REASON_IDLE,
    ):
        session = new_session()
        session.sends_open = 1
        session.close(reason, 0)
        assert session.done


def test_a_good_bye_overtakes_a_drain() -> None:
    session = new_session()
    session.sends_open = 1
    session.close(Reason.GO_AWAY_REASON_DRAINING, 1)
    session.finish()
    assert session.done


@given(
    sizes=st.lists(st.integers(1, WRITE_BYTES // 2) | st.integers(1, 100), max_size=40),
)
def test_writes_are_bounded_and_lose_nothing(sizes: list[int]) -> None:
    session = new_session(1_000, 100 * WRITE_BYTES)
    for place, size in enumerate(sizes):
        session.answer(bytes([place]) * size)
    taken = []
    while frame := session.take():
        assert len(frame) <= WRITE_BYTES
        taken.append(frame)
    assert b"".join(taken) == b"".join(bytes([place]) * size for place, size in enumerate(sizes))
    assert session._queue_bytes == 0


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["push", "answer"]), st.integers(1, 60)),
        st.tuples(st.sampled_from(["take", "start", "end", "need"]), st.just(0)),
    ),
    max_size=60,
)


@given(steps=steps)
def test_whatever_happens_memory_is_bounded_and_no_hint_goes_missing_unsaid(
    steps: list[tuple[str, int]],
) -> None:
    bounds = Bounds(queue_frames=6, queue_bytes=200)
    session = new_session(bounds.queue_frames, bounds.queue_bytes)
    pushed: list[int] = []
    told: list[str] = []
    answers = nonce = 0
    for kind, _ in steps:
        if kind == "push":
            nonce += 1
            pushed.append(nonce)
            session.push(pong(nonce))
        elif kind == "answer":
            answers += 1
            session.answer(frames.pong(-1))
        elif kind == "take":
            told += drain(session)
        elif kind == "start":
            session.start_sync()
        elif kind == "end":
            session.end_sync()
        else:
            session.need_sync()
        hints = [frame for frame, is_hint in session._queue if is_hint]
        assert len(hints) <= bounds.queue_frames + 1
        assert sum(map(len, hints)) <= bounds.queue_bytes + len(frames.NEED_SYNC)
        assert session._queue_bytes == sum(len(frame) for frame, _ in session._queue)
        assert sum(map(len, session._held)) <= bounds.queue_bytes
    session.end_sync()
    told += drain(session)
    assert told.count("-1") == answers
    numbers = [int(word) for word in told if word not in ("need_sync", "-1")]
    assert numbers == sorted(set(numbers))
    # Between two hints that arrived, what is missing was announced by a NeedSync.
    expected = 1
    announced = False
    for word in told:
        if word == "need_sync":
            announced = True
        elif word != "-1":
            assert int(word) == expected or announced
            expected = int(word) + 1
            announced = False
    assert expected == nonce + 1 or announced


@pytest.mark.parametrize("count", [1, 2, 50])
def test_answers_alone_that_nobody_reads_make_the_session_full(count: int) -> None:
    session = new_session(queue_bytes=100)
    for _ in range(count):
        session.answer(b"x" * 5)
    assert session.full is (count * 5 > 200)
