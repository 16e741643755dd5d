"""Whose presence devices show: asked of status for all of them at once, told when it changes.

Status says who is online; who goes is told of only after a while, so nothing is told because
somebody reconnects. A device gets at most one frame of presences in each round.
"""

import asyncio
from collections.abc import Callable, Iterable
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
# A status that has lost everything knows it again before: gates renew at a third of a lease.
FORGOTTEN_SECONDS = 25.0

WATCHED = Gauge("hongyan_gate_watched_users", "Users whose presence devices show.")
TOLD = Counter("hongyan_gate_presence_frames", "Frames with presences.")

State = presence_pb2.PresenceState

log = structlog.get_logger()


@dataclass(slots=True)
class Known:
    """What devices were told of a user: the truth, and whether it is for the user alone."""

    told: presence_pb2.Presence
    hidden: bool
    forgotten_since: float | None = None
    """Since when status knows nothing of a user who was online."""

    def shown_to(self, user_id: str, *, blind: bool) -> presence_pb2.Presence:
        """Returns what a device of a user may see; `blind`: they hide their own presence."""
        if user_id == self.told.user_id or not (self.hidden or blind):
            return self.told
        state = State.PRESENCE_STATE_OFFLINE if self.hidden else self.told.state
        return presence_pb2.Presence(user_id=self.told.user_id, state=state)


class Watching:
    """The watches of all sessions of a gate. `now` is a monotonic clock in seconds."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        internal_key: str,
        now: Callable[[], float],
    ) -> None:
        self._stub = directory_pb2_grpc.DirectoryServiceStub(channel)
        self._metadata = calls.internal_metadata(internal_key)
        self._now = now
        self._watched: dict[Session, frozenset[str]] = {}
        self._new: dict[Session, set[str]] = {}
        self._known: dict[str, Known] = {}
        # Kept over a round that fails half-way: what is known has changed already. Of whom
        # everybody is told, and who is told of themself.
        self._changed: set[str] = set()
        self._changed_own: set[str] = set()
        self._blind: set[str] = set()
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
                self._changed_own.clear()
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
        own, self._changed_own = self._changed_own, set()
        for session, users in self._watched.items():
            tell = users & (changed | new.get(session, set()) | (own & {session.user_id}))
            if (tell := tell & self._known.keys()) and not session.closing:
                self._tell(session, sorted(tell))

    def _tell(self, session: Session, user_ids: list[str]) -> None:
        blind = session.user_id in self._blind
        presences = [self._known[it].shown_to(session.user_id, blind=blind) for it in user_ids]
        event = gate_pb2.ServerEvent(presences=gate_pb2.Presences(presences=presences))
        session.push(gate_pb2.ConnectResponse(events=[event]).SerializeToString())
        TOLD.inc()

    async def _ask(self, user_ids: list[str]) -> None:
        """Brings what is known up to date, and notes of whom there is something to tell."""
        viewers = sorted({session.user_id for session in self._watched})
        blind: set[str] = set()
        for start in range(0, max(len(user_ids), len(viewers)), PAGE):
            answer = await self._stub.Look(
                directory_pb2.LookRequest(
                    user_ids=user_ids[start : start + PAGE],
                    viewer_ids=viewers[start : start + PAGE],
                ),
                metadata=self._metadata,
                timeout=calls.DEADLINE_SECONDS,
            )
            hidden = set(answer.hidden_user_ids)
            blind |= hidden
            for seen in answer.presences:
                self._take(seen, hidden=seen.user_id in hidden)
        self._blind = blind

    def _take(self, seen: presence_pb2.Presence, *, hidden: bool) -> None:
        """Takes what status says of a user, and notes who is to be told."""
        known = self._known.get(seen.user_id)
        if known is None:
            self._known[seen.user_id] = Known(seen, hidden)
            self._changed.add(seen.user_id)
            return
        if seen.state == State.PRESENCE_STATE_UNSPECIFIED or self._forgotten(known, seen):
            seen = known.told  # not known for the moment: what was told stands
        before, shown = known.told.state, _public(known.told, hidden=known.hidden)
        known.told, known.hidden = seen, hidden
        if _public(seen, hidden=hidden) != shown:
            self._changed.add(seen.user_id)
        elif seen.state != before:
            self._changed_own.add(seen.user_id)

    def _forgotten(self, known: Known, seen: presence_pb2.Presence) -> bool:
        """Whether status has lost what it knew, and is soon told again by the gates."""
        online = known.told.state == State.PRESENCE_STATE_ONLINE
        if not online or seen.state != State.PRESENCE_STATE_OFFLINE or seen.HasField("active_at"):
            known.forgotten_since = None
            return False
        if known.forgotten_since is None:
            known.forgotten_since = self._now()
        return self._now() - known.forgotten_since < FORGOTTEN_SECONDS


def _public(presence: presence_pb2.Presence, *, hidden: bool) -> int:
    return State.PRESENCE_STATE_OFFLINE if hidden else presence.state
