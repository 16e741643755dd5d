"""One process a profile: a second one hands over what it was called with, and ends."""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hongyan_client.tokens import write_private

LOCK, SOCKET, PORT = "instance.lock", "instance.sock", "instance.port"
# What sockets of the file system may be called at most, on every system that has them.
LONGEST_PATH = 100
ANSWER_SECONDS = 2.0
# A first process that holds the lock has its socket soon.
START_SECONDS = 5.0
TRY_SECONDS = 0.05
MOST_BYTES = 8_192
DONE = b"ok\n"

Given = Callable[[str], None]
"""Called with the link that a second process was started with; "": it had none."""


class Instance:
    """The right to be the one process of a profile, from `claim` until `release`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock: int | None = None
        self._server: asyncio.Server | None = None

    def claim(self) -> bool:
        """Takes the right; false when another process has it. What a dead one left is no matter."""
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(descriptor):
            os.close(descriptor)
            return False
        self._lock = descriptor
        for name in (SOCKET, PORT):
            (self._home / name).unlink(missing_ok=True)
        return True

    async def serve(self, given: Given) -> None:
        """Takes what later processes hand over."""
        secret = secrets.token_hex(16)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(
                OSError, ValueError, TimeoutError, asyncio.IncompleteReadError
            ):
                async with asyncio.timeout(ANSWER_SECONDS):
                    said = json.loads(await reader.readline())
                if secrets.compare_digest(str(said["secret"]).encode(), secret.encode()):
                    given(str(said["link"])[:MOST_BYTES])
                    writer.write(DONE)
                    await writer.drain()
            writer.close()

        path = self._home / SOCKET
        if fits(path):
            # The folder is the owner's alone, and so is the socket.
            self._server = await asyncio.start_unix_server(answer, path, limit=MOST_BYTES)
            os.chmod(path, 0o600)
            port = 0
        else:
            self._server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=MOST_BYTES)
            port = self._server.sockets[0].getsockname()[1]
        write_private(self._home / PORT, json.dumps({"port": port, "secret": secret}))

    def release(self) -> None:
        """Gives the right back."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._lock is not None:
            for name in (SOCKET, PORT):
                (self._home / name).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None


def hand_over(home: Path, link: str) -> bool:
    """Gives a link to the process that has the profile; false when it does not answer."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            return _hand_over(home, link)
        except (OSError, ValueError, KeyError):
            time.sleep(TRY_SECONDS)  # it is about to start, or to end
    return False


def _hand_over(home: Path, link: str) -> bool:
    where = json.loads((home / PORT).read_text(encoding="utf-8"))
    port = int(where["port"])
    family = socket.AF_INET if port else socket.AF_UNIX
    with socket.socket(family) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(("127.0.0.1", port) if port else str(home / SOCKET))
        said = json.dumps({"secret": where["secret"], "link": link}) + "\n"
        connection.sendall(said.encode())
        return connection.recv(len(DONE)) == DONE


def fits(path: Path) -> bool:
    """Says whether a socket can have this path."""
    return hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= LONGEST_PATH


if sys.platform == "win32":  # pragma: no cover

    def try_lock(descriptor: int) -> bool:
        """Takes the lock if nobody has it; the system lets it go when the process ends."""
        import msvcrt  # noqa: PLC0415 - exists on Windows only

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def try_lock(descriptor: int) -> bool:
        """Takes the lock if nobody has it; the system lets it go when the process ends."""
        import fcntl  # noqa: PLC0415 - does not exist on Windows

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
