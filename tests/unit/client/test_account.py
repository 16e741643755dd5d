"""Tokens: kept whole and private, renewed early, once, and by one process at a time."""

import asyncio
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from hongyan_client.client import Client
from hongyan_client.errors import NotLoggedIn
from hongyan_client.tokens import TokenFile, Tokens
from tests.unit.client.peer import Peer, jwt

TOKENS = Tokens("u", "s", "access", "refresh", 1.0, "http://x")


def test_the_token_file_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "home" / "tokens.json"
    store = TokenFile(path)
    assert store.load() is None
    old = os.umask(0)
    try:
        store.save(TOKENS)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert store.load() == TOKENS
    assert [it.name for it in path.parent.iterdir()] == ["tokens.json"]
    store.clear()
    store.clear()
    assert store.load() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"user_id": "u"}', "\x00"])
def test_a_damaged_token_file_counts_as_logged_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(text)
    assert TokenFile(path).load() is None


def test_a_crash_while_writing_leaves_the_old_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TokenFile(tmp_path / "tokens.json")
    store.save(TOKENS)

    def crash(*paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        store.save(Tokens("u", "s", "new", "new", 2.0))
    monkeypatch.undo()
    assert store.load() == TOKENS
    store.save(TOKENS)


def test_the_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    store = TokenFile(tmp_path / "tokens.json")
    order: list[str] = []
    entered = threading.Event()

    def other() -> None:
        with TokenFile(tmp_path / "tokens.json").exclusive():
            entered.set()
            order.append("other")

    with store.exclusive():
        thread = threading.Thread(target=other)
        thread.start()
        assert not entered.wait(0.1)
        order.append("first")
    thread.join(5)
    assert order == ["first", "other"]


async def test_an_expiring_token_is_renewed_before_the_call(peer: Peer, client: Client) -> None:
    peer.accounts.lifetime = 30
    await client.login("me@example.org", "correct horse")
    peer.accounts.lifetime = 900
    await client.me()
    assert peer.accounts.refreshes == 1
    saved = json.loads((client.home / "tokens.json").read_text())
    assert saved["refresh_token"] == peer.accounts.refresh_token


async def test_many_calls_with_a_refused_token_renew_it_once(peer: Peer, client: Client) -> None:
    peer.accounts.access_token = jwt(99)
    await asyncio.gather(*(client.me() for _ in range(20)))
    assert peer.accounts.refreshes == 1


async def test_a_caller_that_gives_up_does_not_lose_the_new_tokens(
    peer: Peer, client: Client
) -> None:
    gate, asked = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        asked.set()
        await gate.wait()

    peer.accounts.before_refresh = wait
    peer.accounts.access_token = jwt(99)
    impatient = asyncio.create_task(client.me())
    await asyncio.wait_for(asked.wait(), 5)
    impatient.cancel()
    gate.set()
    await client.account.close()
    await client.me()
    assert peer.accounts.refreshes == 1


async def test_another_process_that_renewed_first_is_believed(peer: Peer, client: Client) -> None:
    other = Client(peer.address, client.home)
    peer.accounts.access_token = jwt(99)
    await other.me()
    await client.me()
    assert peer.accounts.refreshes == 1
    await other.close()


async def test_a_refused_renewal_signs_out(peer: Peer, client: Client) -> None:
    peer.accounts.ended = True
    with pytest.raises(NotLoggedIn):
        await client.me()
    assert not (client.home / "tokens.json").exists()
    assert client.user_id == ""


async def test_a_clock_that_is_wrong_does_not_renew_at_every_call(
    peer: Peer, tmp_path: Path
) -> None:
    client = Client(peer.address, tmp_path / "skewed", now=lambda: 4_000_000_000.0)
    await client.login("me@example.org", "correct horse")
    await client.me()
    assert peer.accounts.refreshes == 0
    await client.close()


async def test_the_device_keeps_its_id_through_logouts(peer: Peer, client: Client) -> None:
    device = (client.home / "device").read_text()
    await client.logout()
    await client.login("me@example.org", "correct horse")
    assert (client.home / "device").read_text() == device
