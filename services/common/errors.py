"""The errors that may leave a service, and how they look on the wire.

AppError
├── Invalid          INVALID_ARGUMENT     the caller must change the request
├── NotFound         NOT_FOUND            no such thing, or not for the caller
├── AlreadyExists    ALREADY_EXISTS       the same id stands for something else
├── Precondition     FAILED_PRECONDITION  not as things stand; trying again is no use
├── Denied           PERMISSION_DENIED    the caller may not do that
├── Unauthenticated  UNAUTHENTICATED      no valid token
├── Exhausted        RESOURCE_EXHAUSTED   a limit; try again after retry_seconds
└── Unavailable      UNAVAILABLE          a part is away; try again after retry_seconds
"""

from collections.abc import Mapping

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "hongyan"


class AppError(Exception):
    """A failure that the caller can act on.

    `reason` is the machine's word for it, stable and UPPER_SNAKE_CASE; `message` is for a
    developer and may change. `fields` maps the path of a wrong field to what is wrong with
    it. `retry_seconds` is set when the same call may succeed later.
    """

    code = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        fields: Mapping[str, str] | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.fields = dict(fields or {})
        self.retry_seconds = retry_seconds


class Invalid(AppError):
    """The request can never succeed as it is."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class NotFound(AppError):
    """There is no such thing, or the caller may not know that there is."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(AppError):
    """The id stands for something else already."""

    code = grpc.StatusCode.ALREADY_EXISTS


class Precondition(AppError):
    """The request is sound, but not as things stand."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class Denied(AppError):
    """The caller is known and may not do that."""

    code = grpc.StatusCode.PERMISSION_DENIED


class Unauthenticated(AppError):
    """The caller is not known."""

    code = grpc.StatusCode.UNAUTHENTICATED


class Exhausted(AppError):
    """A limit is reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(AppError):
    """A part of the system is away; it is not known whether the call did anything."""

    code = grpc.StatusCode.UNAVAILABLE


def status_code(error: AppError) -> int:
    """Returns the error's google.rpc.Code."""
    return int(error.code.value[0])


def to_status(error: AppError) -> status_pb2.Status:
    """Builds the google.rpc.Status of an error, after AIP-193."""
    status = status_pb2.Status(code=status_code(error), message=error.message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN))
    if error.fields:
        bad = error_details_pb2.BadRequest()
        for path, description in error.fields.items():
            bad.field_violations.add(field=path, description=description)
        status.details.add().Pack(bad)
    if error.retry_seconds is not None:
        status.details.add().Pack(
            error_details_pb2.RetryInfo(retry_delay=to_duration(error.retry_seconds))
        )
    return status


def to_duration(seconds: float) -> Duration:
    """Converts seconds to a protobuf Duration, to the microsecond."""
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1_000_000))
    return duration
