"""The client: one account on one device, as the terminal, the tests and the app use it.

    client = Client("http://127.0.0.1:8080", Path("~/.local/share/hongyan/me").expanduser())
    await client.login("ling@example.org", password)
    await client.start()
    async for event in client.events():
        ...

The cache is what is shown; the network feeds it. Everything raises `errors.HongyanError`.
"""

import asyncio
import contextlib
import logging
import platform as system
import random
import ssl
import time
import uuid
from collections.abc import Callable, Coroutine
from functools import cached_property
from pathlib import Path
from typing import Any

from grpclib.const import Status
from hongyan.verify.v1 import account_pb2

from hongyan_client.account import AccountCalls
from hongyan_client.avatars import Avatars
from hongyan_client.bots import BotOwner
from hongyan_client.channel import Address, Channel
from hongyan_client.errors import (
    DeadlineExceeded,
    NotLoggedIn,
    Unavailable,
)
from hongyan_client.groups import Groups
from hongyan_client.listeners import QUEUE_EVENTS, Listener, Listeners
from hongyan_client.local import Local, open_local
from hongyan_client.login_codes import LoginCodes
from hongyan_client.model import (
    Account,
    ConnectionChanged,
    ConnectionState,
    Event,
    MessageChanged,
    Session,
    SignedOut,
    User,
)
from hongyan_client.people import People
from hongyan_client.sync import GAP_SECONDS
from hongyan_client.talk import Talk
from hongyan_client.tokens import TokenFile, TokenStore, write_private

USER_FRESH_SECONDS = 600

log = logging.getLogger("hongyan_client")


class Client(Talk, People, Groups, Avatars, BotOwner, LoginCodes):
    """One account on one device.

    `home` is the profile's folder: tokens, the device's id and the caches. Two processes may
    use one profile, but the server gives each session one stream: the newer one wins.
    """

    def __init__(
        self,
        address: str,
        home: Path,
        *,
        tokens: TokenStore | None = None,
        tls: ssl.SSLContext | None = None,
        in_flight: int = 1,
        gap_seconds: float = GAP_SECONDS,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.address = address
        self.home = home
        self._store = tokens or TokenFile(home / "tokens.json")
        self._tls = tls
        self._in_flight = in_flight
        self._gap_seconds = gap_seconds
        self._now = now
        self._jitter = jitter
        self._listeners = Listeners()
        self._local: Local | None = None
        self._runner: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._closed = False

    @cached_property
    def channel(self) -> Channel:
        """The connection to the gateway; made when it is first needed, inside the loop."""
        return Channel(self.address, tls=self._tls)

    @cached_property
    def account(self) -> AccountCalls:
        """The calls as this profile's session."""
        return AccountCalls(
            self.channel,
            self._store,
            address=self.address,
            now=self._now,
            signed_out=lambda reason: self._publish(SignedOut(reason)),
        )

    @property
    def user_id(self) -> str:
        """The account's id, "" when the profile is logged out."""
        return self.account.tokens.user_id if self.account.tokens else ""

    @property
    def state(self) -> ConnectionState:
        """Whether there is a live stream."""
        if self._local is not None:
            return self._local.connection.state
        return ConnectionState.OFFLINE if self.user_id else ConnectionState.SIGNED_OUT

    @property
    def is_started(self) -> bool:
        """Whether there is, or will be again, a live stream."""
        return self._runner is not None

    async def move_to(self, address: str) -> None:
        """Talks to another gateway from now on; only who is logged out can move.

        Raises ValueError for what is no address.
        """
        Address.parse(address)
        if self.user_id:
            raise ValueError("log out first: a session belongs to its gateway")
        if "account" in self.__dict__:
            await self.account.close()
            del self.account
        if "channel" in self.__dict__:
            self.channel.close()
            del self.channel
        self.address = address

    # Accounts and sessions

    async def send_code(self, email: str, purpose: str) -> None:
        """Has a code mailed; `purpose` is "register" or "reset_password"."""
        await self.account.send_code(email, purpose)

    async def register(self, email: str, code: str, password: str, display_name: str) -> Account:
        """Makes an account from a mailed code; log in next."""
        return await self.account.register(email, code, password, display_name)

    async def login(
        self, email: str, password: str, *, device_name: str = "", platform: str = ""
    ) -> Account:
        """Opens a session for this device; whoever was logged in here before is logged out."""
        await self._stop()
        device = self._device(device_name, platform)
        account = await self.account.login(email, password, device)
        self._close_local()
        return account

    async def login_as_bot(self, token: str) -> None:
        """Becomes the bot whose token it is; raises Unauthenticated when it does not work."""
        await self._stop()
        await self.account.login_as_bot(token)
        self._close_local()

    def _device(self, name: str, platform: str) -> account_pb2.Device:
        """Returns this device as sessions name it."""
        return account_pb2.Device(
            id=self._device_id(),
            name=name or system.node()[:64] or "unnamed",
            platform=platform or system.system().lower() or "unknown",
        )

    def _device_id(self) -> str:
        """Returns the device's id, made once and kept through log-outs."""
        path = self.home / "device"
        if path.exists() and len(text := path.read_text(encoding="utf-8").strip()) >= 8:
            return text
        device_id = uuid.uuid4().hex
        write_private(path, device_id)
        return device_id

    async def logout(self) -> None:
        """Ends the session; the cache stays for the next log-in. Needs the server."""
        await self.account.logout()
        await self._stop()
        self._close_local()
        self._publish(SignedOut("LOGGED_OUT"))
        self._publish(ConnectionChanged(ConnectionState.SIGNED_OUT))

    async def delete_account(self, password: str) -> None:
        """Deletes the account for good; what was said stays in the others' logs."""
        await self.account.delete(password)
        await self._stop()
        self._close_local()
        self._publish(SignedOut("ACCOUNT_DELETED"))

    async def reset_password(self, email: str, code: str, new_password: str) -> None:
        """Sets a new password with a mailed code; every session of the account ends."""
        await self.account.reset_password(email, code, new_password)

    async def me(self) -> Account:
        """Returns the own profile."""
        account = await self.account.me()
        self._keep_me(account)
        return account

    async def update_me(self, **values: Any) -> Account:
        """Changes fields of the own profile: display_name, handle, signature, region, gender,
        presence_hidden, and those of `Privacy`."""
        account = await self.account.update_me(values)
        self._keep_me(account)
        return account

    def _keep_me(self, account: Account) -> None:
        """Takes over what others see of the account."""
        user = User(
            account.user_id,
            account.display_name,
            account.handle,
            account.signature,
            account.region,
            avatar_id=account.avatar_id,
        )
        self._open().cache.put_user(user, self._micros())

    async def user(self, user_id: str, *, fresh: bool = False) -> User:
        """Returns a user's profile: from the cache while it is new, or the server is away.

        `fresh` asks the server first.
        """
        cache = self._open().cache
        known = cache.user(user_id)
        if known is not None and not fresh:
            age = self._micros() - known[1]
            if age < USER_FRESH_SECONDS * 1_000_000:
                return known[0]
        try:
            user = await self.account.user(user_id)
        except (Unavailable, DeadlineExceeded):
            if known is None:
                raise
            return known[0]
        cache.put_user(user, self._micros())
        return user

    def known_user(self, user_id: str) -> User | None:
        """Returns what the cache knows of a user, however old; never asks the server."""
        known = self._open().cache.user(user_id)
        return known[0] if known else None

    async def sessions(self) -> list[Session]:
        """Returns the account's sessions, the latest used first."""
        return await self.account.sessions()

    async def end_session(self, session_id: str) -> None:
        """Ends a session of the account; "current" is this one, but `logout` is better."""
        await self.account.end_session(session_id)

    # What lies on this device

    async def clear_cache(self) -> None:
        """Drops what the server has too, messages above all, and fetches again what is needed.

        What waits to be sent stays.
        """
        started = self.is_started
        await self._stop()
        local = self._open()
        local.sync.apply_reset()
        await asyncio.to_thread(local.cache.compact)
        self._close_local()
        if started:
            await self.start()

    # The live connection

    async def start(self) -> None:
        """Connects in the background and stays connected; raises NotLoggedIn."""
        if self._runner is not None and not self._runner.done():
            return
        local = self._open()
        if local.connection.end_reason:
            # It had ended for good; starting again is a new will.
            self._close_local()
            local = self._open()
        ready = asyncio.Event()
        self._runner = asyncio.create_task(self._run(local, ready), name="hongyan client")
        await ready.wait()

    async def _run(self, local: Local, ready: asyncio.Event) -> None:
        """Owns every task of the client."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                ready.set()
                tasks.create_task(self._expire(local))
                await local.connection.run()
                # Only repairs may be left; without a stream they wait for nothing.
                raise asyncio.CancelledError
        except asyncio.CancelledError:
            pass
        except Exception:
            log.exception("the client stopped by a fault of its own")
            local.connection.end("FAULT", ConnectionState.OFFLINE)
        finally:
            self._tasks = None

    async def _expire(self, local: Local) -> None:
        """Takes messages away when they are due."""
        while True:
            for message in local.cache.expire(self._micros()):
                self._publish(MessageChanged(message))
            due = local.cache.next_expiry()
            local.sync.expiring.clear()
            seconds = None if due is None else max(0.0, (due - self._micros()) / 1_000_000)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await local.sync.expiring.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
        """Starts a task in the client's group; None when the client is not started."""
        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(work)

    async def caught_up(self, timeout: float = 30.0) -> None:
        """Waits until all that the server had for this device is in the cache.

        Raises DeadlineExceeded, NotLoggedIn when the session ended, and WentAway when another
        stream of the same session took over.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._open().connection.wait_caught_up()
        except TimeoutError:
            raise DeadlineExceeded(
                Status.DEADLINE_EXCEEDED.value, "NOT_CAUGHT_UP", "not caught up in time"
            ) from None

    def reconnect_now(self) -> None:
        """Cuts the wait before the next attempt short, such as when the network is back."""
        if self._local is not None:
            self._local.connection.reconnect_now()

    def events(self, limit: int = QUEUE_EVENTS) -> Listener:
        """Returns a listener that gets every event from now on; see `Listener` for its bound."""
        listener = self._listeners.add(limit)
        if self._closed:
            listener.close()
        return listener

    async def close(self) -> None:
        """Says good-bye and closes everything; what is in the outbox stays on disk."""
        if self._closed:
            return
        self._closed = True
        await self._stop()
        if "account" in self.__dict__:
            await self.account.close()
        if "channel" in self.__dict__:
            self.channel.close()
        self._close_local()
        self._listeners.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await self.close()

    async def _stop(self) -> None:
        """Ends the stream and all tasks."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)

    def _open(self) -> Local:
        """Returns the account's cache and what feeds it; raises NotLoggedIn."""
        if self._local is not None:
            return self._local
        if not self.user_id:
            raise NotLoggedIn("log in first")
        self._local = open_local(
            self.home / "accounts" / f"{self.user_id}.sqlite",
            self.user_id,
            self.channel,
            self.account,
            publish=self._publish,
            spawn=self._spawn,
            now=self._now,
            in_flight=self._in_flight,
            gap_seconds=self._gap_seconds,
            jitter=self._jitter,
        )
        return self._local

    def _close_local(self) -> None:
        local, self._local = self._local, None
        if local is not None:
            local.connection.close()
            local.outbox.close()
            local.cache.close()

    def _publish(self, event: Event) -> None:
        self._listeners.publish(event)
        if self._local is not None:
            self._local.sending.observe(event)

    def _micros(self) -> int:
        return round(self._now() * 1_000_000)
