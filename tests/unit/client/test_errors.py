"""Statuses become exceptions with code, reason, fields and delay."""

import asyncio

import pytest
from google.rpc import error_details_pb2, status_pb2
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from hongyan_client import errors
from hongyan_client.channel import Address, Channel, StatusDetailsCodec
from hongyan_client.client import Client
from tests.unit.client.peer import Peer


def rich(code: int) -> bytes:
    status = status_pb2.Status(code=code, message="m")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="SOME_REASON"))
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="text", description="too long")
    status.details.add().Pack(bad)
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay={"seconds": 1}))
    status.details.add(type_url="type.googleapis.com/unknown.Thing", value=b"\xff")
    status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    return status.SerializeToString()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Status.INVALID_ARGUMENT, errors.InvalidArgument),
        (Status.NOT_FOUND, errors.NotFound),
        (Status.ALREADY_EXISTS, errors.AlreadyExists),
        (Status.PERMISSION_DENIED, errors.PermissionDenied),
        (Status.UNAUTHENTICATED, errors.Unauthenticated),
        (Status.RESOURCE_EXHAUSTED, errors.ResourceExhausted),
        (Status.UNAVAILABLE, errors.Unavailable),
        (Status.DEADLINE_EXCEEDED, errors.DeadlineExceeded),
        (Status.INTERNAL, errors.ServerError),
    ],
)
def test_a_rich_status_is_read_whole(code: Status, kind: type[errors.ServerError]) -> None:
    details = StatusDetailsCodec().decode(code, "m", rich(code.value))
    error = errors.from_exception(GRPCError(code, "m", details))
    assert type(error) is kind
    assert isinstance(error, errors.ServerError)
    assert (error.code, error.reason) == (code.value, "SOME_REASON")
    assert error.fields == {"text": "too long"}
    assert error.retry_delay == 1.0


def test_details_that_cannot_be_read_leave_the_code() -> None:
    details = StatusDetailsCodec().decode(Status.NOT_FOUND, None, b"\xff\xff")
    error = errors.from_exception(GRPCError(Status.NOT_FOUND, None, details))
    assert isinstance(error, errors.NotFound)
    assert error.reason == ""


@pytest.mark.parametrize("cause", [OSError("refused"), StreamTerminatedError("cut")])
def test_what_the_network_does_is_no_connection(cause: Exception) -> None:
    assert isinstance(errors.from_exception(cause), errors.NoConnection)


def test_a_time_out_is_a_deadline() -> None:
    assert isinstance(errors.from_exception(TimeoutError()), errors.DeadlineExceeded)


async def test_over_the_wire_the_reason_and_the_fields_arrive(peer: Peer, client: Client) -> None:
    with pytest.raises(errors.InvalidArgument) as raised:
        await client.send_code("nobody", "register")
    assert raised.value.reason == "INVALID_ARGUMENT"
    assert raised.value.fields == {"email": "must be an e-mail address"}


async def test_a_deadline_leaves_the_task_unmarked(peer: Peer, client: Client) -> None:
    gate = asyncio.Event()
    peer.accounts.before_refresh = gate.wait
    with pytest.raises(errors.DeadlineExceeded):
        await client.channel.call(client.account._stub.Refresh, _refresh(), timeout=0.05)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    gate.set()


def _refresh() -> object:
    from hongyan.verify.v1 import account_pb2  # noqa: PLC0415

    return account_pb2.RefreshRequest(refresh_token="x")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8080", Address("127.0.0.1", 8080, False)),
        ("https://chat.example.org", Address("chat.example.org", 443, True)),
        ("localhost:80", Address("localhost", 80, False)),
        ("http://[::1]:9", Address("::1", 9, False)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize(
    "text", ["", "ftp://x", "http://", "http://x/path", "http://x:99999", "not a url", "http://a b"]
)
def test_wrong_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|Port|port"):
        Address.parse(text)


async def test_https_asks_for_http2() -> None:
    channel = Channel("https://127.0.0.1:1")
    assert channel.address.secure
    with pytest.raises(errors.NoConnection):
        await channel.call(_AnyMethod(channel), _refresh(), timeout=2)  # type: ignore[arg-type]
    channel.close()


def _AnyMethod(channel: Channel) -> object:
    from hongyan.verify.v1 import account_grpc  # noqa: PLC0415

    return account_grpc.AccountServiceStub(channel.grpc).Refresh
