"""The chat pods: one batched stream to each, found by name, opened again when it breaks."""

import asyncio
import itertools
import random
import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import structlog
from hongyan.chat.v1 import link_pb2, link_pb2_grpc
from prometheus_client import Counter, Gauge, Histogram

from services.common import calls
from services.gate.rules import Asked, Gate

RESOLVE_SECONDS = 5.0
RETRY_SECONDS = 0.3
# A frame to chat holds at most so many requests, so many bytes of them and one more request
# (256 KiB at most, since the device's frame was), and so many users.
FRAME_REQUESTS = 500
FRAME_BYTES = 1024 * 1024
FRAME_USERS = 10_000

LINKS = Gauge("hongyan_gate_links", "Chat pods that are attached.")
LOST = Counter("hongyan_gate_links_lost", "Links that broke.")
BATCH = Histogram(
    "hongyan_gate_link_requests",
    "Requests in one frame to chat.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)

log = structlog.get_logger()


class Link:
    """One live stream to a chat pod, and what waits to be written to it."""

    def __init__(self) -> None:
        self.pending: dict[int, Asked] = {}
        self.wake = asyncio.Event()
        self._users: dict[str, bool] = {}
        self._number = 0
        self._requests: list[link_pb2.DeviceRequest] = []

    def ask(self, request: link_pb2.DeviceRequest, asked: Asked | None) -> None:
        """Queues a request; it leaves with all that is queued when the writer comes round."""
        self._number += 1
        request.number = self._number
        if asked:
            self.pending[self._number] = asked
        self._requests.append(request)
        self.wake.set()

    def tell(self, user_id: str, here: bool) -> None:
        """Queues whether a user is here; only the last word on a user leaves."""
        self._users[user_id] = here
        self.wake.set()

    def take(self) -> link_pb2.AttachRequest | None:
        """Takes what is queued as one frame; None when nothing waits."""
        if not (self._requests or self._users):
            return None
        users = self._users
        if len(users) > FRAME_USERS:
            # Requests wait for the last of them: who asks has arrived before.
            users = dict(itertools.islice(users.items(), FRAME_USERS))
            for user_id in users:
                del self._users[user_id]
            requests = []
        else:
            self._users = {}
            requests = self._take_requests()
        frame = link_pb2.AttachRequest(
            requests=requests,
            arrived_user_ids=[user_id for user_id, here in users.items() if here],
            left_user_ids=[user_id for user_id, here in users.items() if not here],
        )
        BATCH.observe(len(requests))
        return frame

    def _take_requests(self) -> list[link_pb2.DeviceRequest]:
        count = size = 0
        for request in self._requests[:FRAME_REQUESTS]:
            count += 1
            size += request.ByteSize()
            if size > FRAME_BYTES:
                break
        taken = self._requests[:count]
        del self._requests[:count]
        return taken


class Links:
    """The live streams to all chat pods that `targets` (host:port,…) stands for."""

    def __init__(self, targets: str, gate_id: str, internal_key: str) -> None:
        self._targets = [target.strip() for target in targets.split(",") if target.strip()]
        self._gate_id = gate_id
        self._metadata = calls.internal_metadata(internal_key)
        self._live: dict[str, Link] = {}
        self._order: list[Link] = []
        # Set by main: the two know each other.
        self.gate: Gate

    def choose(self, conversation_id: str) -> Link | None:
        """Returns the link for a conversation: always the same one while the pods are."""
        if not self._order:
            return None
        return self._order[zlib.crc32(conversation_id.encode()) % len(self._order)]

    def live(self) -> Iterable[Link]:
        """Returns the links that are up."""
        return list(self._order)

    def arrived(self, user_id: str) -> None:
        """Tells every pod that a user has a first session here."""
        for link in self._order:
            link.tell(user_id, here=True)

    def left(self, user_id: str) -> None:
        """Tells every pod that a user has no session here any more."""
        for link in self._order:
            link.tell(user_id, here=False)

    async def run(self) -> None:
        """Keeps one link to each address that the targets have, for ever."""
        running: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                addresses = await self._resolve()
                for address in addresses - running.keys():
                    running[address] = tasks.create_task(self._keep(address))
                # A name that does not resolve for a moment ends no link that works.
                for address in running.keys() - addresses:
                    if addresses and address not in self._live:
                        running.pop(address).cancel()
                await asyncio.sleep(RESOLVE_SECONDS if addresses else RETRY_SECONDS)

    async def _resolve(self) -> set[str]:
        found: set[str] = set()
        for target in self._targets:
            host, _, port = target.rpartition(":")
            try:
                answers = await asyncio.get_running_loop().getaddrinfo(host, int(port))
            except OSError as error:
                log.warning("chat.unresolved", target=target, why=str(error))
                continue
            found.update(
                f"[{address[4][0]}]:{port}"
                if ":" in str(address[4][0])
                else f"{address[4][0]}:{port}"
                for address in answers
            )
        return found

    async def _keep(self, address: str) -> None:
        while True:
            async with calls.open_channel(address) as channel:
                try:
                    await self._attach(address, channel)
                except grpc.aio.AioRpcError as error:
                    log.warning("link.lost", chat=address, why=error.code().name)
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))

    async def _attach(self, address: str, channel: grpc.aio.Channel) -> None:
        stub = link_pb2_grpc.LinkServiceStub(channel)
        call: Any = stub.Attach(metadata=self._metadata, wait_for_ready=True)
        await call.write(link_pb2.AttachRequest(gate_id=self._gate_id))
        link = Link()
        for user_id in self.gate.user_ids():
            link.tell(user_id, here=True)
        self._set(address, link)
        log.info("link.up", chat=address)
        self.gate.link_up()
        writer = asyncio.create_task(self._write(link, call))
        try:
            await self._read(link, call)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._set(address, None)
            LOST.inc()
            self.gate.link_lost(link)

    def _set(self, address: str, link: Link | None) -> None:
        if link:
            self._live[address] = link
        else:
            self._live.pop(address, None)
        self._order = [self._live[key] for key in sorted(self._live)]
        LINKS.set(len(self._order))

    async def _read(self, link: Link, frames: AsyncIterator[link_pb2.AttachResponse]) -> None:
        deliver = self.gate.deliver
        async for frame in frames:
            for delivery in frame.deliveries:
                deliver(link, delivery)

    async def _write(self, link: Link, call: Any) -> None:
        while True:
            await link.wake.wait()
            link.wake.clear()
            while frame := link.take():
                await call.write(frame)
