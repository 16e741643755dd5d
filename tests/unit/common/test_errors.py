"""How errors look on the wire, after AIP-193."""

from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.common import errors
from services.common.errors import AppError, to_duration, to_status


def detail(error: AppError, kind: type[Message]) -> Any:
    for packed in to_status(error).details:
        if packed.Is(kind.DESCRIPTOR):
            found = kind()
            packed.Unpack(found)
            return found
    return None


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.Invalid, grpc.StatusCode.INVALID_ARGUMENT),
        (errors.NotFound, grpc.StatusCode.NOT_FOUND),
        (errors.AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
        (errors.Denied, grpc.StatusCode.PERMISSION_DENIED),
        (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
        (errors.Exhausted, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    ],
)
def test_each_error_has_its_code_and_its_reason(
    kind: type[AppError], code: grpc.StatusCode
) -> None:
    status = to_status(kind("SOME_REASON", "some words"))
    assert (status.code, status.message) == (code.value[0], "some words")
    info = detail(kind("SOME_REASON", "some words"), error_details_pb2.ErrorInfo)
    assert info
    assert (info.reason, info.domain) == ("SOME_REASON", "hongyan")
    assert len(status.details) == 1


def test_wrong_fields_are_named() -> None:
    error = errors.Invalid("INVALID_FIELD", "no", fields={"a[1].b": "too long", "c": "missing"})
    bad = detail(error, error_details_pb2.BadRequest)
    assert bad
    assert {found.field: found.description for found in bad.field_violations} == error.fields


def test_what_may_succeed_later_says_when() -> None:
    retry = detail(
        errors.Unavailable("AWAY", "no", retry_seconds=0.25), error_details_pb2.RetryInfo
    )
    assert retry
    assert retry.retry_delay.ToMilliseconds() == 250
    never = errors.Invalid("NO", "no")
    assert detail(never, error_details_pb2.RetryInfo) is None


def test_a_delay_of_zero_is_a_delay() -> None:
    error = errors.Unavailable("AWAY", "no", retry_seconds=0)
    assert detail(error, error_details_pb2.RetryInfo) is not None


@given(st.floats(0, 10**8))
def test_durations_are_right_to_the_microsecond(seconds: float) -> None:
    assert to_duration(seconds).ToMicroseconds() == pytest.approx(seconds * 1e6, abs=1)
