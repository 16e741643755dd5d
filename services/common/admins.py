"""Administrators: the file with the hashes of their keys, and who a key belongs to."""

import hashlib
import hmac
import re
import secrets
from pathlib import Path

import structlog
from prometheus_client import Counter

from services.common.errors import Denied, Unauthenticated

PREFIX = "hya_"
LINE = re.compile(r"(?P<name>[A-Za-z0-9._@-]{1,64}) (?P<hash>[0-9a-f]{64})")

WRONG_KEYS = Counter("hongyan_admin_keys_refused", "Calls with a key that is no administrator's.")

log = structlog.get_logger()


def new_key() -> str:
    """Returns a new key: 256 random bits as text."""
    return PREFIX + secrets.token_urlsafe(32)


def key_hash(key: str) -> str:
    """Returns what the file has of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def line_for(name: str, key: str) -> str:
    """Returns the line of the file for a key; raises ValueError for a name that it cannot have."""
    line = f"{name} {key_hash(key)}"
    if not LINE.fullmatch(line):
        raise ValueError("a name has 1 to 64 letters, digits and . _ @ -")
    return line


class Admins:
    """Who has a key. The file is read again when it has changed; none: nobody has one."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._read_at: tuple[int, int, int] | None = None
        self._hashes: dict[str, str] = {}

    def check(self, key: str) -> str:
        """Returns the name of a key's administrator; raises Denied or Unauthenticated."""
        if self._file is None:
            raise Denied("ADMIN_NOT_SET_UP", "this installation has no administrators' keys")
        self._refresh(self._file)
        given, found = key_hash(key), ""
        # Each one is looked at, so that the time does not say how far it was.
        for name, wanted in self._hashes.items():
            if hmac.compare_digest(given, wanted):
                found = name
        if not found or not key.startswith(PREFIX):
            WRONG_KEYS.inc()
            raise Unauthenticated("ADMIN_KEY_INVALID", "the key is no administrator's")
        return found

    def _refresh(self, file: Path) -> None:
        """Reads the file if it is another one; what cannot be read has no keys."""
        try:
            state = file.stat()
            seen = (state.st_mtime_ns, state.st_size, state.st_ino)
            if seen == self._read_at:
                return
            text = file.read_text()
        except (OSError, UnicodeError) as error:
            log.error("admins.unreadable", why=type(error).__name__)
            self._read_at, self._hashes = None, {}
            return
        self._read_at, self._hashes = seen, _read(text)


def _read(text: str) -> dict[str, str]:
    hashes = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        if not (match := LINE.fullmatch(content)):
            log.error("admins.line_refused", line=number)
        elif match["name"] in hashes:
            log.error("admins.name_twice", line=number)
        else:
            hashes[match["name"]] = match["hash"]
    return hashes
