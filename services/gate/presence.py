"""Status: the leases of the users that have a session here."""

import asyncio
from collections.abc import Callable

import grpc
import structlog
from hongyan.status.v1 import directory_pb2, directory_pb2_grpc

from services.common import calls

PAGE = 1_000
CHANGES_SECONDS = 1.0
FIRST_LEASE_SECONDS = 60.0

log = structlog.get_logger()


class Presence:
    """Tells status who is here: changes within a second, all again at a third of a lease."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        gate_id: str,
        internal_key: str,
        *,
        user_ids: Callable[[], list[str]],
        session_count: Callable[[], int],
        now: Callable[[], float],
    ) -> None:
        self._stub = directory_pb2_grpc.DirectoryServiceStub(channel)
        self._gate_id = gate_id
        self._metadata = calls.internal_metadata(internal_key)
        self._user_ids = user_ids
        self._session_count = session_count
        self._now = now
        self._told: set[str] = set()
        self._draining = False
        self._lease_seconds = FIRST_LEASE_SECONDS

    async def run(self) -> None:
        """Renews for ever; while status is away it tries again every second."""
        renewed_at = 0.0
        while True:
            here = set(self._user_ids())
            due = self._now() - renewed_at > self._lease_seconds / 3
            arrived, left = here if due else here - self._told, self._told - here
            # Who is told of counts from now: an answer that never comes may still be a lease.
            self._told |= here
            try:
                await self._tell(arrived, left, due=due)
                self._told = here
                if due:
                    renewed_at = self._now()
            except grpc.aio.AioRpcError as error:
                log.warning("presence.stale", why=error.code().name)
                renewed_at = 0.0
            await asyncio.sleep(CHANGES_SECONDS)

    async def leave(self) -> None:
        """Takes this gate out of the directory; its users stay until their sessions end."""
        self._draining = True
        try:
            await self._tell(set(), set(), due=True)
        except grpc.aio.AioRpcError as error:
            log.warning("presence.stale", why=error.code().name)

    async def drop_all(self) -> None:
        """Ends the leases of this gate at once; what fails runs out by itself."""
        try:
            await self._tell(set(), self._told)
        except grpc.aio.AioRpcError as error:
            log.warning("presence.stale", why=error.code().name)

    async def _tell(self, here: set[str], left: set[str], *, due: bool = False) -> None:
        pages = [*_pages(here, arrived=True), *_pages(left, arrived=False)]
        for arrived, gone in pages or ([([], [])] if due else []):
            answer = await self._stub.Renew(
                directory_pb2.RenewRequest(
                    gate_id=self._gate_id,
                    user_ids=arrived,
                    left_user_ids=gone,
                    session_count=self._session_count(),
                    draining=self._draining,
                ),
                metadata=self._metadata,
                timeout=calls.DEADLINE_SECONDS,
            )
            self._lease_seconds = answer.lease.ToTimedelta().total_seconds()


def _pages(users: set[str], *, arrived: bool) -> list[tuple[list[str], list[str]]]:
    ordered = sorted(users)
    pages = [ordered[start : start + PAGE] for start in range(0, len(ordered), PAGE)]
    return [(page, []) if arrived else ([], page) for page in pages]
