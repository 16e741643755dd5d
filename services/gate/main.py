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
from services.gate.rules import Gate, Limits
from services.gate.session import Bounds
from services.gate.settings import Settings
from services.gate.watching import Watching


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
    watching = Watching(status, internal_key, time.monotonic)
    gate = links.gate = Gate(
        links,
        bounds=Bounds(settings.queue_frames, settings.queue_bytes),
        now=time.monotonic,
        watching=watching,
        limits=Limits(
            LocalLimit(Limit.parse("send", settings.limit_send), time.monotonic),
            LocalLimit(Limit.parse("send_device", settings.limit_send_device), time.monotonic),
            LocalLimit(Limit.parse("cursors", settings.limit_cursors), time.monotonic),
            LocalLimit(Limit.parse("typing", settings.limit_typing), time.monotonic),
        ),
        idle_seconds=settings.idle_seconds,
        slow_seconds=settings.slow_seconds,
    )
    trust.on_ended = gate.end_sessions
    presence = Presence(
        status,
        settings.gate_id,
        internal_key,
        user_ids=gate.user_ids,
        session_count=gate.session_count,
        now=time.monotonic,
    )

    async def admit(caller: Caller) -> None:
        await limits.take(connect_limit, caller.user_id, closed_without_redis=False)

    service = GateService(gate, trust, admit, settings.idle_seconds)

    def register(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((service.handlers(),))

    async def ready() -> None:
        if not any(True for _ in links.live()):
            raise Unavailable("CHAT_AWAY", "no chat pod is attached")

    async def drain() -> None:
        await presence.leave()
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
            background=(
                trust.follow,
                links.run,
                gate.resync,
                gate.sweep,
                gate.tell_heads,
                watching.run,
                presence.run,
            ),
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
