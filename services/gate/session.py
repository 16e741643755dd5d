"""One device's session: a bounded queue of frames, and what is known of its pace."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hongyan.gate.v1 import gate_pb2
from hongyan.options.v1 import access_pb2
from prometheus_client import Counter

from services.common.identity import Caller
from services.gate import frames

# One write joins what is queued, up to this many bytes.
WRITE_BYTES = 256 * 1024

# A head that moves again within this time is told at its end.
HEAD_SECONDS = 1.0
REMEMBERED_HEADS = 100

NEED_SYNC = Counter("hongyan_gate_need_sync", "Times that pushes became one NeedSync.")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait for one device."""

    queue_frames: int
    queue_bytes: int


class Session:
    """What waits for one device, and its state.

    Answers and pushes are serialized frames; joined byte by byte they are one frame. Exactly
    one writer takes them. While `syncing`, pushes are held back so that the difference comes
    first; when too much waits, pushes are dropped and the device is told to sync instead.
    """

    # One for each idle device: without a dictionary it takes half the memory.
    __slots__ = (
        "__weakref__",
        "_bounds",
        "_held",
        "_held_bytes",
        "_queue",
        "_queue_bytes",
        "abort",
        "closing",
        "focus",
        "greeted",
        "heads",
        "heads_told_at",
        "heard_at",
        "hurried",
        "may_write",
        "now",
        "sends_open",
        "session_id",
        "sync_wanted",
        "synced_at",
        "syncing",
        "user_id",
        "wake",
        "writing_since",
    )

    def __init__(self, caller: Caller, bounds: Bounds, now: Callable[[], float]) -> None:
        self.user_id = caller.user_id
        self.session_id = caller.session_id
        self.may_write = caller.may(access_pb2.SCOPE_WRITE)
        self.now = now
        self.heard_at = now()
        self.writing_since: float | None = None
        self.closing = False
        self.hurried = False
        self.abort: Callable[[], object] = lambda: None
        self.greeted = False
        # From the very beginning: what is pushed before hello follows the first difference.
        self.syncing = True
        self.sync_wanted: gate_pb2.Sync | None = None
        self.synced_at = now()
        self.sends_open = 0
        # The conversation that the device shows.
        self.focus = ""
        # Heads to tell: conversation → the newest seq, and since when it may be told.
        self.heads: dict[str, int] = {}
        self.heads_told_at: dict[str, float] = {}
        self.wake = asyncio.Event()
        self._bounds = bounds
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._queue_bytes = 0
        self._held: list[bytes] = []
        self._held_bytes = 0

    def answer(self, frame: bytes) -> None:
        """Queues a frame that must not be dropped."""
        self._queue.append((frame, False))
        self._queue_bytes += len(frame)
        self.wake.set()

    def push(self, frame: bytes) -> None:
        """Queues a hint; when too much waits, hints become one NeedSync."""
        if self.syncing:
            if self._held_bytes + len(frame) <= self._bounds.queue_bytes:
                self._held.append(frame)
                self._held_bytes += len(frame)
            elif self._held != [frames.NEED_SYNC]:
                self._held, self._held_bytes = [frames.NEED_SYNC], self._bounds.queue_bytes
                NEED_SYNC.inc()
            return
        if (
            len(self._queue) >= self._bounds.queue_frames
            or self._queue_bytes + len(frame) > self._bounds.queue_bytes
        ):
            self.need_sync()
            return
        self._queue.append((frame, True))
        self._queue_bytes += len(frame)
        self.wake.set()

    def hint(self, frame: bytes) -> None:
        """Queues what is worth nothing later: left out when something else waits."""
        if not self.syncing and not self._queue:
            self.push(frame)

    def head_moved(self, conversation_id: str, last_seq: int) -> None:
        """Tells of a head, at most once a second for a conversation; the last one always goes."""
        self.heads[conversation_id] = max(last_seq, self.heads.get(conversation_id, 0))
        self.tell_heads()

    def tell_heads(self) -> None:
        """Tells of the heads that moved and whose time has come."""
        now = self.now()
        told = self.heads_told_at
        due = [id for id in self.heads if now - told.get(id, -HEAD_SECONDS) >= HEAD_SECONDS]
        for id in due:
            told[id] = now
            self.push(frames.head_moved(id, self.heads.pop(id)))
        if len(told) > REMEMBERED_HEADS:
            self.heads_told_at = {
                id: moment for id, moment in told.items() if now - moment < HEAD_SECONDS
            }

    def need_sync(self) -> None:
        """Drops the hints that wait and tells the device to sync."""
        if self._queue and self._queue[-1][0] is frames.NEED_SYNC:
            return
        NEED_SYNC.inc()
        kept = [item for item in self._queue if not item[1]]
        self._queue = deque(kept)
        self._queue.append((frames.NEED_SYNC, True))
        self._queue_bytes = sum(len(frame) for frame, _ in self._queue)
        self.wake.set()

    @property
    def full(self) -> bool:
        """Whether answers alone fill the queue: the device asks and does not read."""
        return self._queue_bytes > 2 * self._bounds.queue_bytes

    def start_sync(self) -> None:
        """Holds pushes back until the difference is queued."""
        self.syncing = True
        self.synced_at = self.now()

    def end_sync(self) -> None:
        """Lets the held pushes follow the difference."""
        self.syncing = False
        held, self._held, self._held_bytes = self._held, [], 0
        for frame in held:
            self.push(frame)

    def close(self, reason: gate_pb2.GoAwayReason.ValueType, reconnect_seconds: float) -> None:
        """Says go away; the writer ends the stream when that is written.

        A session that only moves to another gate gets its open sends answered first.
        """
        if not self.closing:
            self.answer(frames.go_away(reason, reconnect_seconds))
            self.closing = True
            self.hurried = reason != gate_pb2.GO_AWAY_REASON_DRAINING

    def finish(self) -> None:
        """Lets the writer end the stream as soon as the queue is empty."""
        self.closing = self.hurried = True
        self.wake.set()

    @property
    def done(self) -> bool:
        """Whether the stream shall end when the queue is empty."""
        return self.closing and (self.hurried or self.sends_open == 0)

    def take(self) -> bytes:
        """Takes what is queued as one frame; empty when nothing waits."""
        queue = self._queue
        if len(queue) == 1:
            self._queue_bytes = 0
            return queue.popleft()[0]
        parts: list[bytes] = []
        size = 0
        while queue and (not parts or size + len(queue[0][0]) <= WRITE_BYTES):
            frame, _ = queue.popleft()
            parts.append(frame)
            size += len(frame)
        self._queue_bytes -= size
        return b"".join(parts)
