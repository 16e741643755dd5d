"""What the client's tests share: a peer that runs, and a client that is logged in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hongyan_client.client import Client
from tests.unit.client.peer import Peer, running


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with running() as it:
        yield it


@pytest.fixture
async def client(peer: Peer, tmp_path: Path) -> AsyncIterator[Client]:
    it = Client(peer.address, tmp_path / "me", gap_seconds=0.05)
    await it.login("me@example.org", "correct horse")
    yield it
    await it.close()
