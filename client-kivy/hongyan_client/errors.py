"""The errors that the library raises, and how one is read from a server's answer.

HongyanError
├── NotLoggedIn               the profile holds no tokens, or they no longer work
├── OutboxFull                too much is waiting to be sent
├── QueueFull                 a stream's outgoing queue is full: wait with `Stream.room`
├── WentAway                  the server said good-bye with a GoAway
└── ServerError               the call was answered with a status
    ├── InvalidArgument       the request can never succeed as it is; see `fields`
    ├── NotFound              no such thing, or not for the caller
    ├── AlreadyExists         the id stands for something else already
    ├── PermissionDenied      the caller may not do that
    ├── Unauthenticated       no valid token, or wrong credentials
    ├── ResourceExhausted     a limit; try again after `retry_delay`
    ├── Unavailable           a part is away; whether the call did anything is not known
    │   └── NoConnection      the server was not reached, or the connection broke
    └── DeadlineExceeded      no answer in time; whether the call did anything is not known
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from h2.exceptions import H2Error


class HongyanError(Exception):
    """Whatever the library raises on purpose."""


class NotLoggedIn(HongyanError):
    """The call needs a session, and there is none."""


class OutboxFull(HongyanError):
    """The outbox holds as many messages as it may."""


class QueueFull(HongyanError):
    """A stream's outgoing queue is full."""


class WentAway(HongyanError):
    """The server is closing the stream; `reason` is a GoAwayReason."""

    def __init__(self, reason: int, reconnect_seconds: float) -> None:
        super().__init__(f"the server closes the stream, reason {reason}")
        self.reason = reason
        self.reconnect_seconds = reconnect_seconds


class ServerError(HongyanError):
    """A status that is not OK.

    `code` is the google.rpc.Code, `reason` the machine's word for it (empty when the server
    gave none), `fields` maps a wrong field to what is wrong with it, and `retry_delay` is in
    seconds, or None when trying again is no use.
    """

    def __init__(
        self,
        code: int,
        reason: str = "",
        message: str = "",
        *,
        fields: Mapping[str, str] | None = None,
        retry_delay: float | None = None,
    ) -> None:
        super().__init__(f"{reason or code_name(code)}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.fields = dict(fields or {})
        self.retry_delay = retry_delay


class InvalidArgument(ServerError):
    """The request can never succeed as it is."""


class NotFound(ServerError):
    """There is no such thing, or the caller may not know that there is."""


class AlreadyExists(ServerError):
    """The id stands for something else already."""


class PermissionDenied(ServerError):
    """The caller is known and may not do that."""


class Unauthenticated(ServerError):
    """The caller is not known."""


class ResourceExhausted(ServerError):
    """A limit is reached."""


class Unavailable(ServerError):
    """A part of the system is away."""


class NoConnection(Unavailable):
    """The server was not reached, or the connection broke before the answer."""


class DeadlineExceeded(ServerError):
    """There was no answer in time."""


_CLASSES: dict[int, type[ServerError]] = {
    Status.INVALID_ARGUMENT.value: InvalidArgument,
    Status.NOT_FOUND.value: NotFound,
    Status.ALREADY_EXISTS.value: AlreadyExists,
    Status.PERMISSION_DENIED.value: PermissionDenied,
    Status.UNAUTHENTICATED.value: Unauthenticated,
    Status.RESOURCE_EXHAUSTED.value: ResourceExhausted,
    Status.UNAVAILABLE.value: Unavailable,
    Status.DEADLINE_EXCEEDED.value: DeadlineExceeded,
}

# What a call can meet besides a status: the network, TLS, and a peer that speaks no HTTP/2.
TRANSPORT_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    StreamTerminatedError,
    ProtocolError,
    H2Error,
    EOFError,
)


@dataclass(frozen=True, slots=True)
class Details:
    """What a google.rpc.Status says beyond its code and message."""

    reason: str = ""
    fields: Mapping[str, str] | None = None
    retry_delay: float | None = None


def code_name(code: int) -> str:
    """Returns the code's name, such as NOT_FOUND."""
    try:
        return Status(code).name
    except ValueError:
        return f"CODE_{code}"


def seconds(duration: Duration) -> float:
    """Converts a protobuf Duration to seconds."""
    return duration.seconds + duration.nanos / 1e9


def read_details(status: status_pb2.Status) -> Details:
    """Picks ErrorInfo, BadRequest and RetryInfo out of a status; ignores what it cannot read."""
    reason = ""
    fields: dict[str, str] = {}
    retry_delay: float | None = None
    detail: AnyMessage
    for detail in status.details:
        try:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                reason = error_details_pb2.ErrorInfo.FromString(detail.value).reason
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                bad = error_details_pb2.BadRequest.FromString(detail.value)
                fields.update({it.field: it.description for it in bad.field_violations})
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                info = error_details_pb2.RetryInfo.FromString(detail.value)
                retry_delay = seconds(info.retry_delay)
        except DecodeError:
            continue
    return Details(reason, fields, retry_delay)


def server_error(
    code: int,
    reason: str = "",
    message: str = "",
    *,
    fields: Mapping[str, str] | None = None,
    retry_delay: float | None = None,
) -> ServerError:
    """Makes the exception that stands for a code."""
    kind = _CLASSES.get(code, ServerError)
    return kind(code, reason, message, fields=fields, retry_delay=retry_delay)


def from_exception(error: Exception) -> HongyanError:
    """Turns what a call raised into one of this module's errors."""
    if isinstance(error, HongyanError):
        return error
    if isinstance(error, asyncio.TimeoutError):
        return DeadlineExceeded(
            Status.DEADLINE_EXCEEDED.value, "DEADLINE_EXCEEDED", "no answer in time"
        )
    if isinstance(error, GRPCError):
        details = error.details if isinstance(error.details, Details) else Details()
        return server_error(
            error.status.value,
            details.reason,
            error.message or "",
            fields=details.fields,
            retry_delay=details.retry_delay,
        )
    return NoConnection(
        Status.UNAVAILABLE.value, "NO_CONNECTION", f"{type(error).__name__}: {error}"
    )
