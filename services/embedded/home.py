"""The folder of a local run: who may use it, its keys, its logs, its table of addresses."""

import errno
import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from services.common import admins

FOLDERS = ("keys", "logs", "mail", "run")
PROBE_BYTES = 1024 * 1024


class CannotStart(Exception):
    """The system cannot be started; the text says why and what to do."""


class Home:
    """One folder that one run uses at a time; what is in it outlives the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self._lock: IO[str] | None = None

    @property
    def mail(self) -> Path:
        """Where mail lands when there is no mail server."""
        return self.folder / "mail"

    @property
    def database(self) -> Path:
        """The embedded database."""
        return self.folder / "hongyan.db"

    @property
    def internal_key(self) -> Path:
        """The secret that services show each other."""
        return self.folder / "keys" / "internal"

    @property
    def signing_key(self) -> Path:
        """The private key that signs access tokens."""
        return self.folder / "keys" / "signing.pem"

    @property
    def web_push_key(self) -> Path:
        """The private key that signs Web Push."""
        return self.folder / "keys" / "web-push.pem"

    @property
    def admin_keys(self) -> Path:
        """The hashes of the administrators' keys."""
        return self.folder / "keys" / "admins"

    @property
    def admin_key(self) -> Path:
        """The key of the administrator who runs this."""
        return self.folder / "keys" / "admin"

    @property
    def run(self) -> Path:
        """What holds for this run only."""
        return self.folder / "run"

    def log(self, name: str) -> Path:
        """The output of a process."""
        return self.folder / "logs" / f"{name}.log"

    def open(self) -> None:
        """Makes the folder ready and locks it; raises CannotStart."""
        try:
            # Codes, messages and keys are here: other users of the machine have no business.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in FOLDERS:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._check_space()
            self._make_keys()
            self._put_logs_aside()
        except OSError as error:
            self.close()
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            why = f"cannot write here ({error.strerror}): make it writable"
            what = "the disk is full: make room" if full else why
            raise CannotStart(f"{self.folder}: {what}, or choose another HONGYAN_HOME") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets another run use the folder."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def write_addresses(self, table: Mapping[str, Any]) -> None:
        """Writes where everything listens, for tools."""
        path = self.run / "addresses.json"
        path.write_text(json.dumps(table, indent=2) + "\n")

    def _take_lock(self) -> None:
        lock = (self.run / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise CannotStart(
                f"another run uses {self.folder}: end it, or choose another HONGYAN_HOME"
            ) from None
        self._lock = lock

    def _check_space(self) -> None:
        probe = self.run / "space"
        try:
            probe.write_bytes(b"\0" * PROBE_BYTES)
        finally:
            probe.unlink(missing_ok=True)

    def _make_keys(self) -> None:
        if not self.internal_key.exists():
            _write_secret(self.internal_key, secrets.token_urlsafe(32).encode())
        if not self.signing_key.exists():
            _write_secret(self.signing_key, _new_signing_key())
        if not self.web_push_key.exists():
            _write_secret(self.web_push_key, _new_web_push_key())
        if not self.admin_keys.exists():
            key = admins.new_key()
            _write_secret(self.admin_key, key.encode())
            _write_secret(self.admin_keys, f"{admins.line_for('local', key)}\n".encode())

    def _put_logs_aside(self) -> None:
        for log in (self.folder / "logs").glob("*.log"):
            log.replace(log.with_suffix(".log.1"))


def _new_signing_key() -> bytes:
    # Imported here: the first run alone needs it.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _new_web_push_key() -> bytes:
    # Imported here: the first run alone needs it.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_secret(path: Path, content: bytes) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
