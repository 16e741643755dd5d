"""The outbox: what this device has written goes out in order, and again until it is settled.

Every conversation is a lane. A lane has `in_flight` messages on their way at most (one by
default), and starts the next when the ack of an earlier one comes. After trouble, a cut or a
refusal, a lane goes back to the earliest message that is not settled and sends one at a time
until all that had been tried before are settled: whatever of them the server holds already is
answered with the same seq, so nothing can overtake.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hongyan_client.cache import Cache
from hongyan_client.errors import ServerError
from hongyan_client.model import Message, MessageKind, MessageState

ACK_SECONDS = 30.0
MAX_IN_FLIGHT = 256
LONGEST_RETRY_SECONDS = 20.0


class Timer(Protocol):
    """What a call_later returns."""

    def cancel(self) -> None:
        """Stops the call."""
        ...


CallLater = Callable[[float, Callable[[], None]], Timer]


@dataclass(slots=True)
class _Lane:
    """One conversation's messages that are not settled, in order."""

    conversation_id: str
    waiting: deque[str] = field(default_factory=deque)
    flying: deque[str] = field(default_factory=deque)
    tried: set[str] = field(default_factory=set)
    """Sent at least once, outcome unknown; while there is one, only one flies at a time."""
    careful: bool = False
    refusals: int = 0
    ack_timer: Timer | None = None
    """Runs while something flies."""
    paused: bool = False
    """A refusal asked to wait; what flies is awaited first, then the delay."""
    paused_seconds: float = 0.0
    retry_timer: Timer | None = None


class Outbox:
    """Sends what the cache's outbox holds. Only calls and timers: it owns no task.

    `transmit` hands a message to the stream and returns whether it took it; `changed` is told
    of a message that is refused for good.
    """

    def __init__(
        self,
        cache: Cache,
        transmit: Callable[[Message], bool],
        changed: Callable[[Message], None],
        call_later: CallLater,
        *,
        in_flight: int = 1,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._cache = cache
        self._transmit = transmit
        self._changed = changed
        self._call_later = call_later
        self._in_flight = in_flight
        self._jitter = jitter
        self._lanes: dict[str, _Lane] = {}
        self._lane_of: dict[str, _Lane] = {}
        self._flying = 0
        self._starved: deque[_Lane] = deque()
        self._connected = False
        self.load()

    def load(self) -> None:
        """Takes up what the disk holds and this outbox does not know yet."""
        for message in self._cache.outbox():
            if message.state is MessageState.SENDING:
                self._enqueue(message)

    def __len__(self) -> int:
        return len(self._lane_of)

    def _enqueue(self, message: Message) -> _Lane:
        lane = self._lanes.get(message.conversation_id)
        if lane is None:
            lane = self._lanes[message.conversation_id] = _Lane(message.conversation_id)
        if message.client_message_id not in self._lane_of:
            self._lane_of[message.client_message_id] = lane
            lane.waiting.append(message.client_message_id)
        return lane

    def add(self, message: Message) -> None:
        """Takes up a message that the cache's outbox has on disk, and sends when it may."""
        self._pump(self._enqueue(message))

    def connected(self) -> None:
        """A stream is open: everything unsettled goes out, in order."""
        self._connected = True
        # Another process of this profile may have left something since.
        self.load()
        for lane in list(self._lanes.values()):
            self._pump(lane)

    def disconnected(self) -> None:
        """The stream is gone: what was on its way may be stored or not."""
        self._connected = False
        self._starved.clear()
        for lane in self._lanes.values():
            self._land(lane)
            _stop(lane.retry_timer)
            lane.retry_timer = None
            lane.paused = False
            lane.paused_seconds = 0.0

    def settled(self, client_message_id: str) -> None:
        """A message is stored: by ack or by echo, whichever comes first."""
        lane = self._remove(client_message_id)
        if lane is not None:
            lane.refusals = 0
            self._go_on(lane)

    def refused(self, client_message_id: str, error: ServerError) -> None:
        """A message was not stored, or that is not known: later again, or never."""
        lane = self._lane_of.get(client_message_id)
        if lane is None or client_message_id not in lane.flying:
            return
        if error.retry_delay is None:
            self._remove(client_message_id)
            self._cache.set_failure(client_message_id, error.reason or "REFUSED")
            message = self._cache.in_outbox(client_message_id)
            if message is not None:
                if message.kind is not MessageKind.TEXT:
                    self._cache.discard(client_message_id)  # there is nothing to show or resend
                self._changed(message)
        else:
            # Those that flew together are refused together: that counts as one.
            lane.refusals += not lane.paused
            lane.flying.remove(client_message_id)
            self._flying -= 1
            lane.waiting.append(client_message_id)
            self._sort(lane)
            # Those behind it may still be stored; nothing new leaves until the lane is clean.
            lane.careful = True
            lane.paused = True
            # The server's delay is the least; who is refused again and again waits longer.
            backoff = min(LONGEST_RETRY_SECONDS, 0.2 * 2 ** min(lane.refusals, 10))
            spread = self._jitter()
            delay = max(error.retry_delay * (1 + 0.1 * spread), spread * backoff)
            lane.paused_seconds = max(lane.paused_seconds, delay)
        self._go_on(lane)

    def resend(self, client_message_id: str) -> Message | None:
        """Tries a failed message again under the same id, behind what is waiting."""
        message = self._cache.in_outbox(client_message_id)
        if message is None or message.state is not MessageState.FAILED:
            return None
        self._cache.set_failure(client_message_id, "")
        message = self._cache.in_outbox(client_message_id)
        assert message is not None
        self.add(message)
        return message

    def close(self) -> None:
        """Stops every timer."""
        self.disconnected()

    def _go_on(self, lane: _Lane) -> None:
        """Does what comes next after a message of the lane has landed or left."""
        _stop(lane.ack_timer)
        lane.ack_timer = None
        if lane.flying:
            self._await_ack(lane)
        elif lane.paused and lane.retry_timer is None:
            delay, lane.paused_seconds = lane.paused_seconds, 0.0
            lane.retry_timer = self._call_later(delay, lambda: self._resume(lane))
        self._pump(lane)
        if not lane.waiting and not lane.flying:
            _stop(lane.retry_timer)
            self._lanes.pop(lane.conversation_id, None)
        self._feed()

    def _remove(self, client_message_id: str) -> _Lane | None:
        lane = self._lane_of.pop(client_message_id, None)
        if lane is None:
            return None
        lane.tried.discard(client_message_id)
        if client_message_id in lane.flying:
            lane.flying.remove(client_message_id)
            self._flying -= 1
        else:
            lane.waiting.remove(client_message_id)
        return lane

    def _pump(self, lane: _Lane) -> None:
        """Sends as many of the lane as may fly."""
        while self._connected and lane.waiting and not lane.paused:
            lane.careful = lane.careful and bool(lane.tried)
            if len(lane.flying) >= (1 if lane.careful else self._in_flight):
                return
            message = self._cache.in_outbox(lane.waiting[0])
            if message is None or message.state is not MessageState.SENDING:
                # Another process of this profile has settled or dropped it.
                gone = lane.waiting.popleft()
                lane.tried.discard(gone)
                self._lane_of.pop(gone, None)
                continue
            if self._flying >= MAX_IN_FLIGHT or not self._transmit(message):
                if lane not in self._starved:
                    self._starved.append(lane)
                return
            lane.flying.append(lane.waiting.popleft())
            lane.tried.add(message.client_message_id)
            self._flying += 1
            if lane.ack_timer is None:
                self._await_ack(lane)

    def _feed(self) -> None:
        """Lets lanes go on that waited for room."""
        for _ in range(len(self._starved)):
            if self._flying >= MAX_IN_FLIGHT:
                return
            self._pump(self._starved.popleft())

    def _await_ack(self, lane: _Lane) -> None:
        lane.ack_timer = self._call_later(ACK_SECONDS, lambda: self._overdue(lane))

    def _overdue(self, lane: _Lane) -> None:
        """No ack came: it is not known whether the lane's messages are stored."""
        self._land(lane)
        self._go_on(lane)

    def _land(self, lane: _Lane) -> None:
        """Puts what flies back in front, in order."""
        _stop(lane.ack_timer)
        lane.ack_timer = None
        if lane.flying:
            self._flying -= len(lane.flying)
            lane.waiting.extend(lane.flying)
            lane.flying.clear()
            self._sort(lane)
        lane.careful = bool(lane.tried)

    def _sort(self, lane: _Lane) -> None:
        """Restores the order in which the messages were written."""
        ids = [it.client_message_id for it in self._cache.outbox(lane.conversation_id)]
        place = {client_message_id: number for number, client_message_id in enumerate(ids)}
        lane.waiting = deque(sorted(lane.waiting, key=lambda it: place.get(it, -1)))

    def _resume(self, lane: _Lane) -> None:
        lane.retry_timer = None
        lane.paused = False
        self._pump(lane)


def _stop(timer: Timer | None) -> None:
    if timer is not None:
        timer.cancel()
