"""What gate does with sessions: open, route, hand out, and close them."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from hongyan.chat.v1 import conversation_pb2, link_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2
from prometheus_client import Counter, Gauge

from services.common.errors import AppError, Denied, Exhausted, Unavailable
from services.common.identity import Caller
from services.common.limits import LocalLimit
from services.gate import frames
from services.gate.session import Bounds, Session

Reason = gate_pb2.GoAwayReason

# A device has at most so many sends unanswered; its outbox keeps the rest.
SENDS_OPEN = 1_000
ANSWER_SECONDS = 10.0
SWEEP_SECONDS = 1.0
# After a link changes, devices sync in portions: nobody is forgotten and there is no storm.
RESYNC_PORTION = 50
RESYNC_PAUSE_SECONDS = 0.05

# A gate that stops asks at least so many devices a second to come back elsewhere.
DRAINED_A_SECOND = 50

# How often heads that wait are looked at.
HEADS_SECONDS = 0.25

SESSIONS = Gauge("hongyan_gate_sessions", "Devices that are connected.")
CLOSED = Counter("hongyan_gate_sessions_closed", "Sessions closed by the gate.", ["reason"])
SENDS = Counter("hongyan_gate_sends", "Messages taken from devices.")
PUSHES = Counter("hongyan_gate_pushes", "Push frames queued for devices.")
HEADS = Counter("hongyan_gate_heads", "Moves of heads of large groups, told or joined.")
UNANSWERED = Counter("hongyan_gate_sends_unanswered", "Sends refused since chat was lost or late.")

log = structlog.get_logger()


class ChatLink(Protocol):
    """One live stream to a chat pod, as these rules see it."""

    pending: "dict[int, Asked]"

    def ask(self, request: link_pb2.DeviceRequest, asked: "Asked | None") -> None:
        """Sends a request; if `asked`, its answer comes to Gate.deliver with this link."""


class ChatLinks(Protocol):
    """The live streams to all chat pods."""

    def choose(self, conversation_id: str) -> ChatLink | None: ...
    def live(self) -> Iterable[ChatLink]: ...
    def arrived(self, user_id: str) -> None: ...
    def left(self, user_id: str) -> None: ...


class Watches(Protocol):
    """Whose presence each session shows."""

    def watch(self, session: Session, user_ids: Iterable[str]) -> None: ...
    def forget(self, session: Session) -> None: ...


class Asked:
    """A request that chat has not answered, and who asked."""

    __slots__ = ("asked_at", "request", "session")

    def __init__(self, session: Session, request: Any, asked_at: float) -> None:
        self.session = session
        self.request = request
        self.asked_at = asked_at


class Barrier:
    """A sync that waits until every chat pod knows that its user is here.

    Else a pod that hears of it late could store a message after the difference was read and
    push it to nobody, and the device would not notice before the next one.
    """

    __slots__ = ("left", "sync")

    def __init__(self, sync: gate_pb2.Sync, left: int) -> None:
        self.sync = sync
        self.left = left


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a user may send and a device may send, move cursors, and say it is typing."""

    send: LocalLimit
    send_device: LocalLimit
    cursors: LocalLimit
    typing: LocalLimit


class Gate:
    """All sessions of this gate.

    Times are seconds of `now`, a monotonic clock.
    """

    def __init__(
        self,
        links: ChatLinks,
        *,
        bounds: Bounds,
        now: Callable[[], float],
        limits: Limits,
        watching: Watches,
        idle_seconds: float,
        slow_seconds: float,
    ) -> None:
        self._links = links
        self._bounds = bounds
        self._now = now
        self._user_limit, self._device_limit = limits.send, limits.send_device
        self._cursor_limit, self._typing_limit = limits.cursors, limits.typing
        self._idle_seconds = idle_seconds
        self._slow_seconds = slow_seconds
        self._sessions: dict[str, Session] = {}
        self._by_user: dict[str, list[Session]] = {}
        # Replaced by newer streams, and not ended yet.
        self._replaced: set[Session] = set()
        self._watching = watching
        self._with_heads: set[Session] = set()
        self._waiting_syncs: dict[Session, gate_pb2.Sync] = {}
        self._resync = asyncio.Event()
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    # Sessions

    def open(self, caller: Caller) -> Session:
        """Opens a session, instead of an older stream of the same one."""
        if self._draining:
            raise Unavailable("DRAINING", "this gate stops: connect again", retry_seconds=1)
        if older := self._sessions.get(caller.session_id):
            self._close(older, Reason.GO_AWAY_REASON_REPLACED, 0)
            self._drop(older)
            self._replaced.add(older)
        session = Session(caller, self._bounds, self._now)
        self._sessions[session.session_id] = session
        self._empty.clear()
        users = self._by_user.setdefault(session.user_id, [])
        users.append(session)
        if len(users) == 1:
            self._links.arrived(session.user_id)
        SESSIONS.set(len(self._sessions))
        return session

    def closed(self, session: Session) -> None:
        """Forgets a session whose stream has ended."""
        session.closing = True
        self._replaced.discard(session)
        if self._sessions.get(session.session_id) is session:
            self._drop(session)

    def _drop(self, session: Session) -> None:
        del self._sessions[session.session_id]
        self._waiting_syncs.pop(session, None)
        self._watching.forget(session)
        users = self._by_user[session.user_id]
        users.remove(session)
        if not users:
            del self._by_user[session.user_id]
            self._links.left(session.user_id)
        if not self._sessions:
            self._empty.set()
        SESSIONS.set(len(self._sessions))

    def user_ids(self) -> list[str]:
        """Lists the users that have a session here."""
        return list(self._by_user)

    def session_count(self) -> int:
        """Returns how many sessions are open."""
        return len(self._sessions)

    def end_sessions(self, session_ids: frozenset[str]) -> None:
        """Closes streams whose session was ended."""
        for session_id in session_ids:
            if session := self._sessions.get(session_id):
                self._close(session, Reason.GO_AWAY_REASON_SESSION_ENDED, 0)

    def _close(
        self, session: Session, reason: gate_pb2.GoAwayReason.ValueType, reconnect_seconds: float
    ) -> None:
        if not session.closing:
            CLOSED.labels(Reason.Name(reason)).inc()
            session.close(reason, reconnect_seconds)

    # What devices ask

    def send(self, session: Session, request: message_pb2.SendRequest, traceparent: str) -> None:
        """Passes a message on to chat; the answer comes later."""
        try:
            if not session.may_write:
                raise Denied("SCOPE_MISSING", "the bot's token does not hold SCOPE_WRITE")
            self._user_limit.take(session.user_id)
            self._device_limit.take(session.session_id)
            if session.sends_open >= SENDS_OPEN:
                raise Exhausted(
                    "TOO_MANY_UNANSWERED", f"{SENDS_OPEN} sends are unanswered", retry_seconds=1
                )
            link = self._links.choose(request.conversation_id)
            if link is None:
                raise Unavailable("CHAT_AWAY", "chat cannot be reached", retry_seconds=0.5)
        except AppError as error:
            self._refuse(session, request, error)
            return
        SENDS.inc()
        session.sends_open += 1
        link.ask(
            link_pb2.DeviceRequest(
                user_id=session.user_id,
                session_id=session.session_id,
                send=request,
                traceparent=traceparent,
            ),
            Asked(session, request, self._now()),
        )

    def read(self, session: Session, request: conversation_pb2.MarkReadRequest) -> None:
        """Passes a read cursor on to chat; nothing comes back to ask for."""
        if session.may_write:
            self._ask_cursor(session, request.conversation_id, link_pb2.DeviceRequest(read=request))

    def received(self, session: Session, request: gate_pb2.Received) -> None:
        """Passes a received cursor on to chat; nothing comes back to ask for."""
        cursor = link_pb2.MarkReceivedRequest(
            conversation_id=request.conversation_id, seq=request.seq
        )
        self._ask_cursor(session, request.conversation_id, link_pb2.DeviceRequest(received=cursor))

    def typing(self, session: Session, request: gate_pb2.Typing) -> None:
        """Passes on to chat that a user writes; too often is once."""
        if not session.may_write:
            return
        try:
            self._typing_limit.take(f"{session.user_id} {request.conversation_id}")
        except Exhausted:
            return
        if link := self._links.choose(request.conversation_id):
            typing = link_pb2.TypingRequest(conversation_id=request.conversation_id)
            link.ask(
                link_pb2.DeviceRequest(
                    user_id=session.user_id, session_id=session.session_id, typing=typing
                ),
                None,
            )

    def _ask_cursor(
        self, session: Session, conversation_id: str, request: link_pb2.DeviceRequest
    ) -> None:
        """Passes a cursor on, unless the device moves them too often: they are hints."""
        try:
            self._cursor_limit.take(session.session_id)
        except Exhausted:
            return
        if link := self._links.choose(conversation_id):
            request.user_id, request.session_id = session.user_id, session.session_id
            link.ask(request, None)

    def watch(self, session: Session, user_ids: Iterable[str]) -> None:
        """Makes a device be told of the presence of these users, and no others."""
        self._watching.watch(session, user_ids)

    def hello(self, session: Session, sync: gate_pb2.Sync) -> None:
        """Asks chat for the first difference; pushes have been waiting for it."""
        session.greeted = True
        session.start_sync()
        self._ask_sync(session, sync)

    def sync(self, session: Session, sync: gate_pb2.Sync) -> None:
        """Asks chat what the device lacks; pushes wait until that is queued."""
        if session.syncing:
            # One at a time: the newest wish is asked when this one is answered.
            session.sync_wanted = sync
            return
        session.start_sync()
        self._ask_sync(session, sync)

    def _ask_sync(self, session: Session, sync: gate_pb2.Sync) -> None:
        link = self._links.choose(session.user_id)
        if link is None:
            self._waiting_syncs[session] = sync
            return
        others = [other for other in self._links.live() if other is not link]
        if not others:
            self._ask_difference(link, session, sync)
            return
        barrier = Barrier(sync, len(others))
        for other in others:
            other.ask(
                link_pb2.DeviceRequest(
                    user_id=session.user_id,
                    session_id=session.session_id,
                    arrival=link_pb2.Arrival(),
                ),
                Asked(session, barrier, self._now()),
            )

    def _pass(self, session: Session, barrier: Barrier) -> None:
        """One pod more knows of the user, or is gone."""
        barrier.left -= 1
        if barrier.left or session.closing:
            return
        if link := self._links.choose(session.user_id):
            self._ask_difference(link, session, barrier.sync)
        else:
            self._waiting_syncs[session] = barrier.sync

    def _ask_difference(self, link: ChatLink, session: Session, sync: gate_pb2.Sync) -> None:
        heads = {head.conversation_id: head.seq for head in sync.heads}
        link.ask(
            link_pb2.DeviceRequest(
                user_id=session.user_id,
                session_id=session.session_id,
                sync=link_pb2.SyncRequest(
                    heads=heads,
                    user_version=sync.user_version,
                    synced_at_micros=sync.synced_at_micros,
                ),
            ),
            Asked(session, sync, self._now()),
        )

    def _refuse(self, session: Session, request: message_pb2.SendRequest, error: AppError) -> None:
        session.answer(
            frames.send_refused(request.conversation_id, request.client_message_id, error)
        )

    # What chat says

    def deliver(self, link: ChatLink, delivery: link_pb2.Delivery) -> None:
        """Hands an answer to who asked, or a push to every session of its users."""
        frame = delivery.frame
        if delivery.user_ids:
            self._hand_out(delivery)
            return
        answered: Asked | None = None
        for number in delivery.answered_numbers:
            asked = link.pending.get(number)
            if asked is None:  # too late: the device was told to send again
                continue
            if isinstance(asked.request, Barrier):
                del link.pending[number]
                self._pass(asked.session, asked.request)
                continue
            answered = asked
            if not delivery.more_follow:
                del link.pending[number]
                if not isinstance(asked.request, gate_pb2.Sync):
                    asked.session.sends_open -= 1
        if answered is None:
            return
        answered.session.answer(frame)
        if isinstance(answered.request, gate_pb2.Sync):
            answered.session.synced_at = self._now()
            if not delivery.more_follow:
                self._end_sync(answered.session)

    def _hand_out(self, delivery: link_pb2.Delivery) -> None:
        """Hands a push to the sessions of its users, as its urgency says."""
        frame, urgency = delivery.frame, delivery.urgency
        except_session_id = delivery.except_session_id
        for user_id in delivery.user_ids:
            for session in self._by_user.get(user_id, ()):
                if session.session_id == except_session_id:
                    continue
                if urgency == link_pb2.URGENCY_UNSPECIFIED:
                    session.push(frame)
                    PUSHES.inc()
                elif urgency == link_pb2.URGENCY_HINT:
                    session.hint(frame)
                elif (
                    urgency == link_pb2.URGENCY_FOCUS and session.focus == delivery.conversation_id
                ):
                    session.push(frame)
                    PUSHES.inc()
                else:
                    session.head_moved(delivery.conversation_id, delivery.last_seq)
                    self._with_heads.add(session)
                    HEADS.inc()

    async def tell_heads(self) -> None:
        """Tells devices of heads that moved again within a second of being told."""
        while True:
            await asyncio.sleep(HEADS_SECONDS)
            for session in list(self._with_heads):
                session.tell_heads()
                if session.closing or not session.heads:
                    self._with_heads.discard(session)

    def _end_sync(self, session: Session) -> None:
        session.end_sync()
        if wanted := session.sync_wanted:
            session.sync_wanted = None
            self.sync(session, wanted)

    def link_up(self) -> None:
        """A chat pod is attached: what it pushed before may have missed this gate."""
        waiting, self._waiting_syncs = self._waiting_syncs, {}
        for session, sync in waiting.items():
            self._ask_sync(session, sync)
        self._resync.set()

    def link_lost(self, link: ChatLink) -> None:
        """A chat pod is gone: nobody knows what became of the requests it had."""
        pending, link.pending = link.pending, {}
        lost = Unavailable("CHAT_LOST", "chat was lost: send it again", retry_seconds=0.2)
        for asked in pending.values():
            if isinstance(asked.request, gate_pb2.Sync):
                if not asked.session.closing:
                    self._ask_sync(asked.session, asked.request)
            elif isinstance(asked.request, Barrier):
                self._pass(asked.session, asked.request)
            else:
                asked.session.sends_open -= 1
                UNANSWERED.inc()
                self._refuse(asked.session, asked.request, lost)
        self._resync.set()

    # Upkeep

    async def resync(self) -> None:
        """After each change of links, tells every session to sync, a portion at a time."""
        while True:
            await self._resync.wait()
            self._resync.clear()
            sessions = list(self._sessions.values())
            for start in range(0, len(sessions), RESYNC_PORTION):
                for session in sessions[start : start + RESYNC_PORTION]:
                    session.push(frames.NEED_SYNC) if session.syncing else session.need_sync()
                await asyncio.sleep(RESYNC_PAUSE_SECONDS)

    async def sweep(self) -> None:
        """Once a second: ends silent and slow sessions, and answers what chat never did."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self._now()
            for session in [*self._sessions.values(), *self._replaced]:
                if session.full or (
                    session.writing_since is not None
                    and now - session.writing_since > self._slow_seconds
                ):
                    self._close(session, Reason.GO_AWAY_REASON_TOO_SLOW, 1)
                    session.abort()
                elif now - session.heard_at > self._idle_seconds:
                    self._close(session, Reason.GO_AWAY_REASON_IDLE, 0)
                elif session.syncing and now - session.synced_at > ANSWER_SECONDS:
                    self._close(session, Reason.GO_AWAY_REASON_DRAINING, random.uniform(0, 2))
            for link in self._links.live():
                self._answer_late(link, now)

    def _answer_late(self, link: ChatLink, now: float) -> None:
        late = Unavailable("CHAT_LATE", "chat did not answer: send it again", retry_seconds=1)
        expired = []
        for number, asked in link.pending.items():
            if now - asked.asked_at <= ANSWER_SECONDS:
                break  # they are in the order in which they were asked
            expired.append((number, asked))
        for number, asked in expired:
            if isinstance(asked.request, gate_pb2.Sync) and not asked.session.closing:
                continue  # parts of it may still come; the session's own time decides
            del link.pending[number]
            if isinstance(asked.request, Barrier):
                self._pass(asked.session, asked.request)
                continue
            if not isinstance(asked.request, gate_pb2.Sync):
                asked.session.sends_open -= 1
                UNANSWERED.inc()
                self._refuse(asked.session, asked.request, late)

    async def drain(self, spread_seconds: float, patience_seconds: float) -> None:
        """Asks every device to come back elsewhere, each in its turn, and waits for the last.

        Until its turn a device is served as ever. Few devices are asked sooner.
        """
        self._draining = True
        sessions = list(self._sessions.values())
        random.shuffle(sessions)
        log.info("gate.draining", sessions=len(sessions))
        spread_seconds = min(spread_seconds, len(sessions) / DRAINED_A_SECOND)
        started = asyncio.get_running_loop().time()
        for place, session in enumerate(sessions):
            await self._emptied_by(started + spread_seconds * place / len(sessions))
            self._close(session, Reason.GO_AWAY_REASON_DRAINING, random.uniform(0, 1))
        await self._emptied_by(asyncio.get_running_loop().time() + patience_seconds)

    async def _emptied_by(self, moment: float) -> None:
        """Waits for a moment of the loop's clock, or until no session is left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(moment):
                await self._empty.wait()
