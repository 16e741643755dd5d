"""The pictures on disk, by their ids: what an id names never changes, so none is ever stale."""

import hashlib
import os
import threading
from pathlib import Path

DIGEST_BYTES = hashlib.sha256().digest_size
LIMIT_BYTES = 64 * 1024 * 1024


class PictureFiles:
    """A folder of pictures that stays below a size: those go first that were not used longest.

    Each file begins with a digest of its name and content: one that is damaged counts as absent.
    The methods wait for the disk and are made for a thread.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._lock = threading.Lock()

    def get(self, avatar_id: str, size: int) -> bytes | None:
        """Returns a picture; None when it is not here, or damaged."""
        path = self._path(avatar_id, size)
        try:
            content = path.read_bytes()
            digest, data = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
            if digest != _digest(path.name, data):
                path.unlink(missing_ok=True)
                return None
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, avatar_id: str, size: int, data: bytes) -> None:
        """Keeps a picture, whole or not at all; a full disk keeps none."""
        path = self._path(avatar_id, size)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with self._lock:
            try:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                part.write_bytes(_digest(path.name, data) + data)
                os.replace(part, path)
                self._shrink()
            except OSError:
                part.unlink(missing_ok=True)

    def clear(self) -> None:
        """Deletes every picture."""
        with self._lock:
            for path in self._folder.glob("*"):
                path.unlink(missing_ok=True)

    def _shrink(self) -> None:
        found = []
        for path in self._folder.iterdir():
            state = path.stat()
            found.append((state.st_mtime_ns, path.name, state.st_size))
        total = sum(size for _, _, size in found)
        for _, name, size in sorted(found):
            if total <= self._limit:
                return
            (self._folder / name).unlink(missing_ok=True)
            total -= size

    def _path(self, avatar_id: str, size: int) -> Path:
        if not avatar_id or not all(
            it.isascii() and (it.isalnum() or it in "-_") for it in avatar_id
        ):
            raise ValueError("no id of a picture")
        return self._folder / f"{avatar_id}.{size}"


def _digest(name: str, data: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + data).digest()
