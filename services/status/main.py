"""Puts status together and runs it: `python -m services.status.main`."""

import argparse
import time

import grpc
from hongyan.status.v1 import directory_pb2_grpc, presence_pb2_grpc

from services.common import calls, cluster, serving
from services.common.tokens import Trust
from services.status.privacy import Privacy
from services.status.rpc import DirectoryService, PresenceService
from services.status.rules import Directory
from services.status.settings import Settings
from services.status.store import Store

DAY_SECONDS = 86_400


async def serve() -> None:
    settings = Settings()
    redis = cluster.connect(settings)
    store = Store(redis, settings.lease_seconds, settings.last_seen_days * DAY_SECONDS)
    channel = calls.open_channel(settings.verify_target)
    privacy = Privacy(channel, settings.shared_key(), now=time.monotonic)
    directory = Directory(store, privacy.hidden, settings.offline_seconds, now=time.time)
    trust = Trust(calls.fetch_trust_from(channel, settings.shared_key()), now=time.time)

    def register(server: grpc.aio.Server) -> None:
        presence_pb2_grpc.add_PresenceServiceServicer_to_server(PresenceService(directory), server)
        directory_pb2_grpc.add_DirectoryServiceServicer_to_server(
            DirectoryService(directory, settings.lease_seconds), server
        )

    try:
        await cluster.find_nodes(redis)
        await serving.serve(
            "status",
            settings,
            trust=trust,
            register=register,
            names=("hongyan.status.v1.PresenceService", "hongyan.status.v1.DirectoryService"),
            ready=store.check,
            background=(trust.follow,),
        )
    finally:
        await channel.close()
        await redis.aclose()


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m services.status.main",
        description="Hongyan's status service. Settings are HONGYAN_* environment variables.",
    ).parse_args()
    serving.run(serve)


if __name__ == "__main__":
    main()
