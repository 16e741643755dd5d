"""Tokens in a keyring that is really one, and in the file when there is none or it goes."""

import gc
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend

from app.desktop import tokens
from app.desktop.tokens import KeyringTokens, open_store
from hongyan_client.tokens import TokenFile, Tokens
from tests.app.session_bus import SessionBus

# The backend leaves its connection open when the keyring is gone in the middle of a call.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning"
)

OLD = Tokens("u-ling", "s-1", "access-1", "refresh-1", 1_900_000_000.0, "http://127.0.0.1:1")
NEW = Tokens("u-ling", "s-1", "access-2", "refresh-2", 1_900_000_900.0, "http://127.0.0.1:1")


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionBus]:
    """A session bus of its own, with no keyring on it yet."""
    with SessionBus(tmp_path / "bus") as started:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", started.address)
        monkeypatch.setattr("keyring.core._keyring_backend", None)  # chosen anew on this bus
        yield started
        gc.collect()  # what the backend leaves open ends here, and is no other test's matter


@pytest.fixture
def keyring(bus: SessionBus, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """GNOME's keyring, unlocked, with nothing in it."""
    program = shutil.which("gnome-keyring-daemon")
    assert program, "run tests/install-servers"
    home = tmp_path / "keyring-home"
    home.mkdir()
    daemon = subprocess.Popen(
        [program, "--foreground", "--unlock", "--components=secrets"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_RUNTIME_DIR": ""},
    )
    assert daemon.stdin
    daemon.stdin.write(b"a test's own password")
    daemon.stdin.close()
    bus.wait_for("org.freedesktop.secrets")
    yield daemon
    daemon.terminate()
    daemon.wait(10)


def profile(tmp_path: Path) -> Path:
    return tmp_path / "profile"


def everything_below(folder: Path) -> str:
    """Returns what all files of a profile say."""
    files = (it for it in folder.rglob("*") if it.is_file())
    return "".join(it.read_text(encoding="utf-8", errors="replace") for it in files)


def test_tokens_move_from_the_file_into_the_keyring(keyring: object, tmp_path: Path) -> None:
    home = profile(tmp_path)
    TokenFile(home / "tokens.json").save(OLD)
    store = open_store(home)
    assert store.load() == OLD
    assert "refresh-1" not in everything_below(home)
    store.save(NEW)
    assert open_store(home).load() == NEW
    assert "refresh" not in everything_below(home)
    store.clear()
    assert store.load() is None
    assert open_store(home).load() is None


def test_two_profiles_have_secrets_of_their_own(keyring: object, tmp_path: Path) -> None:
    one, other = open_store(tmp_path / "one"), open_store(tmp_path / "other")
    one.save(OLD)
    assert other.load() is None
    other.save(NEW)
    assert one.load() == OLD


def test_when_the_keyring_goes_what_is_renewed_is_in_the_file_and_returns_later(
    keyring: "subprocess.Popen[bytes]", bus: SessionBus, tmp_path: Path
) -> None:
    home = profile(tmp_path)
    store = open_store(home)
    store.save(OLD)
    keyring.terminate()
    keyring.wait(10)
    store.save(NEW)
    assert TokenFile(home / "tokens.json").load() == NEW
    assert (home / "tokens.json").stat().st_mode & 0o777 == 0o600
    assert open_store(home).load() == NEW


def test_a_log_out_while_the_keyring_is_away_is_not_forgotten(
    keyring: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    home = profile(tmp_path)
    store = open_store(home)
    store.save(OLD)
    keyring.terminate()
    keyring.wait(10)
    store.clear()
    assert store.load() is None
    # The same secret is still in a keyring that comes back: it does not log anybody in.
    assert json.loads((home / "tokens.json").read_text(encoding="utf-8")) == {}


def test_without_a_keyring_the_file_has_the_tokens(bus: SessionBus, tmp_path: Path) -> None:
    store = open_store(profile(tmp_path))
    store.save(OLD)
    assert TokenFile(profile(tmp_path) / "tokens.json").load() == OLD
    store.clear()
    assert list(profile(tmp_path).glob("tokens*json")) == []


def test_without_a_session_bus_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert tokens.usable_backend() is None
    assert open_store(profile(tmp_path)).load() is None


def test_a_keyring_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    released = threading.Event()

    class Silent(KeyringBackend):
        """Waits for somebody who never unlocks it."""

        priority = 5.0  # type: ignore[assignment]

        def get_password(self, service: str, username: str) -> str | None:
            released.wait()
            return None

        def set_password(self, service: str, username: str, password: str) -> None:
            released.wait()

    store = KeyringTokens(profile(tmp_path), Silent(), seconds=0.1)
    store.settle(0.1)
    store.save(OLD)
    assert store.load() == OLD
    assert TokenFile(profile(tmp_path) / "tokens.json").load() == OLD
    released.set()
