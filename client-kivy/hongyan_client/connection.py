"""Keeps the live stream: connects, applies what comes, reconnects with back-off, and ends."""

import asyncio
import contextlib
import logging
import random
import sqlite3
from collections.abc import Callable, Iterable

from hongyan.chat.v1 import conversation_pb2
from hongyan.gate.v1 import gate_pb2

from hongyan_client.account import AccountCalls
from hongyan_client.cache import Cache
from hongyan_client.cache_outbox import READ, Cursor
from hongyan_client.channel import Channel
from hongyan_client.convert import to_error, to_message, to_presence, to_send
from hongyan_client.errors import (
    HongyanError,
    NotLoggedIn,
    QueueFull,
    ServerError,
    Unauthenticated,
    WentAway,
    seconds,
)
from hongyan_client.frames import fitting_heads
from hongyan_client.model import (
    CaughtUp,
    ConnectionChanged,
    ConnectionState,
    Event,
    Message,
    Presence,
    PresenceChanged,
    SignedOut,
    TypingStarted,
)
from hongyan_client.outbox import Outbox
from hongyan_client.stream import Stream
from hongyan_client.sync import Spawn, Sync

FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 20.0
CURSOR_SECONDS = 0.3
TYPING_SECONDS = 2.0
MAX_WATCHED = 200

FINAL_REASONS = {
    gate_pb2.GO_AWAY_REASON_REPLACED: "REPLACED",
    gate_pb2.GO_AWAY_REASON_SESSION_ENDED: "SESSION_ENDED",
}

log = logging.getLogger("hongyan_client")


class Connection:
    """The one stream of this device. `run` is its only loop; what it learns goes to sync and
    outbox, which with `refused` are set before `run`.
    """

    sync: Sync
    outbox: Outbox
    refused: Callable[[str, ServerError], None]
    """Told of each refusal without a delay, before the outbox is."""

    def __init__(
        self,
        channel: Channel,
        account: AccountCalls,
        cache: Cache,
        publish: Callable[[Event], None],
        spawn: Spawn,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._channel = channel
        self._account = account
        self._cache = cache
        self._publish = publish
        self._spawn = spawn
        self._jitter = jitter
        self._stream: Stream | None = None
        self._away: gate_pb2.GoAway | None = None
        self._deadline: asyncio.Timeout | None = None
        self._attempt = 0
        self._penalty = 0
        self._syncing = False
        self._sync_again = False
        self._cursor_timer: asyncio.TimerHandle | None = None
        self._cursors_on_way: tuple[int, list[Cursor]] | None = None
        self._watched: tuple[str, ...] = ()
        self._typed: dict[str, float] = {}
        self.presences: dict[str, Presence] = {}
        """What was told of the users that are watched."""
        self._wake = asyncio.Event()
        self._waiting: set[asyncio.Future[None]] = set()
        self.state = ConnectionState.OFFLINE
        self.end_reason = ""
        """Why the connection will not come back: REPLACED, SESSION_ENDED, …"""
        self.is_caught_up = False

    async def run(self) -> None:
        """Connects again and again until the session ends or another stream replaces it."""
        stale = ""
        while not self.end_reason:
            self._set_state(ConnectionState.CONNECTING)
            token, delay = "", None
            try:
                token = await self._account.access_token(stale=stale)
                stale = ""
                await self._live(token)
            except NotLoggedIn:
                self.end("SIGNED_OUT", ConnectionState.SIGNED_OUT)
                return
            except Unauthenticated:
                stale = token
            except WentAway as away:
                if away.reason in FINAL_REASONS:
                    self._end_for(away.reason)
                    return
                delay = away.reconnect_seconds
            except ServerError as error:
                log.info("connection lost: %s", error)
                delay = self._backoff() + (error.retry_delay or 0.0)
            except (HongyanError, sqlite3.Error) as error:
                log.info("connection lost: %s", error)
            if delay is None:
                delay = self._backoff()
            self._set_state(ConnectionState.OFFLINE)
            self._wake.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _backoff(self) -> float:
        """Full jitter: anything up to a bound that doubles with each failure."""
        bound = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(self._attempt, 12))
        self._attempt += 1
        return float(self._jitter() * bound)

    def reconnect_now(self) -> None:
        """Cuts a wait short, such as when the network is back or the user asks."""
        self._wake.set()

    async def _live(self, token: str) -> None:
        """Lives through one stream, from Hello to its end."""
        async with Stream(self._channel, token) as stream:
            await stream.open(self._known())
            self._stream, self._away = stream, None
            self._syncing, self._sync_again = True, False
            self._set_state(ConnectionState.ONLINE)
            try:
                self.outbox.connected()
                self.flush_cursors()
                if self._watched:
                    self.watch(self._watched)
                if self.sync.focus:
                    self.focus(self.sync.focus)
                # After a GoAway the stream is used until its server ends it, but not longer
                # than until the time to connect again has come.
                async with asyncio.timeout(None) as self._deadline:
                    while (frame := await stream.receive()) is not None:
                        self._apply(frame)
            except TimeoutError:
                if self._away is None:
                    raise
            except HongyanError as error:
                if self._away is None or isinstance(error, WentAway):
                    raise
            finally:
                self._lose_stream()
        if self._away is not None:
            remaining = self._remaining()
            raise WentAway(self._away.reason, remaining)

    def _remaining(self) -> float:
        assert self._deadline is not None
        when = self._deadline.when() or 0.0
        return max(0.0, when - asyncio.get_running_loop().time())

    def _lose_stream(self) -> None:
        self._stream = None
        self._cursors_on_way = None
        self.is_caught_up = False
        self.outbox.disconnected()

    def settle(self, client_message_id: str) -> None:
        """Hands on to the outbox that the log holds a message."""
        self.outbox.settled(client_message_id)

    def transmit(self, message: Message) -> bool:
        """Puts a message on the stream; returns whether there is one with room."""
        if self._stream is None:
            return False
        try:
            self._stream.send(gate_pb2.ClientEvent(send=to_send(message)))
        except QueueFull:
            return False
        return True

    def _apply(self, frame: gate_pb2.ConnectResponse) -> None:
        """Takes a frame as one transaction of the cache."""
        with self._cache.transaction():
            for event in frame.events:
                self._apply_event(event)

    def _apply_event(self, event: gate_pb2.ServerEvent) -> None:
        kind = event.WhichOneof("event")
        if kind in ("message", "presences", "typing_started"):
            self._apply_news(event)
        elif kind == "send_ack":
            self._penalty = 0
            self.sync.apply_ack(event.send_ack)
        elif kind == "send_refused":
            error = to_error(event.send_refused.refusal)
            if error.retry_delay is None:
                self.refused(event.send_refused.client_message_id, error)
            self.outbox.refused(event.send_refused.client_message_id, error)
        elif kind == "difference":
            self._apply_difference(event.difference)
        elif kind == "caught_up":
            self.sync.apply_caught_up(event.caught_up)
            self._caught_up()
        elif kind == "need_sync":
            self.request_sync()
        elif kind in ("read_moved", "received_moved", "head_moved", "user_change"):
            getattr(self.sync, f"apply_{kind}")(getattr(event, kind))
        elif kind == "go_away":
            self._go_away(event.go_away)
        elif kind == "pong":
            self._pong(event.pong.nonce)
        elif kind == "frame_refused":
            # Nothing in the frame was done, and it does not say which one: start anew, and
            # slower each time until something is stored.
            self._penalty += 1
            raise to_error(event.frame_refused.refusal)

    def _apply_news(self, event: gate_pb2.ServerEvent) -> None:
        """Takes what others do: they write, begin to write, come and go."""
        if event.HasField("message"):
            self.sync.apply_message(to_message(event.message))
        elif event.HasField("typing_started"):
            typing = event.typing_started
            self._publish(TypingStarted(typing.conversation_id, typing.user_id))
        for it in event.presences.presences:
            presence = self.presences[it.user_id] = to_presence(it)
            self._publish(PresenceChanged(presence))

    def _apply_difference(self, difference: gate_pb2.Difference) -> None:
        if difference.reset:
            self.sync.apply_reset()
            self._syncing = False
            self.request_sync()
            return
        for change in difference.user_changes:
            self.sync.apply_user_change(change)
        for conversation in difference.conversations:
            self.sync.apply_difference(conversation)

    def _known(self) -> gate_pb2.Sync:
        """Returns what this device has."""
        sync = fitting_heads(self.sync.hello())
        sync.user_version, sync.synced_at_micros = self.sync.known()
        return sync

    def watch(self, user_ids: Iterable[str]) -> None:
        """Has the presence of these users told, and of no others."""
        self._watched = tuple(dict.fromkeys(user_ids))[:MAX_WATCHED]
        for user_id in self.presences.keys() - set(self._watched):
            del self.presences[user_id]
        self._say(gate_pb2.ClientEvent(watch=gate_pb2.Watch(user_ids=self._watched)))

    def focus(self, conversation_id: str) -> None:
        """Says which conversation is shown."""
        self.sync.focus = conversation_id
        self._say(gate_pb2.ClientEvent(focus=gate_pb2.Focus(conversation_id=conversation_id)))

    def typing(self, conversation_id: str) -> None:
        """Says that the user is writing; at most once in two seconds."""
        now = asyncio.get_running_loop().time()
        if now - self._typed.get(conversation_id, -TYPING_SECONDS) < TYPING_SECONDS:
            return
        self._typed = {conversation_id: now}
        self._say(gate_pb2.ClientEvent(typing=gate_pb2.Typing(conversation_id=conversation_id)))

    def _say(self, event: gate_pb2.ClientEvent) -> None:
        """Says something that is not worth waiting for."""
        if self._stream is not None:
            with contextlib.suppress(QueueFull):
                self._stream.send(event)

    def request_sync(self) -> None:
        """Asks for the difference; while one is under way, once more after it."""
        if self._stream is None:
            return
        if self._syncing:
            self._sync_again = True
            return
        self._syncing, self._sync_again = True, False
        self._stream.send(gate_pb2.ClientEvent(sync=self._known()))

    def _caught_up(self) -> None:
        self._attempt = self._penalty
        self._syncing = False
        if self._sync_again:
            self.request_sync()
        elif self.sync.whole.is_set():
            self._tell_caught_up()
        else:
            self._spawn(self._wait_until_whole(self._stream))

    async def _wait_until_whole(self, stream: Stream | None) -> None:
        await self.sync.whole.wait()
        if self._stream is stream and not self._syncing:
            self._tell_caught_up()

    def _tell_caught_up(self) -> None:
        if self.is_caught_up:
            return
        self.is_caught_up = True
        self._publish(CaughtUp())
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_caught_up(self) -> None:
        """Waits until all that the server had is here; raises when that will not come."""
        if self.is_caught_up:
            return
        self._raise_if_ended()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)
        self._raise_if_ended()

    def _raise_if_ended(self) -> None:
        if self.state is ConnectionState.SIGNED_OUT:
            raise NotLoggedIn("the session has ended; log in again")
        if self.end_reason:
            raise WentAway(gate_pb2.GO_AWAY_REASON_REPLACED, 0.0)

    def _go_away(self, away: gate_pb2.GoAway) -> None:
        reconnect_seconds = seconds(away.reconnect_after)
        if away.reason in FINAL_REASONS:
            raise WentAway(away.reason, reconnect_seconds)
        if self._away is None and self._deadline is not None:
            self._away = away
            loop = asyncio.get_running_loop()
            self._deadline.reschedule(loop.time() + reconnect_seconds)

    def _end_for(self, reason: int) -> None:
        if reason == gate_pb2.GO_AWAY_REASON_SESSION_ENDED:
            self._account.forget()
            self._publish(SignedOut("SESSION_ENDED"))
            self.end("SESSION_ENDED", ConnectionState.SIGNED_OUT)
        else:
            self.end("REPLACED", ConnectionState.OFFLINE)

    def end(self, reason: str, state: ConnectionState) -> None:
        """Notes that the connection is over for good, and wakes who waits for it."""
        self.end_reason = self.end_reason or reason
        self._set_state(state, reason)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _set_state(self, state: ConnectionState, reason: str = "") -> None:
        if self.state is not state or reason:
            self.state = state
            self._publish(ConnectionChanged(state, reason))

    def schedule_cursors(self) -> None:
        """Has moved cursors sent soon, many in one frame."""
        if self._cursor_timer is None:
            loop = asyncio.get_running_loop()
            self._cursor_timer = loop.call_later(CURSOR_SECONDS, self.flush_cursors)

    def flush_cursors(self) -> None:
        """Sends the cursors that the server may not know, and a Ping behind them."""
        if self._cursor_timer is not None:
            self._cursor_timer.cancel()
            self._cursor_timer = None
        if self._stream is None:
            return
        cursors = self._cache.unsent_cursors()
        try:
            for conversation_id, kind, seq in cursors:
                self._stream.send(_cursor(conversation_id, kind, seq))
        except QueueFull:
            self.schedule_cursors()
            return
        if cursors:
            self._cursors_on_way = (self._stream.ping(), cursors)

    def _pong(self, nonce: int) -> None:
        """A Pong shows that the gate has taken the cursors that were sent before its Ping."""
        if self._cursors_on_way is not None and nonce >= self._cursors_on_way[0]:
            self._cache.drop_unsent_cursors(self._cursors_on_way[1])
            self._cursors_on_way = None

    def close(self) -> None:
        """Stops the timer; the loop ends by being cancelled."""
        if self._cursor_timer is not None:
            self._cursor_timer.cancel()


def _cursor(conversation_id: str, kind: str, seq: int) -> gate_pb2.ClientEvent:
    if kind == READ:
        read = conversation_pb2.MarkReadRequest(conversation_id=conversation_id, seq=seq)
        return gate_pb2.ClientEvent(read=read)
    received = gate_pb2.Received(conversation_id=conversation_id, seq=seq)
    return gate_pb2.ClientEvent(received=received)
