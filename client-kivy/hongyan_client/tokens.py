"""The tokens of a profile, kept in a file that only its owner may read."""

import base64
import binascii
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from hongyan.verify.v1 import account_pb2


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client needs to call as a session."""

    user_id: str
    session_id: str
    access_token: str
    refresh_token: str
    access_expires_at: float
    """By this device's own clock, in seconds since 1970."""
    address: str = ""
    """The gateway that gave them."""


class TokenStore(Protocol):
    """Where tokens are kept; a keyring of the system can stand here too."""

    def load(self) -> Tokens | None:
        """Returns the tokens, or None when there are none."""
        ...

    def save(self, tokens: Tokens) -> None:
        """Keeps the tokens; when it returns they survive a crash."""
        ...

    def clear(self) -> None:
        """Forgets the tokens."""
        ...

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        """Keeps other processes of this profile from refreshing; blocks until it is its turn."""
        ...


class TokenFile:
    """Tokens in a JSON file with mode 0600, replaced whole: never half written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Tokens | None:
        try:
            raw = json.loads(self._path.read_text(encoding="utf-8"))
            return Tokens(**raw)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            # Damaged by hand, say: logging in again mends it.
            return None

    def save(self, tokens: Tokens) -> None:
        write_private(self._path, json.dumps(asdict(tokens)))

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(lock)
            yield
        finally:
            os.close(lock)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, so that it is on disk, old or new, whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    if os.name == "posix":
        # The rename itself must reach the disk as well.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def from_proto(tokens: account_pb2.Tokens, now: float, address: str) -> Tokens:
    """Converts, and moves the expiry to this device's clock, which may be wrong."""
    lifetime = _lifetime_seconds(tokens.access_token)
    expires_at = now + lifetime if lifetime else float(tokens.access_expires_at.seconds)
    return Tokens(
        user_id=tokens.user_id,
        session_id=tokens.session_id,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        access_expires_at=expires_at,
        address=address,
    )


def _lifetime_seconds(access_token: str) -> float:
    """Returns how long a JWT lives from its issue on; 0 when it does not say.

    Nothing is verified: that is the server's work, this only says when to refresh.
    """
    try:
        payload = access_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return max(0.0, float(claims["exp"]) - float(claims["iat"]))
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return 0.0


if sys.platform == "win32":  # pragma: no cover

    def _lock(descriptor: int) -> None:
        import msvcrt  # noqa: PLC0415 - exists on Windows only

        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

else:

    def _lock(descriptor: int) -> None:
        import fcntl  # noqa: PLC0415 - does not exist on Windows

        fcntl.flock(descriptor, fcntl.LOCK_EX)
