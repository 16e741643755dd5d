"""What happens around every call: span, metrics, errors, authentication, validation."""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc_interceptor import AsyncServerInterceptor
from grpc_status import rpc_status
from hongyan.options.v1 import access_pb2
from opentelemetry import propagate, trace
from prometheus_client import Counter, Gauge, Histogram

from services.common.contract import ACCESS, validate
from services.common.errors import AppError, Denied, Invalid, Unauthenticated, to_status
from services.common.identity import set_caller
from services.common.tokens import Trust

log = structlog.get_logger()

INTERNAL_KEY_HEADER = "x-hongyan-internal"
# Standard services that carry no data of users.
OPEN_PREFIXES = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/")

CALLS = Counter("hongyan_rpc_calls", "Finished calls.", ["method", "code"])
SECONDS = Histogram(
    "hongyan_rpc_seconds",
    "How long unary calls took.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STREAMS = Gauge("hongyan_rpc_open_streams", "Streams that are open now.", ["method"])

Handler = Callable[[Any, Any], Any]


class Around(AsyncServerInterceptor):
    """An interceptor that is one method: `call` runs a handler of either kind to its end."""

    async def intercept(
        self, method: Handler, request_or_iterator: Any, context: Any, method_name: str
    ) -> Any:
        async def run() -> Any:
            result = method(request_or_iterator, context)
            if isinstance(result, AsyncIterator):
                async for response in result:
                    await context.write(response)
                return None
            return await result

        return await self.call(run, request_or_iterator, context, method_name)

    async def call(
        self, run: Callable[[], Awaitable[Any]], request: Any, context: Any, method_name: str
    ) -> Any:
        """Runs the handler; `request` is a message, or an iterator for a stream."""
        raise NotImplementedError


class Tracing(Around):
    """One server span per unary call; frames of streams have spans of their own."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("hongyan.rpc")

    async def call(
        self, run: Callable[[], Awaitable[Any]], request: Any, context: Any, method_name: str
    ) -> Any:
        if not isinstance(request, Message) or method_name.startswith(OPEN_PREFIXES):
            return await run()
        parent = propagate.extract(dict(context.invocation_metadata() or ()))
        with self._tracer.start_as_current_span(
            method_name.removeprefix("/"),
            context=parent,
            kind=trace.SpanKind.SERVER,
            attributes={"rpc.system": "grpc"},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await run()
            finally:
                # A rich abort leaves no exception that OpenTelemetry would take for an error.
                if code := context.code():
                    span.set_attribute("rpc.grpc.status_code", _code_number(code))
                    if _code_number(code):
                        span.set_status(trace.StatusCode.ERROR)


class Metrics(Around):
    """Counts calls by code and measures unary ones."""

    async def call(
        self, run: Callable[[], Awaitable[Any]], request: Any, context: Any, method_name: str
    ) -> Any:
        started = time.perf_counter()
        unary = isinstance(request, Message)
        if not unary:
            STREAMS.labels(method_name).inc()
        code = "OK"
        try:
            result = await run()
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except BaseException:
            code = _code_name(context.code())
            raise
        else:
            code = _code_name(context.code() or 0)
            return result
        finally:
            CALLS.labels(method_name, code).inc()
            if unary:
                SECONDS.labels(method_name).observe(time.perf_counter() - started)
            else:
                STREAMS.labels(method_name).dec()


class Errors(Around):
    """Turns an AppError into a google.rpc.Status, and anything else into INTERNAL."""

    async def call(
        self, run: Callable[[], Awaitable[Any]], request: Any, context: Any, method_name: str
    ) -> Any:
        try:
            return await run()
        except AppError as error:
            await context.abort_with_status(rpc_status.to_status(to_status(error)))
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception as error:
            log.error("call.failed", method=method_name, exc_info=error)
            await context.abort(grpc.StatusCode.INTERNAL, "internal error")


class Authentication(Around):
    """Lets a call in as the contract's access option says; an rpc without one is closed."""

    def __init__(self, trust: Trust, internal_key: str) -> None:
        self._trust = trust
        self._internal_key = internal_key.encode()

    async def call(
        self, run: Callable[[], Awaitable[Any]], request: Any, context: Any, method_name: str
    ) -> Any:
        access = ACCESS.get(method_name, access_pb2.ACCESS_UNSPECIFIED)
        if access == access_pb2.ACCESS_USER:
            set_caller(self._trust.check(_bearer_token(context)))
        elif access == access_pb2.ACCESS_INTERNAL:
            given = str(dict(context.invocation_metadata()).get(INTERNAL_KEY_HEADER, ""))
            if not hmac.compare_digest(given.encode(), self._internal_key):
                raise Denied("INTERNAL_ONLY", "this call is for services of the installation")
        elif access != access_pb2.ACCESS_PUBLIC and not method_name.startswith(OPEN_PREFIXES):
            raise Denied("ACCESS_NOT_DECLARED", "the contract says nobody may call this")
        return await run()


class Validation(Around):
    """Checks unary requests against the contract's rules; a frame is checked by its reader."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        intercept: Any = super().intercept_service
        handler = await intercept(continuation, handler_call_details)
        if handler is None or handler.request_streaming or not handler.request_deserializer:
            return handler
        # grpc answers bytes that it cannot read with UNKNOWN and a traceback in the log, before
        # it asks who calls.
        return handler._replace(request_deserializer=_read_or_say(handler.request_deserializer))

    async def call(
        self, run: Callable[[], Awaitable[Any]], request: Any, context: Any, method_name: str
    ) -> Any:
        if isinstance(request, _Unreadable):
            raise Invalid("REQUEST_UNREADABLE", "the bytes are no message of the rpc's type")
        if isinstance(request, Message) and method_name in ACCESS:
            validate(request)
        return await run()


class _Unreadable:
    """Stands for a request whose bytes are no message of its type."""


def _read_or_say(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read_or_say(data: bytes) -> Any:
        try:
            return read(data)
        except DecodeError:
            return _Unreadable()

    return read_or_say


def _bearer_token(context: Any) -> str:
    header = dict(context.invocation_metadata() or ()).get("authorization", "")
    scheme, _, token = str(header).partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("TOKEN_MISSING", "send the header authorization: Bearer …")
    return token


def _code_number(code: Any) -> int:
    return int(code.value[0]) if isinstance(code, grpc.StatusCode) else int(code)


def _code_name(code: Any) -> str:
    for candidate in grpc.StatusCode:
        if candidate is code or candidate.value[0] == code:
            return candidate.name
    return "UNKNOWN"
