"""Passwords: which are refused, and argon2id in threads behind a semaphore."""

import asyncio
import unicodedata
from functools import lru_cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.common.errors import Invalid

# A hash takes its memory and a core for a tenth of a second: so many at once, the others wait.
HASHES_AT_ONCE = 2
COMMON = Path(__file__).with_name("common_passwords.txt")


class Passwords:
    """Hashes and checks passwords, never on the event loop; each hash says what it took."""

    def __init__(self, memory_mib: int = 64) -> None:
        self._hasher = PasswordHasher(memory_cost=memory_mib * 1024)
        self._turn = asyncio.Semaphore(HASHES_AT_ONCE)
        # Checked when there is no account, so that an unknown address costs the same time.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Returns the argon2id hash of a password."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, normal(password))

    async def check(self, password: str, password_hash: str | None) -> bool:
        """Says whether a password fits a hash; None does the same work and says no."""
        async with self._turn:
            fits = await asyncio.to_thread(self._fits, normal(password), password_hash)
        return fits and password_hash is not None

    def _fits(self, password: str, password_hash: str | None) -> bool:
        try:
            return self._hasher.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False


def normal(password: str) -> str:
    """Returns the form that is hashed: the same letters typed on any keyboard are the same."""
    return unicodedata.normalize("NFC", password)


def refuse_common(password: str, field: str) -> None:
    """Raises Invalid for a password that everybody tries first."""
    if normal(password).casefold() in _common():
        raise Invalid(
            "PASSWORD_TOO_COMMON",
            "this password is one of the most common ones",
            fields={field: "is one of the most common passwords"},
        )


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    words = COMMON.read_text(encoding="utf-8").split()
    # People lengthen a short common word to eight characters in a few usual ways.
    endings = ("", "1", "12", "123", "1234", "12345", "123456", "!", "1!", "888", "666", "520")
    return frozenset(f"{word}{ending}" for word in words for ending in endings)
