"""Puts gate together and runs it: `python -m services.gate.main`."""

import argparse
import time

import grpc

from services.common import calls, cluster, serving
from services.common.errors import Unavailable
from services.common.identity import Caller
from services.common.limits import Limit, LocalLimit, SharedLimits
from services.common.tokens import Trust
from services.gate.links import Links
from services.gate.presence import Presence
from services.gate.rpc import GateService
from services.gate.rules import Gate
from services.gate.session import Bounds
from services.gate.settings import Settings


async def serve() -> None:
    settings = Settings()
    internal_key = settings.shared_key()
    redis = cluster.connect(settings)
    limits = SharedLimits(redis)
    connect_limit = Limit.parse("connect", settings.limit_connect)
    verify = calls.open_channel(settings.verify_target)
    status = calls.open_channel(settings.status_target)
    trust = Trust(calls.fetch_trust_from(verify, internal_key), now=time.time)
    links = Links(settings.chat_target, settings.gate_id, internal_key)
    gate = links.gate = Gate(
        links,
        bounds=Bounds(settings.queue_frames, settings.queue_bytes),
        now=time.monotonic,
        send_limits=(
            LocalLimit(Limit.parse("send", settings.limit_send), time.monotonic),
            LocalLimit(Limit.parse("send_device", settings.limit_send_device), time.monotonic),
        ),
        idle_seconds=settings.idle_seconds,
        slow_seconds=settings.slow_seconds,
    )
    trust.on_ended = gate.end_sessions
    presence = Presence(status, settings.gate_id, internal_key, gate.user_ids, time.monotonic)

    async def admit(caller: Caller) -> None:
        await limits.take(connect_limit, caller.user_id, closed_without_redis=False)

    service = GateService(gate, trust, admit, settings.idle_seconds)

    def register(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((service.handlers(),))

    async def ready() -> None:
        if not any(True for _ in links.live()):
            raise Unavailable("CHAT_AWAY", "no chat pod is attached")

    async def drain() -> None:
        await gate.drain(settings.drain_spread_seconds, settings.grace_seconds)
        await presence.drop_all()

    try:
        await cluster.find_nodes(redis)
        await serving.serve(
            "gate",
            settings,
            trust=trust,
            register=register,
            names=("hongyan.gate.v1.GateService",),
            ready=ready,
            background=(trust.follow, links.run, gate.resync, gate.sweep, presence.run),
            drain=drain,
        )
    finally:
        await verify.close()
        await status.close()
        await redis.aclose()


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m services.gate.main",
        description="Hongyan's gate service. Settings are HONGYAN_* environment variables.",
    ).parse_args()
    serving.run(serve)


if __name__ == "__main__":
    main()
