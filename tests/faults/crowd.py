"""A crowd: many real clients whose sessions only sit there, with tokens that are signed here."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from hongyan_client.client import Client
from hongyan_client.model import ConnectionState
from hongyan_client.tokens import Tokens
from loadtest.accounts import LoggedIn, make_accounts, sign_idle_sessions
from services.embedded.home import Home
from tests.faults.people import Town, until

USERS = 10
STARTS_AT_ONCE = 20
TOKEN_SECONDS = 600.0


class Pocket:
    """A token store in memory."""

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def load(self) -> Tokens | None:
        return self._tokens

    def save(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def clear(self) -> None:
        self._tokens = None

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        yield


class Crowd:
    """Clients that stay connected, as the library does it."""

    def __init__(self, clients: list[Client]) -> None:
        self.clients = clients

    @property
    def online(self) -> int:
        """How many have a live stream."""
        return sum(client.state is ConnectionState.ONLINE for client in self.clients)

    async def start(self) -> None:
        """Connects all."""
        turn = asyncio.Semaphore(STARTS_AT_ONCE)

        async def one(client: Client) -> None:
            async with turn:
                await client.start()
                await client.caught_up(60)

        await asyncio.gather(*(one(client) for client in self.clients))

    async def back(self, share: float, seconds: float) -> None:
        """Waits until this share is online."""
        goal = share * len(self.clients)
        await until(lambda: self.online >= goal, f"{goal:.0f} are back", seconds)

    async def close(self) -> None:
        """Ends all."""
        await asyncio.gather(*(client.close() for client in self.clients))


@contextlib.asynccontextmanager
async def crowd(town: Town, home: Path, folder: Path, count: int) -> AsyncIterator[Crowd]:
    """Runs so many idle clients of a system with this home."""
    users = await make_accounts(town.system.address, town.system.mail_folder, USERS)
    key = Home(home).signing_key
    idle = sign_idle_sessions(key, [user.user_id for user in users], count)
    group = Crowd([_client(town, folder / f"idle-{n}", one) for n, one in enumerate(idle)])
    try:
        await group.start()
        yield group
    finally:
        await group.close()


def _client(town: Town, home: Path, session: LoggedIn) -> Client:
    tokens = Tokens(
        session.user_id,
        "idle",
        session.token,
        "",
        time.time() + TOKEN_SECONDS,
        town.system.address,
    )
    return Client(town.system.address, home, tokens=Pocket(tokens))
