"""The session stream: frames of bytes in and out; one reader for each device, and its writer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from hongyan.gate.v1 import gate_pb2
from opentelemetry import propagate, trace

from services.common.contract import validate
from services.common.errors import AppError, Invalid, Unavailable
from services.common.identity import Caller, caller
from services.common.tokens import Trust
from services.gate import frames
from services.gate.rules import Gate
from services.gate.session import Session

MAX_FRAME_BYTES = 256 * 1024
TOO_SLOW = "TOO_SLOW"

log = structlog.get_logger()


class GateService:
    """gate.v1.GateService, registered by `handlers` to take and give raw bytes.

    Raw, because a frame that is too large must be refused without ending the stream, and
    because frames for devices arrive serialized and are written as they are.
    """

    def __init__(
        self,
        gate: Gate,
        trust: Trust,
        admit: Callable[[Caller], Awaitable[None]],
        idle_seconds: float,
    ) -> None:
        self._gate = gate
        self._trust = trust
        self._admit = admit
        self._idle_seconds = idle_seconds
        self._tracer = trace.get_tracer("hongyan.gate")

    def handlers(self) -> grpc.GenericRpcHandler:
        """Returns what registers the service."""
        return grpc.method_handlers_generic_handler(
            "hongyan.gate.v1.GateService",
            {"Connect": grpc.stream_stream_rpc_method_handler(self.Connect)},
        )

    async def Connect(self, request_iterator: AsyncIterator[bytes], context: Any) -> None:
        await self._admit(caller())
        # Its end may have been told while the limit was asked, when there was no stream to close.
        self._trust.check_session(caller())
        session = self._gate.open(caller())
        session.answer(frames.welcome(session.session_id, self._idle_seconds))
        reader = asyncio.create_task(self._read(session, request_iterator))
        # The call's own task writes: a third task would take 2 KB of each idle device.
        call = asyncio.current_task()
        assert call
        session.abort = partial(call.cancel, TOO_SLOW)
        try:
            await self._write(session, context)
        except asyncio.CancelledError as error:
            if error.args != (TOO_SLOW,):
                raise
            # As an error: a call that is cancelled would leave the device without an end.
            call.uncancel()
            raise Unavailable(
                TOO_SLOW, "the device did not read for too long", retry_seconds=1
            ) from None
        finally:
            self._gate.closed(session)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _write(self, session: Session, context: Any) -> None:
        """Writes what is queued, all of it in one frame, until the session closes."""
        while True:
            await session.wake.wait()
            session.wake.clear()
            while frame := session.take():
                session.writing_since = session.now()
                await context.write(frame)
                session.writing_since = None
            if session.done:
                return

    async def _read(self, session: Session, request_iterator: AsyncIterator[bytes]) -> None:
        try:
            async for data in request_iterator:
                session.heard_at = session.now()
                if session.hurried:
                    break
                self._take(session, data)
        except Exception as error:
            log.error("session.failed", exc_info=error)
        finally:
            session.finish()

    def _take(self, session: Session, data: bytes) -> None:
        """Does what a frame says."""
        try:
            frame = _parse(data)
        except AppError as error:
            session.answer(frames.frame_refused(error))
            return
        try:
            validate(frame)
        except Invalid:
            # Somewhere in it something is wrong: what is right is done all the same.
            sound = [event for event in frame.events if self._is_sound(session, event)]
        else:
            sound = list(frame.events)
        traceparent = self._trace(frame) if 0 < len(frame.traceparent) <= 64 else ""
        for event in sound:
            kind = event.WhichOneof("event")
            if session.closing and kind != "bye":
                continue  # it was told to go, and says the rest elsewhere
            if (kind == "hello") is session.greeted:
                word = "comes once" if session.greeted else "comes first"
                problem = Invalid("HELLO_EXPECTED", f"hello {word}", fields={"events": word})
                session.answer(frames.frame_refused(problem))
            elif kind == "send":
                self._gate.send(session, event.send, traceparent)
            else:
                self._do(session, kind, event)

    def _do(self, session: Session, kind: str | None, event: gate_pb2.ClientEvent) -> None:
        """Does what an event other than a send asks for."""
        match kind:
            case "read":
                self._gate.read(session, event.read)
            case "received":
                self._gate.received(session, event.received)
            case "typing":
                self._gate.typing(session, event.typing)
            case "watch":
                self._gate.watch(session, event.watch.user_ids)
            case "focus":
                session.focus = event.focus.conversation_id
            case "ping":
                session.answer(frames.pong(event.ping.nonce))
            case "sync":
                self._gate.sync(session, event.sync)
            case "bye":
                session.finish()
            case "hello":
                self._gate.hello(session, event.hello.sync)

    def _is_sound(self, session: Session, event: gate_pb2.ClientEvent) -> bool:
        try:
            validate(event)
        except Invalid as error:
            send = event.send
            if event.WhichOneof("event") == "send" and len(send.client_message_id) <= 64:
                session.answer(
                    frames.send_refused(send.conversation_id[:64], send.client_message_id, error)
                )
            else:
                session.answer(frames.frame_refused(error))
            return False
        return True

    def _trace(self, frame: gate_pb2.ConnectRequest) -> str:
        """Records a span for a traced frame and returns the context to pass on, if it is one."""
        with self._tracer.start_as_current_span(
            "gate.frame",
            context=propagate.extract({"traceparent": frame.traceparent}),
            kind=trace.SpanKind.SERVER,
            attributes={"hongyan.events": len(frame.events)},
        ):
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
        return carrier.get("traceparent", "")


def _parse(data: bytes) -> gate_pb2.ConnectRequest:
    if len(data) > MAX_FRAME_BYTES:
        raise Invalid("FRAME_TOO_LARGE", f"a frame has at most {MAX_FRAME_BYTES} bytes")
    try:
        frame = gate_pb2.ConnectRequest.FromString(data)
    except DecodeError:
        raise Invalid("FRAME_UNREADABLE", "the frame is no ConnectRequest") from None
    if not frame.events or len(frame.events) > 1_000:
        raise Invalid(
            "INVALID_FIELD",
            "a frame has 1 to 1,000 events",
            fields={"events": "must have 1 to 1,000 items"},
        )
    return frame
