"""The tokens in the system's keyring where there is one, else in a file for its owner alone.

The file wins when both are there: it is written only when the keyring failed, so it is newer.
"""

import contextlib
import json
import logging
import queue
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.desktop import bus
from hongyan_client.tokens import TokenFile, Tokens, TokenStore, write_private

log = logging.getLogger("hongyan_app")
SERVICE = "Hongyan"
# A locked keyring asks the user; nobody waits longer than this for a refusal.
CALL_SECONDS = 3.0
# Once there are tokens in it, it is worth waiting until it is unlocked.
UNLOCK_SECONDS = 60.0
# What the keyring's own project recommends for use begins here; below are plain files.
LEAST_PRIORITY = 1.0
NOBODY = "{}"


class KeyringError(Exception):
    """The keyring did not do what it was asked, or not in time."""


def in_time(work: Callable[[], Any], seconds: float = CALL_SECONDS) -> Any:
    """Runs what may block, in a thread; raises KeyringError when it fails or takes too long."""
    answers: queue.Queue[tuple[bool, Any]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((True, work()))
        except Exception as error:
            answers.put((False, error))

    threading.Thread(target=run, daemon=True, name="keyring").start()
    try:
        done, answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise KeyringError("no answer in time") from None
    if not done:
        raise KeyringError(str(answer)) from answer
    return answer


class Keyring:
    """One secret of one profile in the system's keyring; each call takes `seconds` at most."""

    def __init__(self, backend: Any, name: str, seconds: float = CALL_SECONDS) -> None:
        self._backend = backend
        self._name = name
        self._seconds = seconds

    def get(self, seconds: float = 0) -> str | None:
        """Returns the secret; None when there is none. Raises KeyringError, as all here do."""
        wait = seconds or self._seconds
        found = in_time(lambda: self._backend.get_password(SERVICE, self._name), wait)
        return str(found) if found is not None else None

    def set(self, secret: str) -> None:
        """Keeps the secret, and sees that it is there."""
        in_time(lambda: self._backend.set_password(SERVICE, self._name, secret), self._seconds)
        if self.get() != secret:
            raise KeyringError("it does not give back what it was given")

    def delete(self) -> None:
        """Forgets the secret."""
        if self.get() is not None:
            in_time(lambda: self._backend.delete_password(SERVICE, self._name), self._seconds)


def system_backend() -> Any:
    """Returns the best keyring of this system; None when there is none to rely on."""
    if sys.platform.startswith("linux") and not bus.address():
        return None  # each of Linux's is behind it, and looking for them takes a while
    import keyring  # noqa: PLC0415 - looks at every backend there is

    found = keyring.get_keyring()
    return found if float(found.priority) >= LEAST_PRIORITY else None


def usable_backend() -> Any:
    """Returns the system's keyring if a secret comes back out of it and goes; else None."""
    try:
        backend = in_time(system_backend)
        if backend is None:
            return None
        probe = Keyring(backend, f"probe-{secrets.token_hex(8)}")
        probe.set(secrets.token_hex(16))
        probe.delete()
    except (KeyringError, ImportError) as error:
        log.info("no keyring: %s", error)
        return None
    return backend


def open_store(home: Path) -> TokenStore:
    """Returns where a profile keeps its tokens, and moves them there; waits, so for a thread."""
    file = home / "tokens.json"
    in_keyring = (home / KeyringTokens.MARK).exists() and not file.exists()
    try:
        # Asking for what should be there is probe enough, and may wait for the unlocking.
        backend = in_time(system_backend) if in_keyring else usable_backend()
    except KeyringError:
        backend = None
    store = KeyringTokens(home, backend)
    store.settle(UNLOCK_SECONDS if in_keyring else CALL_SECONDS)
    return store


class KeyringTokens:
    """A TokenStore. Without a backend it is the file alone."""

    MARK = "tokens.keyring"
    """A file that says that the keyring has tokens: it is asked for them longer."""

    def __init__(self, home: Path, backend: Any, seconds: float = CALL_SECONDS) -> None:
        self._path = home / "tokens.json"
        self._mark = home / self.MARK
        self._file = TokenFile(self._path)
        # The folder names the profile: two of them must not share a secret.
        name = str(home.absolute())
        self._keyring = Keyring(backend, name, seconds) if backend is not None else None

    def settle(self, seconds: float) -> None:
        """Moves tokens of the file into the keyring; leaves them where they are if it fails."""
        if self._keyring is None:
            return
        with self.exclusive():
            try:
                if self._path.exists():
                    tokens = self._file.load()
                    self._keep(tokens)
                else:
                    self._keyring.get(seconds)
            except KeyringError as error:
                log.warning("the keyring is not used: %s", error)
                self._keyring = None

    def load(self) -> Tokens | None:
        if self._path.exists() or self._keyring is None:
            return self._file.load()
        try:
            return Tokens(**json.loads(self._keyring.get() or NOBODY))
        except (KeyringError, ValueError, TypeError):
            return None

    def save(self, tokens: Tokens) -> None:
        if self._keyring is None or self._path.exists():
            self._file.save(tokens)  # it wins, so it must never hold older ones
        try:
            self._keep(tokens)
        except KeyringError as error:
            if self._keyring is not None:
                log.warning("tokens go to the file: %s", error)
                # A renewed token must not be lost: the one before works no longer.
                self._file.save(tokens)

    def clear(self) -> None:
        try:
            self._keep(None)
        except KeyringError:
            if self._mark.exists():
                # What the keyring still has must not come back as a log-in.
                write_private(self._path, NOBODY)
            else:
                self._file.clear()

    def _keep(self, tokens: Tokens | None) -> None:
        """Has the keyring hold these and the file none; raises KeyringError with nothing lost."""
        if self._keyring is None:
            raise KeyringError("there is none")
        if tokens is None:
            self._keyring.delete()
            self._mark.unlink(missing_ok=True)
        else:
            self._keyring.set(json.dumps(asdict(tokens)))
            write_private(self._mark, "")
        self._path.unlink(missing_ok=True)

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        return self._file.exclusive()
