"""Verify's rules on a real database, with a clock and a post that the tests hold."""

import functools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import argon2
import pytest
import pytest_asyncio
import uuid_utils

from services.common import migrations
from services.common.database import Database
from services.common.limits import Limit
from services.verify import passwords
from services.verify.avatars import Painter
from services.verify.erasures import Erasures
from services.verify.login_codes import LoginCodePolicy, LoginCodes
from services.verify.main import Tables
from services.verify.passwords import Passwords
from services.verify.profiles import ProfilePolicy, Profiles
from services.verify.rules import DAY, MICROS, Policy, Verify

START = 1_795_000_000 * MICROS
PASSWORD = "a good 密码 42"
WIDE = Limit("test", 1_000_000, 0.001)
# Of what stays open without Redis.
WIDE_OPEN = Limit("open", 1_000_000, 0.001)
POLICY = Policy(
    code_life=600 * MICROS,
    code_tries=5,
    session_idle=30 * DAY,
    session_life=180 * DAY,
    refresh_grace=10 * MICROS,
    code_address=WIDE,
    code_ip=WIDE,
    login_account=WIDE,
    login_ip=WIDE,
)


async def at_once() -> None:
    """Holds no transaction up."""


@dataclass
class Desk:
    """What the tests hold: the clock, the mails, what was taken from limits, the transactions."""

    now: int = START
    mails: list[tuple[str, str, str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    discarded: int = 0
    transactions: int = 0
    before_transaction: Callable[[], Awaitable[None]] = at_once
    """Awaited before each writing transaction: where a race is won or lost."""

    def send(self, to: str, subject: str, text: str, *, discard: bool = False) -> None:
        if discard:
            self.discarded += 1
        else:
            self.mails.append((to, subject, text))

    async def take(self, limit: Limit, key: str, *, closed_without_redis: bool) -> None:
        assert closed_without_redis == (limit is not WIDE_OPEN)
        self.taken.append(key)

    def code(self, email: str) -> str:
        """Returns the newest code that was mailed to an address."""
        texts = [text for to, _, text in self.mails if to == email]
        return texts[-1].partition("code is ")[2][:6]


@dataclass
class World:
    verify: Verify
    desk: Desk
    database: Database
    profiles: Profiles
    erasures: Erasures
    erasers: list
    login_codes: LoginCodes


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch):
    """Argon2id that takes a millisecond; test_passwords has the real one."""
    cheap = functools.partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "PasswordHasher", cheap)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A database file with verify's tables, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "verify.db"
    migrations.upgrade("verify", f"sqlite:///{path}")
    return path


@pytest_asyncio.fixture
async def world(migrated, tmp_path) -> AsyncIterator[World]:
    database = Database(f"sqlite:///{shutil.copy(migrated, tmp_path / 'verify.db')}", 4)
    desk = Desk()

    @asynccontextmanager
    async def begin():
        desk.transactions += 1
        await desk.before_transaction()
        async with database.begin() as connection:
            yield Tables(connection)

    @asynccontextmanager
    async def read():
        async with database.read() as connection:
            yield Tables(connection)

    verify = Verify(
        begin,
        read,
        policy=POLICY,
        passwords=Passwords(memory_mib=8),
        limits=desk,
        post=desk,
        sign=lambda caller, now: (f"{caller.user_id}.{caller.session_id}", now + 900),
        secret=b"0123456789abcdef0123456789abcdef",
        now=lambda: desk.now,
        new_id=lambda: uuid_utils.uuid7().hex,
    )
    policy = ProfilePolicy(handle_life=365 * DAY, search_user=WIDE_OPEN, avatar=WIDE_OPEN)
    profiles = Profiles(
        begin, read, policy=policy, limits=desk, painter=Painter(), now=lambda: desk.now
    )
    erasers: list = []
    erasures = Erasures(begin, read, erasers=erasers, now=lambda: desk.now)
    login_codes = LoginCodes(
        begin,
        read,
        verify=verify,
        policy=LoginCodePolicy(120 * MICROS, make=WIDE, look=WIDE, claim_ip=WIDE, poll_ip=WIDE),
        now=lambda: desk.now,
        new_id=lambda: uuid_utils.uuid7().hex,
    )
    yield World(verify, desk, database, profiles, erasures, erasers, login_codes)
    await database.close()
