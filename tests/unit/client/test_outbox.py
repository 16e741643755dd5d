"""The outbox: in order, one id for ever, whatever is cut, refused or late."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hongyan_client.cache import Cache
from hongyan_client.errors import ServerError
from hongyan_client.model import Message, MessageState
from hongyan_client.outbox import ACK_SECONDS, Outbox


class Clock:
    """Timers that run when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None], list[bool]]] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> "Handle":
        cancelled: list[bool] = []
        self.timers.append((self.now + delay, call, cancelled))
        return Handle(cancelled)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [it for it in self.timers if it[0] <= self.now]
        self.timers = [it for it in self.timers if it[0] > self.now]
        for _, call, cancelled in due:
            if not cancelled:
                call()


class Handle:
    def __init__(self, cancelled: list[bool]) -> None:
        self._cancelled = cancelled

    def cancel(self) -> None:
        self._cancelled.append(True)


class Device:
    """An outbox over a real cache, and the wire that it writes to."""

    def __init__(self, home: Path, in_flight: int = 1) -> None:
        self.cache = Cache(home / "cache.sqlite", "me")
        self.clock = Clock()
        self.wire: list[str] = []
        self.room = True
        self.failed: list[Message] = []
        self.outbox = Outbox(
            self.cache,
            self._transmit,
            self.failed.append,
            self.clock.call_later,
            in_flight=in_flight,
            jitter=lambda: 0.0,
        )

    def _transmit(self, message: Message) -> bool:
        if self.room:
            self.wire.append(message.client_message_id)
        return self.room

    def write(self, client_message_id: str, conversation_id: str = "c") -> None:
        message = Message(
            conversation_id, 0, "me", client_message_id, "x",
            datetime.fromtimestamp(0, UTC), MessageState.SENDING,
        )  # fmt: skip
        self.cache.add_to_outbox(message)
        self.outbox.add(message)

    def ack(self, client_message_id: str) -> None:
        self.cache.discard(client_message_id)
        self.outbox.settled(client_message_id)

    def take(self) -> list[str]:
        wire, self.wire = self.wire, []
        return wire


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    it = Device(tmp_path)
    yield it
    it.cache.close()


BUSY = ServerError(8, "BUSY", retry_delay=1.0)
DENIED = ServerError(7, "NOT_A_MEMBER")


def test_one_flies_at_a_time_in_each_conversation(device: Device) -> None:
    for number in range(3):
        device.write(f"a{number}", "a")
    device.write("b0", "b")
    assert device.take() == []
    device.outbox.connected()
    assert device.take() == ["a0", "b0"]
    device.ack("a0")
    assert device.take() == ["a1"]


def test_after_a_cut_what_flew_goes_first_again(device: Device) -> None:
    device.outbox.connected()
    device.write("0")
    device.write("1")
    device.outbox.disconnected()
    device.write("2")
    device.outbox.connected()
    device.ack("0")
    device.ack("1")
    assert device.take() == ["0", "0", "1", "2"]


def test_a_late_ack_is_waited_for_and_then_tried_again(device: Device) -> None:
    device.outbox.connected()
    device.write("0")
    device.clock.advance(ACK_SECONDS - 1)
    assert device.take() == ["0"]
    device.clock.advance(1)
    assert device.take() == ["0"]


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(device: Device) -> None:
    device.outbox.connected()
    device.write("0")
    device.write("1")
    device.outbox.refused("0", BUSY)
    device.clock.advance(0.9)
    assert device.take() == ["0"]
    device.clock.advance(0.2)
    assert device.take() == ["0"]


def test_a_refused_message_fails_and_lets_the_next_go(device: Device) -> None:
    device.outbox.connected()
    device.write("0")
    device.write("1")
    device.outbox.refused("0", DENIED)
    assert [it.failure for it in device.failed] == ["NOT_A_MEMBER"]
    assert device.take() == ["0", "1"]
    device.ack("1")
    assert device.outbox.resend("0") is not None
    assert device.take() == ["0"]


def test_a_full_stream_is_tried_again_when_something_is_settled(device: Device) -> None:
    device.outbox.connected()
    device.write("a", "a")
    device.room = False
    device.write("b", "b")
    device.room = True
    device.ack("a")
    assert device.take() == ["a", "b"]


def test_what_another_process_settled_is_skipped(device: Device) -> None:
    device.write("0")
    device.write("1")
    device.cache.discard("0")
    device.outbox.connected()
    assert device.take() == ["1"]


def test_a_new_start_takes_up_what_the_disk_holds(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.write("0")
    device.write("1")
    device.cache.close()
    again = Device(tmp_path)
    again.outbox.connected()
    assert again.take() == ["0"]
    again.cache.close()


class Server:
    """Stores in the order of arrival, once for each id: what the contract promises."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def store(self, client_message_id: str) -> None:
        if client_message_id not in self.log:
            self.log.append(client_message_id)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 6),
    st.lists(
        st.tuples(
            st.sampled_from(["write", "store", "ack", "cut", "busy", "wait"]), st.integers(0, 5)
        ),
        min_size=1,
        max_size=60,
    ),
)
def test_nothing_overtakes_and_nothing_is_lost(
    in_flight: int, steps: list[tuple[str, int]]
) -> None:
    """The stream keeps order: the server stores a prefix of what was written to it. A cut loses
    the rest, a refusal with delay refuses everything that is on its way behind it too.
    """
    with tempfile.TemporaryDirectory() as home:
        device, server = Device(Path(home), in_flight), Server()
        written: list[str] = []
        acks: list[str] = []
        device.outbox.connected()

        def store(count: int) -> None:
            for _ in range(min(count, len(device.wire))):
                client_message_id = device.wire.pop(0)
                server.store(client_message_id)
                acks.append(client_message_id)

        def ack(count: int) -> None:
            for _ in range(min(count, len(acks))):
                device.ack(acks.pop(0))

        for kind, count in steps:
            if kind == "write":
                written.append(f"{len(written)}")
                device.write(written[-1])
            elif kind == "store":
                store(count)
            elif kind == "ack":
                ack(count)
            elif kind == "cut":
                acks.clear()
                device.wire.clear()
                device.outbox.disconnected()
                device.outbox.connected()
            elif kind == "busy":
                for client_message_id in device.take():
                    device.outbox.refused(client_message_id, BUSY)
            else:
                device.clock.advance(float(count))
        for _ in range(3 * len(written) + 3):
            store(99)
            ack(99)
            device.clock.advance(40.0)
        assert server.log == written
        assert len(device.outbox) == 0
        device.cache.close()
