"""A connection to the gateway: its address, unary calls with deadlines, errors made readable."""

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpclib.client
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from grpclib.config import Configuration
from grpclib.const import Status
from grpclib.encoding.base import CodecBase, StatusDetailsCodecBase
from grpclib.exceptions import GRPCError

from hongyan_client.errors import (
    TRANSPORT_ERRORS,
    Details,
    from_exception,
    read_details,
    server_error,
)

Reply = TypeVar("Reply")

CALL_SECONDS = 10.0
# A name in any letters, or an address of either kind.
HOST = re.compile(r"[\w.:-]+")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the gateway listens."""

    host: str
    port: int
    secure: bool

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads "http://host:port", "https://host" or "host:port"; raises ValueError."""
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not HOST.fullmatch(host):
            raise ValueError(f"{text!r} is no address such as http://127.0.0.1:8080")
        if parts.path not in ("", "/") or parts.query or parts.username:
            raise ValueError(f"{text!r}: an address is a scheme, a host and a port only")
        secure = parts.scheme == "https"
        return cls(host, parts.port or (443 if secure else 80), secure)


class Codec(CodecBase):
    """Protobuf, and bytes that are serialized already: a stream joins its frames itself."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return message if isinstance(message, bytes) else message.SerializeToString()

    def decode(self, data: bytes, message_type: Any) -> Any:
        try:
            return message_type.FromString(data)
        except DecodeError as error:
            raise GRPCError(Status.INTERNAL, "the answer cannot be read") from error


class StatusDetailsCodec(StatusDetailsCodecBase):
    """Reads grpc-status-details-bin; one that cannot be read counts as empty."""

    def encode(self, status: Status, message: str | None, details: Any) -> bytes:
        raise NotImplementedError("a client sends no status")

    def decode(self, status: Status, message: str | None, data: bytes) -> Details:
        try:
            return read_details(status_pb2.Status.FromString(data))
        except DecodeError:
            return Details()


class Channel:
    """One HTTP/2 connection, made at the first call and made again when it is lost.

    `grpc` is the grpclib channel, for the generated stubs.
    """

    def __init__(self, address: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.address = Address.parse(address)
        context = tls
        if context is None and self.address.secure:
            context = ssl.create_default_context()
        if context is not None:
            context.set_alpn_protocols(["h2"])
        # Pings find a connection that is cut without a word, such as after a change of network.
        configuration = Configuration(
            _keepalive_time=30.0,
            _keepalive_timeout=10.0,
            _http2_max_pings_without_data=0,
            _http2_min_sent_ping_interval_without_data=30.0,
        )
        self.grpc = grpclib.client.Channel(
            self.address.host,
            self.address.port,
            ssl=context,
            codec=Codec(),
            status_details_codec=StatusDetailsCodec(),
            config=configuration,
        )

    async def call(
        self,
        method: "grpclib.client.UnaryUnaryMethod[Any, Reply]",
        request: Message,
        *,
        token: str = "",
        timeout: float = CALL_SECONDS,
    ) -> Reply:
        """Calls and returns the answer; raises ServerError, NoConnection, DeadlineExceeded."""
        with Absorbing():
            async with method.open(timeout=timeout, metadata=bearer(token)) as call:
                wake_once(call)
                await call.send_message(request, end=True)
                reply = await call.recv_message()
        if reply is None:
            raise server_error(Status.INTERNAL.value, "", "an answer without a message")
        return reply

    def close(self) -> None:
        """Closes the connection; calls that are under way fail."""
        self.grpc.close()


def wake_once(call: Any) -> None:
    """Makes grpclib cancel the tasks that wait in a call once only, see `Absorbing`.

    A stream that is reset on a connection that then closes would be cancelled twice.
    """
    wrapper = call._wrapper
    cancel = wrapper.cancel

    def cancel_once(error: Exception) -> None:
        if wrapper.cancelled is None:
            cancel(error)

    wrapper.cancel = cancel_once


def bearer(token: str) -> dict[str, str]:
    """Returns the metadata that carries an access token."""
    return {"authorization": f"Bearer {token}"} if token else {}


class Absorbing:
    """Turns what grpclib raises inside the block into this library's errors.

    grpclib wakes a waiting task by cancelling it and raises its own error instead; the task
    stays marked as cancelled, and a later `asyncio.timeout` or TaskGroup would take the mark
    for its own. So exactly one mark is taken back, and one that is left is a real
    cancellation.
    """

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._before = task.cancelling()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or not isinstance(
            error, (GRPCError, asyncio.TimeoutError, *TRANSPORT_ERRORS)
        ):
            return
        if self._task.cancelling() > self._before and self._task.uncancel() > self._before:
            raise asyncio.CancelledError from error
        raise from_exception(error) from error
