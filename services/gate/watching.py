"""Whose presence devices show: asked of status for all of them at once, told when it changes.

Nothing is told because somebody reconnects: who goes offline is told so only after a while, and
a device gets at most one frame of presences in each round.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import grpc
import structlog
from hongyan.gate.v1 import gate_pb2
from hongyan.status.v1 import directory_pb2, directory_pb2_grpc, presence_pb2
from prometheus_client import Counter, Gauge

from services.common import calls
from services.gate.session import Session

PAGE = 1_000
ROUND_SECONDS = 1.0

WATCHED = Gauge("hongyan_gate_watched_users", "Users whose presence devices show.")
TOLD = Counter("hongyan_gate_presence_frames", "Frames with presences.")

State = presence_pb2.PresenceState
Look = Callable[[Sequence[str]], "asyncio.Future[list[presence_pb2.Presence]]"]

log = structlog.get_logger()


@dataclass(slots=True)
class Known:
    """What devices were told of a user, and since when that is no longer so."""

    told: presence_pb2.Presence
    offline_since: float | None = None


class Watching:
    """The watches of all sessions of a gate. `now` is a monotonic clock in seconds."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        internal_key: str,
        now: Callable[[], float],
        offline_seconds: float,
    ) -> None:
        self._stub = directory_pb2_grpc.DirectoryServiceStub(channel)
        self._metadata = calls.internal_metadata(internal_key)
        self._now = now
        self._offline_seconds = offline_seconds
        self._watched: dict[Session, frozenset[str]] = {}
        self._new: dict[Session, set[str]] = {}
        self._known: dict[str, Known] = {}
        # Kept over a round that fails half-way: what is known has changed already.
        self._changed: set[str] = set()
        self._wake = asyncio.Event()

    def watch(self, session: Session, user_ids: Iterable[str]) -> None:
        """Makes a session watch these users and no others; it is told of all of them soon."""
        users = frozenset(user_ids)
        if users:
            self._watched[session] = users
            self._new[session] = set(users)
            self._wake.set()
        else:
            self.forget(session)

    def forget(self, session: Session) -> None:
        """Ends a session's watch."""
        self._watched.pop(session, None)
        self._new.pop(session, None)

    async def run(self) -> None:
        """Looks round after round; while nobody watches it rests."""
        while True:
            await self._wake.wait()
            try:
                await self.look()
            except grpc.aio.AioRpcError as error:
                log.warning("presence.unknown", why=error.code().name)
            if not self._watched:
                # What is known grows old while nobody asks.
                self._known.clear()
                self._changed.clear()
                self._wake.clear()
            await asyncio.sleep(ROUND_SECONDS)

    async def look(self) -> None:
        """Asks who is online, and tells each session what is new to it."""
        new, self._new = self._new, {}
        wanted = set().union(*self._watched.values())
        WATCHED.set(len(wanted))
        for user_id in self._known.keys() - wanted:
            del self._known[user_id]
        try:
            await self._ask(sorted(wanted))
        except BaseException:
            self._new = new | self._new
            raise
        changed, self._changed = self._changed, set()
        for session, users in self._watched.items():
            tell = (users & changed & self._known.keys()) | (
                new.get(session, set()) & users & self._known.keys()
            )
            if tell and not session.closing:
                presences = [self._known[user_id].told for user_id in sorted(tell)]
                event = gate_pb2.ServerEvent(presences=gate_pb2.Presences(presences=presences))
                session.push(gate_pb2.ConnectResponse(events=[event]).SerializeToString())
                TOLD.inc()

    async def _ask(self, user_ids: list[str]) -> None:
        """Brings what is known up to date, and notes of whom there is something to tell."""
        for start in range(0, len(user_ids), PAGE):
            answer = await self._stub.Look(
                directory_pb2.LookRequest(user_ids=user_ids[start : start + PAGE]),
                metadata=self._metadata,
                timeout=calls.DEADLINE_SECONDS,
            )
            self._changed |= {it.user_id for it in answer.presences if self._take(it)}

    def _take(self, seen: presence_pb2.Presence) -> bool:
        """Takes what status says of a user; returns whether devices are to be told."""
        known = self._known.get(seen.user_id)
        if known is None:
            self._known[seen.user_id] = Known(seen)
            return True
        before = known.told.state
        if seen.state == State.PRESENCE_STATE_OFFLINE and before == State.PRESENCE_STATE_ONLINE:
            if known.offline_since is None:
                known.offline_since = self._now()
            if self._now() - known.offline_since < self._offline_seconds:
                return False
        elif seen.state == State.PRESENCE_STATE_UNSPECIFIED:
            return False  # not known for the moment: what was told stands
        known.offline_since = None
        known.told = seen
        return seen.state != before
