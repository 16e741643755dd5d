"""What happens around every call: span, metrics, errors, authentication, validation."""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_interceptor.server import AsyncServerInterceptor
from grpc_status import rpc_status
from hongyan.options.v1 import access_pb2
from opentelemetry import propagate, trace
from prometheus_client import Counter, Gauge, Histogram

from services.common.audit import Administration
from services.common.contract import ACCESS, SCOPE, validate
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

CODES = {code.value[0]: code.name for code in grpc.StatusCode}

Method = Callable[[Any, Any], Any]

KINDS = {
    False: ("stream_unary", grpc.stream_unary_rpc_method_handler),
    True: ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class Interceptor(AsyncServerInterceptor):
    """All of it in one layer: a stream keeps the coroutines of each layer while it lives."""

    def __init__(
        self,
        trust: Trust,
        internal_key: str,
        *,
        traced: bool = False,
        administration: Administration | None = None,
    ) -> None:
        self._trust = trust
        self._administration = administration
        self._internal_key = internal_key.encode()
        self._tracer = trace.get_tracer("hongyan.rpc") if traced else None
        self._made: dict[str, tuple[Any, Any]] = {}

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Returns the handler of an rpc with all of this around it."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        name = handler_call_details.method
        # A service has the same handler for each call of an rpc: what is around it is made once.
        if name not in self._made or self._made[name][0] is not handler:
            self._made[name] = (handler, await self._wrap(handler, handler_call_details))
        return self._made[name][1]

    async def _wrap(self, handler: Any, details: Any) -> Any:
        if handler.request_streaming:
            kind, make = KINDS[handler.response_streaming]
            return make(
                self._stream(getattr(handler, kind), details.method),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        if read := handler.request_deserializer:
            # grpc answers bytes that it cannot read with UNKNOWN and a traceback in the log,
            # before it asks who calls.
            handler = handler._replace(request_deserializer=_read_or_say(read))

        async def found(_: Any) -> Any:
            return handler

        intercept: Any = super().intercept_service
        return await intercept(found, details)

    def _stream(self, method: Method, name: str) -> Method:
        """Runs a stream; its frames have spans of their own, and their reader checks them."""
        streams = STREAMS.labels(name)

        async def run(requests: Any, context: Any) -> None:
            streams.inc()
            try:
                self._let_in(name, context)
                answer = method(requests, context)
                if isinstance(answer, AsyncIterator):
                    async for response in answer:
                        await context.write(response)
                else:
                    await answer
            except BaseException as error:
                await _fail(error, name, context)
            finally:
                streams.dec()
                _count(name, context)

        return run

    async def intercept(self, method: Any, request: Any, context: Any, method_name: str) -> Any:
        """Runs a call with one request: measured, traced, and checked against the contract."""
        started = time.perf_counter()
        with self._span(method_name, context):
            try:
                if ACCESS.get(method_name) == access_pb2.ACCESS_ADMIN:
                    return await self._administer(method, request, context, method_name)
                self._let_in(method_name, context)
                if isinstance(request, _Unreadable):
                    raise Invalid("REQUEST_UNREADABLE", "the bytes are no such message")
                if method_name in ACCESS:
                    validate(request)
                answer = method(request, context)
                if not isinstance(answer, AsyncIterator):
                    return await answer
                async for response in answer:
                    await context.write(response)
            except BaseException as error:
                await _fail(error, method_name, context)
            finally:
                _count(method_name, context)
                SECONDS.labels(method_name).observe(time.perf_counter() - started)

    async def _administer(self, method: Any, request: Any, context: Any, name: str) -> Any:
        """Runs a call of an administrator, with the audit around it."""
        if self._administration is None:
            raise Denied("ADMIN_NOT_SET_UP", "this service has no administrators")

        async def act() -> Any:
            if isinstance(request, _Unreadable):
                raise Invalid("REQUEST_UNREADABLE", "the bytes are no such message")
            validate(request)
            return await method(request, context)

        return await self._administration.run(name, request, lambda: _bearer_token(context), act)

    def _let_in(self, name: str, context: Any) -> None:
        """Lets a call in as the contract's access option says; an rpc without one is closed."""
        access = ACCESS.get(name, access_pb2.ACCESS_UNSPECIFIED)
        if access == access_pb2.ACCESS_USER:
            caller = self._trust.check(_bearer_token(context))
            caller.require(SCOPE[name])
            set_caller(caller)
        elif access == access_pb2.ACCESS_INTERNAL:
            given = str(dict(context.invocation_metadata()).get(INTERNAL_KEY_HEADER, ""))
            if not hmac.compare_digest(given.encode(), self._internal_key):
                raise Denied("INTERNAL_ONLY", "this call is for services of the installation")
        elif access != access_pb2.ACCESS_PUBLIC and not name.startswith(OPEN_PREFIXES):
            raise Denied("ACCESS_NOT_DECLARED", "the contract says nobody may call this")

    @contextmanager
    def _span(self, name: str, context: Any) -> Iterator[None]:
        """One server span, when calls are traced."""
        if self._tracer is None or name.startswith(OPEN_PREFIXES):
            yield
            return
        with self._tracer.start_as_current_span(
            name.removeprefix("/"),
            context=propagate.extract(dict(context.invocation_metadata() or ())),
            kind=trace.SpanKind.SERVER,
            attributes={"rpc.system": "grpc"},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            finally:
                # A rich abort leaves no exception that OpenTelemetry would take for an error.
                if code := context.code():
                    span.set_attribute("rpc.grpc.status_code", _code_number(code))
                    if _code_number(code):
                        span.set_status(trace.StatusCode.ERROR)


async def _fail(error: BaseException, name: str, context: Any) -> None:
    """Turns an AppError into a google.rpc.Status, and any other mistake into INTERNAL."""
    if isinstance(error, AppError):
        await context.abort_with_status(rpc_status.to_status(to_status(error)))
    if isinstance(error, asyncio.CancelledError):
        context.set_code(grpc.StatusCode.CANCELLED)
    if not isinstance(error, Exception) or isinstance(error, grpc.aio.AbortError):
        raise error
    log.error("call.failed", method=name, exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "internal error")


def _count(name: str, context: Any) -> None:
    CALLS.labels(name, CODES.get(_code_number(context.code() or 0), "UNKNOWN")).inc()


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
