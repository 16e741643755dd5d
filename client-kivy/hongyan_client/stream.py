"""One live session stream: frames out by a single writer, events in, pings, and a good-bye.

It keeps nothing: no cache, no reconnect. The client builds on it, the load test uses it bare.

    async with Stream(channel, token) as stream:
        welcome = await stream.open(gate_pb2.Sync())
        stream.send(event)
        async for event in stream:
            ...
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from grpclib.exceptions import StreamTerminatedError
from grpclib.stream import recv_message
from hongyan.gate.v1 import gate_grpc, gate_pb2

from hongyan_client.channel import Absorbing, Channel, bearer, wake_once
from hongyan_client.errors import (
    TRANSPORT_ERRORS,
    NoConnection,
    QueueFull,
    WentAway,
    seconds,
)
from hongyan_client.frames import encode_event, take_frame

QUEUE_EVENTS = 8_192
QUEUE_BYTES = 8 * 1024 * 1024
OPEN_SECONDS = 15.0
CLOSE_SECONDS = 1.0


class Stream:
    """One stream of one device.

    One task may read (`receive`, or iteration); any may send. A server that says nothing for
    two thirds of the idle timeout, not even Pong, counts as lost: reading raises NoConnection.
    """

    def __init__(
        self,
        channel: Channel,
        token: str,
        *,
        queue_events: int = QUEUE_EVENTS,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._channel = channel
        self._token = token
        self._queue_events = queue_events
        self._queue_bytes = queue_bytes
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._ready = asyncio.Event()
        self._has_room = asyncio.Event()
        self._flushed = asyncio.Event()
        self._ended = asyncio.Event()
        self._call: Any = None
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._nonce = 0
        self._closing = False
        self._reading = False
        self._was_reset = False
        self.welcome: gate_pb2.Welcome | None = None
        self.frames_sent = 0
        self.frames_received = 0
        self._early: deque[gate_pb2.ServerEvent] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self, sync: gate_pb2.Sync, *, timeout: float = OPEN_SECONDS) -> gate_pb2.Welcome:
        """Connects, says Hello with what the device has, and returns the server's Welcome.

        Raises ServerError (Unauthenticated with a token that no longer works), NoConnection,
        WentAway and DeadlineExceeded. Events that came with the Welcome are read next.
        """
        stub = gate_grpc.GateServiceStub(self._channel.grpc)
        with Absorbing():
            async with asyncio.timeout(timeout):
                self._call = stub.Connect.open(metadata=bearer(self._token))
                await self._call.__aenter__()
                wake_once(self._call)
                await self._call.send_request()
                self.send(gate_pb2.ClientEvent(hello=gate_pb2.Hello(sync=sync)))
                self._writer = asyncio.create_task(self._write(), name="stream writer")
                events = deque((await self._receive()).events)
        first = events.popleft() if events else gate_pb2.ServerEvent()
        if first.HasField("go_away"):
            away = first.go_away
            raise WentAway(away.reason, seconds(away.reconnect_after))
        if not first.HasField("welcome"):
            raise NoConnection(14, "NO_WELCOME", "the server's first event is no Welcome")
        self.welcome = first.welcome
        self._early = events
        self._keep_alive(seconds(first.welcome.idle_timeout))
        return first.welcome

    def send(self, event: gate_pb2.ClientEvent) -> None:
        """Queues an event; all that is queued leaves in as few frames as the limits allow.

        Raises QueueFull, and ValueError for an event that fits in no frame.
        """
        encoded = encode_event(event)
        if (
            len(self._queue) >= self._queue_events
            or self._queued_bytes + len(encoded) > self._queue_bytes
        ):
            raise QueueFull(f"{len(self._queue)} events wait to be written")
        self._queue.append(encoded)
        self._queued_bytes += len(encoded)
        self._flushed.clear()
        self._ready.set()

    async def room(self) -> None:
        """Waits until half of the queue is free; raises NoConnection when the stream ends."""
        while len(self._queue) * 2 > self._queue_events or (
            self._queued_bytes * 2 > self._queue_bytes
        ):
            if self._ended.is_set():
                raise NoConnection(14, "NO_CONNECTION", "the stream has ended")
            self._has_room.clear()
            await self._has_room.wait()

    async def receive(self) -> gate_pb2.ConnectResponse | None:
        """Returns the next frame; None when the server has ended the stream in good order.

        Raises ServerError when it ended with a status, and NoConnection when it was cut.
        """
        if self._early:
            frame = gate_pb2.ConnectResponse(events=self._early)
            self._early.clear()
            return frame
        with Absorbing():
            self._reading = True
            try:
                frame = await self._receive()
            finally:
                self._reading = False
            if frame.events:
                return frame
            if self._was_reset:
                return None
            with contextlib.suppress(*TRANSPORT_ERRORS):
                # grpclib gives the status only to a caller that has ended its own side.
                if not self._call._end_done:
                    await self._call.end()
            await self._call.recv_trailing_metadata()
            return None

    async def __aiter__(self) -> AsyncIterator[gate_pb2.ServerEvent]:
        while (frame := await self.receive()) is not None:
            for event in frame.events:
                yield event

    def abort(self, why: str) -> None:
        """Ends the stream at once, without a good-bye; a reader gets NoConnection."""
        if self._call is not None:
            # grpclib's own way to wake whoever waits inside the call, reader and writer.
            self._call._wrapper.cancel(StreamTerminatedError(why))
        self._end()

    async def close(self) -> None:
        """Writes what is queued and Bye, then ends the stream; never raises on a broken one."""
        if self._closing:
            return
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._call is None:
            return
        try:
            if self._writer is not None and not self._ended.is_set():
                with contextlib.suppress(TimeoutError, NoConnection, QueueFull):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await self._say_bye()
        finally:
            await self._release()

    async def _say_bye(self) -> None:
        """Flushes, says Bye and waits until the server has ended its side too."""
        self.send(gate_pb2.ClientEvent(bye=gate_pb2.Bye()))
        await self._flushed.wait()
        with Absorbing():
            await self._call.end()
            if self._reading:
                await self._ended.wait()
                return
            while (await self._receive()).events:
                pass

    async def _release(self) -> None:
        """Stops the writer and gives the HTTP/2 stream back."""
        self._end()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        if not self._call._send_request_done:
            return
        # grpclib's exit would wait for the server's trailers unless the call is cancelled.
        self._call._cancel_done = True
        with contextlib.suppress(*TRANSPORT_ERRORS):
            await self._call.__aexit__(None, None, None)

    async def _receive(self) -> gate_pb2.ConnectResponse:
        """Reads a frame; one without events stands for the end of the stream."""
        loop = asyncio.get_running_loop()
        try:
            while (frame := await self._next()) is not None:
                self._heard = loop.time()
                self.frames_received += 1
                if frame.events:
                    return frame
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                self._end()
            raise
        self._end()
        return gate_pb2.ConnectResponse()

    async def _next(self) -> gate_pb2.ConnectResponse | None:
        """Reads a frame off the wire, and what lies in the buffer when the stream was reset.

        A server that ends a stream resets it too, since this side is still open. grpclib then
        forgets what it has not handed out: the GoAway that says why, and the status.
        """
        call = self._call
        frame: gate_pb2.ConnectResponse | None
        if not self._was_reset:
            try:
                with Absorbing():
                    frame = await call.recv_message()
                    return frame
            except NoConnection:
                if not call._send_request_done:
                    raise
                raw = call._stream
                if raw.trailers is None:
                    # A status without any frame stands in the headers.
                    call._maybe_raise()
                    raise
                self._was_reset = True
        frame = await recv_message(call._stream, call._codec, gate_pb2.ConnectResponse)
        if frame is None:
            call._maybe_raise()
        return frame

    async def _write(self) -> None:
        """Writes frames as long as there is something to write. The only writer."""
        try:
            while True:
                await self._ready.wait()
                while self._queue:
                    frame = take_frame(self._queue)
                    self._queued_bytes -= len(frame)
                    await self._call.send_message(frame)
                    self.frames_sent += 1
                    self._has_room.set()
                self._ready.clear()
                self._flushed.set()
        except TRANSPORT_ERRORS as error:
            # The reader reports how the stream ended; it must not wait for ever.
            self.abort(f"writing failed: {error}")

    def _keep_alive(self, idle_seconds: float) -> None:
        """Pings three times in each idle timeout, by a timer: a task for each stream costs more."""
        if idle_seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        interval = idle_seconds / 3
        self._heard = loop.time()

        def beat() -> None:
            if self._ended.is_set():
                return
            if loop.time() - self._heard > 2 * interval:
                self.abort("the server is silent")
                return
            self.ping()
            self._timer = loop.call_later(interval, beat)

        self._timer = loop.call_later(interval, beat)

    def ping(self) -> int:
        """Sends a Ping and returns its number; a full queue needs no ping."""
        self._nonce += 1
        with contextlib.suppress(QueueFull):
            self.send(gate_pb2.ClientEvent(ping=gate_pb2.Ping(nonce=self._nonce)))
        return self._nonce

    def _end(self) -> None:
        """Marks the stream as ended, and wakes whoever waits for room."""
        self._ended.set()
        self._has_room.set()
        if self._timer is not None:
            self._timer.cancel()
