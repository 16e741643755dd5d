"""Real status pods in this process."""

import time
from collections.abc import Callable

import grpc
from hongyan.status.v1 import directory_pb2_grpc, presence_pb2_grpc
from redis.asyncio.cluster import RedisCluster

from services.status.rpc import DirectoryService, PresenceService
from services.status.rules import Directory
from services.status.store import Store
from tests.service.gate.world import Service, Verify

LEASE_SECONDS = 60.0
OFFLINE_SECONDS = 25.0


class StatusPod(Service):
    """One status pod."""

    def __init__(
        self, verify: Verify, port: int, redis: RedisCluster, now: Callable[[], float] = time.time
    ) -> None:
        super().__init__(verify, port)
        self.store = Store(redis, LEASE_SECONDS, 86_400)
        self._directory = Directory(self.store, verify.find_hidden_presence, OFFLINE_SECONDS, now)

    async def start(self) -> "StatusPod":
        def register(server: grpc.aio.Server) -> None:
            presence_pb2_grpc.add_PresenceServiceServicer_to_server(
                PresenceService(self._directory), server
            )
            directory_pb2_grpc.add_DirectoryServiceServicer_to_server(
                DirectoryService(self._directory, LEASE_SECONDS), server
            )

        await self.serve(register)
        return self
