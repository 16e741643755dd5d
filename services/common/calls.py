"""Calls from one service to another: channels, the internal key, deadlines, errors."""

import grpc
from hongyan.verify.v1 import trust_pb2, trust_pb2_grpc

from services.common.errors import Unavailable
from services.common.interceptors import INTERNAL_KEY_HEADER
from services.common.tokens import FetchTrust, TrustUpdate

DEADLINE_SECONDS = 3.0

CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.lb_policy_name", "round_robin"),
)


def open_channel(target: str) -> grpc.aio.Channel:
    """Opens a channel to a service; it connects by itself and again."""
    return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)


def internal_metadata(internal_key: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata that shows that the caller is a service of this installation."""
    return ((INTERNAL_KEY_HEADER, internal_key),)


def fetch_trust_from(channel: grpc.aio.Channel, internal_key: str) -> FetchTrust:
    """Returns what asks verify for keys and ended sessions."""
    stub = trust_pb2_grpc.TrustServiceStub(channel)
    metadata = internal_metadata(internal_key)

    async def fetch(mark: int) -> TrustUpdate:
        request = trust_pb2.GetTrustRequest(after_mark=mark)
        try:
            answer = await stub.GetTrust(request, metadata=metadata, timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise unavailable("VERIFY_AWAY", error) from error
        return TrustUpdate(answer.key_set_json, tuple(answer.ended_session_ids), answer.mark)

    return fetch


def unavailable(reason: str, error: grpc.aio.AioRpcError) -> Unavailable:
    """Says to the caller that a service behind this one did not answer."""
    return Unavailable(reason, f"{error.code().name}: {error.details()}", retry_seconds=1)
