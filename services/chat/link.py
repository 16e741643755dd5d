"""The gates: their links, which users each holds, and the frames that go out to them."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from google.protobuf.message import Message as ProtoMessage
from hongyan.chat.v1 import link_pb2, link_pb2_grpc
from hongyan.gate.v1 import gate_pb2
from prometheus_client import Counter, Gauge, Histogram

from services.chat.committer import Committer, Entry
from services.chat.cursors import Cursors, Moved, Wanted
from services.chat.model import Change, Message
from services.chat.rules import Caught, Chat, Known
from services.chat.wire import read_send, to_caught_up, to_difference, write_message
from services.common.errors import AppError, Unavailable, status_code, to_duration

# A frame to a gate holds at most so many bytes of deliveries, and one more.
FRAME_BYTES = 1024 * 1024
# A gate that lets more than this pile up is cut off; it attaches again and its devices sync.
OUTGOING_BYTES = 128 * 1024 * 1024
DIFFERENCES_AT_ONCE = 6
# A difference that failed is tried again: the device waits for it, and gate for ten seconds.
DIFFERENCE_ATTEMPTS = 6
# Up to so many members everybody gets each message at once; up to the second number those who
# show the conversation, and others are told of its head; beyond, everybody is.
SMALL_GROUP = 200
LARGE_GROUP = 2_000

LINKS = Gauge("hongyan_chat_links", "Gates that are attached.")
BATCH = Histogram(
    "hongyan_chat_link_deliveries",
    "Deliveries in one frame to a gate.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
CUT = Counter("hongyan_chat_links_cut", "Links cut because the gate did not read.")

log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class Link:
    """One gate's stream, and what waits to be written to it."""

    gate_id: str = ""
    users: set[str] = field(default_factory=set)
    outgoing: list[link_pb2.Delivery] = field(default_factory=list)
    outgoing_bytes: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    reader: asyncio.Task[None] | None = None
    leaving: bool = False

    def put(self, delivery: link_pb2.Delivery) -> None:
        """Queues a delivery; it leaves with all that is queued when the writer comes round."""
        if self.outgoing_bytes > OUTGOING_BYTES:
            self.cut.set()
            return
        self.outgoing.append(delivery)
        self.outgoing_bytes += len(delivery.frame)
        self.wake.set()


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a send came from, so that its answer finds the way back."""

    link: Link
    number: int
    session_id: str


class Links(link_pb2_grpc.LinkServiceServicer):
    """Serves gates: takes their devices' requests, hands out answers and pushes.

    Which gate holds which user is told over the links themselves and kept in memory: it is
    whole whenever a gate is attached, and no look-up stands between a commit and its push.
    """

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._routes: dict[str, list[Link]] = {}
        self._links: set[Link] = set()
        self._draining = False
        self._differences = asyncio.Semaphore(DIFFERENCES_AT_ONCE)
        # Set by main: these two call back into this object.
        self.committer: Committer
        self.cursors: Cursors

    def Attach(self, request_iterator: AsyncIterator[link_pb2.AttachRequest], context: Any) -> Any:
        # A coroutine that writes by itself, not a generator: frames go out when they are ready.
        return self._serve(request_iterator, context)

    async def _serve(self, frames: AsyncIterator[link_pb2.AttachRequest], context: Any) -> None:
        if self._draining:
            raise Unavailable("DRAINING", "this chat pod stops", retry_seconds=1)
        link = Link()
        self._links.add(link)
        LINKS.inc()
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = link.reader = tasks.create_task(self._read(link, frames, tasks))
                writer = tasks.create_task(self._write(link, context))
                # The writer of a gate that does not read cannot see that: it waits in a write.
                cut = tasks.create_task(link.cut.wait())
                await asyncio.wait((reader, writer, cut), return_when=asyncio.FIRST_COMPLETED)
                if self._draining:
                    await asyncio.wait((writer, cut), return_when=asyncio.FIRST_COMPLETED)
                for task in (reader, writer, cut):
                    task.cancel()
                raise _Ended
        except* _Ended:
            pass
        finally:
            LINKS.dec()
            self._links.discard(link)
            for user_id in link.users:
                self._forget(link, user_id)
            if link.cut.is_set():
                CUT.inc()
                log.warning("link.cut", gate=link.gate_id)
            log.info("link.ended", gate=link.gate_id, users=len(link.users))

    async def _read(
        self,
        link: Link,
        frames: AsyncIterator[link_pb2.AttachRequest],
        tasks: asyncio.TaskGroup,
    ) -> None:
        async for frame in frames:
            if frame.gate_id:
                link.gate_id = frame.gate_id
                log.info("link.attached", gate=link.gate_id, users=len(frame.arrived_user_ids))
            for user_id in frame.arrived_user_ids:
                if user_id not in link.users:
                    link.users.add(user_id)
                    self._routes.setdefault(user_id, []).append(link)
            for user_id in frame.left_user_ids:
                if user_id in link.users:
                    link.users.discard(user_id)
                    self._forget(link, user_id)
            for request in frame.requests:
                if request.HasField("send"):
                    self._take_send(link, request)
                elif request.HasField("sync"):
                    tasks.create_task(self._answer_sync(link, request))
                else:
                    self._take_hint(link, request)

    def _take_hint(self, link: Link, request: link_pb2.DeviceRequest) -> None:
        """Does what needs no answer, or an empty one."""
        match request.WhichOneof("request"):
            case "read":
                wanted = Wanted(read_seq=request.read.seq)
                self.cursors.submit(request.user_id, request.read.conversation_id, wanted)
            case "received":
                wanted = Wanted(received_seq=request.received.seq)
                self.cursors.submit(request.user_id, request.received.conversation_id, wanted)
            case "typing":
                self._tell_typing(request)
            case "arrival":
                link.put(link_pb2.Delivery(answered_numbers=[request.number]))

    async def _write(self, link: Link, context: Any) -> None:
        while True:
            await link.wake.wait()
            link.wake.clear()
            waiting, link.outgoing, link.outgoing_bytes = link.outgoing, [], 0
            start = size = 0
            for end, delivery in enumerate(waiting, 1):
                size += len(delivery.frame)
                if size > FRAME_BYTES or end == len(waiting):
                    BATCH.observe(end - start)
                    await context.write(link_pb2.AttachResponse(deliveries=waiting[start:end]))
                    start, size = end, 0
            if link.leaving and not link.outgoing:
                return

    async def drain(self) -> None:
        """Takes no more requests, answers those that are here, and ends the links.

        A gate says to devices whose request came too late that chat was lost, and they send it
        again, to another pod.
        """
        self._draining = True
        for link in self._links:
            if link.reader:
                link.reader.cancel()
        await self.committer.idle()
        for link in self._links:
            link.leaving = True
            link.wake.set()

    def _forget(self, link: Link, user_id: str) -> None:
        links = self._routes[user_id]
        links.remove(link)
        if not links:
            del self._routes[user_id]

    def _take_send(self, link: Link, request: link_pb2.DeviceRequest) -> None:
        send = read_send(request.send, request.user_id, request.traceparent)
        asked = Asked(link, request.number, request.session_id)
        try:
            self.committer.submit(send, asked)
        except AppError as error:
            self.committed([Entry(send, asked, error)])

    async def _answer_sync(self, link: Link, request: link_pb2.DeviceRequest) -> None:
        for _ in range(DIFFERENCE_ATTEMPTS):
            try:
                await self._put_difference(link, request)
                return
            except AppError as error:
                # Parts that have left already come a second time, which does no harm.
                log.warning("sync.failed", reason=error.reason)
                await asyncio.sleep((error.retry_seconds or 1) * random.uniform(0.5, 1.5))
            except Exception as error:  # one device's trouble must not end the link of all
                log.error("sync.failed", exc_info=error)
                return

    async def _put_difference(self, link: Link, request: link_pb2.DeviceRequest) -> None:
        sync = request.sync
        known = Known(sync.heads, sync.user_version, sync.synced_at_micros)
        async with self._differences:
            async for part in self._chat.difference(request.user_id, known):
                last = isinstance(part, Caught) or part.reset
                frame = to_caught_up(part) if isinstance(part, Caught) else to_difference(part)
                link.put(
                    link_pb2.Delivery(
                        answered_numbers=[request.number], more_follow=not last, frame=frame
                    )
                )

    def _tell_typing(self, request: link_pb2.DeviceRequest) -> None:
        """Tells of somebody who writes; only where the conversation was used here lately."""
        conversation_id = request.typing.conversation_id
        audience = self.committer.last_known(conversation_id)
        if audience is None or request.user_id not in audience.users:
            return
        frame = gate_pb2.ConnectResponse()
        event = frame.events.add().typing_started
        event.conversation_id = conversation_id
        event.user_id = request.user_id
        others = tuple(user for user in audience.users if user != request.user_id)
        if len(others) < SMALL_GROUP:
            self._push(others, frame, link_pb2.Delivery(urgency=link_pb2.URGENCY_HINT))

    def committed(self, entries: list[Entry]) -> None:
        """Answers senders and pushes to members what one transaction stored."""
        # An answer has the outcomes of all of a session's sends; a push has the messages of
        # one conversation that came in a row from one session, so that order is kept.
        answers: dict[tuple[int, str], tuple[Asked, list[int], gate_pb2.ConnectResponse]] = {}
        pushes: list[tuple[str, str, tuple[str, ...], gate_pb2.ConnectResponse]] = []
        latest: dict[str, int] = {}
        for entry in entries:
            origin, outcome = entry.origin, entry.outcome
            session_id = ""
            if isinstance(origin, Asked):
                session_id = origin.session_id
                key = (id(origin.link), session_id)
                if key not in answers:
                    answers[key] = (origin, [], gate_pb2.ConnectResponse())
                _, numbers, frame = answers[key]
                numbers.append(origin.number)
                _write_outcome(entry, frame)
            elif not origin.done():
                origin.set_result(outcome)
            if entry.members and isinstance(outcome, Message):
                place = latest.get(outcome.conversation_id)
                if place is None or pushes[place][1] != session_id:
                    latest[outcome.conversation_id] = len(pushes)
                    push = gate_pb2.ConnectResponse()
                    pushes.append((outcome.conversation_id, session_id, entry.members, push))
                else:
                    push = pushes[place][3]
                write_message(outcome, push.events.add().message)
        for asked, numbers, frame in answers.values():
            asked.link.put(_answer(numbers, frame))
        for conversation_id, session_id, members, push in pushes:
            if len(members) <= SMALL_GROUP:
                self._push(members, push, link_pb2.Delivery(except_session_id=session_id))
                continue
            urgency = (
                link_pb2.URGENCY_FOCUS if len(members) <= LARGE_GROUP else link_pb2.URGENCY_HEAD
            )
            delivery = link_pb2.Delivery(
                urgency=urgency,
                conversation_id=conversation_id,
                last_seq=push.events[-1].message.seq,
                except_session_id=session_id,
            )
            if urgency == link_pb2.URGENCY_HEAD:
                push.Clear()
            self._push(members, push, delivery)

    def moved(self, cursors: list[Moved]) -> None:
        """Tells of cursors that moved: the two of a direct chat, and in a group the user alone."""
        for it in cursors:
            read, received = gate_pb2.ConnectResponse(), gate_pb2.ConnectResponse()
            if it.now.read_seq > it.before.read_seq:
                event = read.events.add().read_moved
                event.conversation_id = it.conversation_id
                event.user_id = it.user_id
                event.read_seq = it.now.read_seq
            if it.now.received_seq > it.before.received_seq:
                moved = received.events.add().received_moved
                moved.conversation_id = it.conversation_id
                moved.user_id = it.user_id
                moved.received_seq = it.now.received_seq
            if read.events and it.readers == it.members:
                read.MergeFrom(received)
                received.Clear()
            for users, frame in ((it.readers, read), (it.members, received)):
                if frame.events:
                    self._push(users, frame, link_pb2.Delivery())

    def changed(self, user_id: str, change: Change) -> None:
        """Tells the devices of a user of a change."""
        frame = gate_pb2.ConnectResponse()
        frame.events.add().user_change.MergeFromString(change.payload)
        self._push((user_id,), frame, link_pb2.Delivery())

    def _push(
        self, users: tuple[str, ...], frame: ProtoMessage, delivery: link_pb2.Delivery
    ) -> None:
        """Puts a frame for users to the gates that hold them, as `delivery` says."""
        targets: dict[Link, list[str]] = {}
        for user_id in users:
            for link in self._routes.get(user_id, ()):
                targets.setdefault(link, []).append(user_id)
        if not targets:
            return
        delivery.frame = frame.SerializeToString()
        for link, user_ids in targets.items():
            its_own = link_pb2.Delivery(user_ids=user_ids)
            its_own.MergeFrom(delivery)
            link.put(its_own)


class _Ended(Exception):
    """The link's stream has ended, one way or the other."""


def _answer(numbers: list[int], frame: gate_pb2.ConnectResponse) -> link_pb2.Delivery:
    return link_pb2.Delivery(answered_numbers=numbers, frame=frame.SerializeToString())


def _write_outcome(entry: Entry, frame: gate_pb2.ConnectResponse) -> None:
    outcome = entry.outcome
    if isinstance(outcome, Message):
        ack = frame.events.add().send_ack
        ack.conversation_id = outcome.conversation_id
        ack.client_message_id = outcome.client_message_id
        ack.seq = outcome.seq
        ack.created_at_micros = outcome.created_at
        return
    refused = frame.events.add().send_refused
    refused.conversation_id = entry.send.conversation_id
    refused.client_message_id = entry.send.client_message_id
    refused.refusal.code = status_code(outcome)
    refused.refusal.reason = outcome.reason
    refused.refusal.message = outcome.message
    if outcome.retry_seconds is not None:
        refused.refusal.retry_delay.CopyFrom(to_duration(outcome.retry_seconds))
