"""The operator's calls: straight to verify and chat, past the gateway, with the key in a header."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hongyan.chat.v1 import moderation_pb2_grpc
from hongyan.verify.v1 import admin_pb2_grpc

from services.admin.settings import Settings

SECONDS = 30.0


class Refused(Exception):
    """A call was refused, or not answered; the text says why."""


class Calls:
    """Calls of one administrator. A channel is opened when it is needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._channels: dict[str, grpc.Channel] = {}

    def verify(self, rpc: str, request: Any) -> Any:
        """Calls AdminService."""
        return self._call(admin_pb2_grpc.AdminServiceStub(self._channel("verify")), rpc, request)

    def chat(self, rpc: str, request: Any) -> Any:
        """Calls ModerationService."""
        stub = moderation_pb2_grpc.ModerationServiceStub(self._channel("chat"))
        return self._call(stub, rpc, request)

    def _call(self, stub: Any, rpc: str, request: Any) -> Any:
        metadata = (("authorization", f"Bearer {self._settings.key()}"),)
        try:
            return getattr(stub, rpc)(request, metadata=metadata, timeout=SECONDS)
        except grpc.RpcError as error:
            raise Refused(_why(error)) from error

    def _channel(self, service: str) -> grpc.Channel:
        if service not in self._channels:
            self._channels[service] = grpc.insecure_channel(self._settings.target(service))
        return self._channels[service]

    def close(self) -> None:
        """Closes what was opened."""
        for channel in self._channels.values():
            channel.close()


@contextmanager
def calling(settings: Settings) -> Iterator[Calls]:
    """Lends calls, and closes them at the end."""
    calls = Calls(settings)
    try:
        yield calls
    finally:
        calls.close()


def pages(call: Callable[[str, int], Any], field: str, limit: int) -> list[Any]:
    """Returns up to so many of a list, page by page. `call` takes a token and a page size."""
    found: list[Any] = []
    token = ""
    while len(found) < limit:
        answer = call(token, min(50, limit - len(found)))
        found.extend(getattr(answer, field))
        token = answer.next_page_token
        if not token:
            break
    return found


def _why(error: Any) -> str:
    reason = ""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = info.reason
    return f"{reason or error.code().name}: {error.details()}"
