"""Verify's rules on a real database, with a clock and a post that the tests hold."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest_asyncio
import uuid_utils

from services.common import migrations
from services.common.database import Database
from services.common.limits import Limit
from services.verify.passwords import Passwords
from services.verify.rules import DAY, MICROS, Policy, Verify
from services.verify.store import Store

START = 1_795_000_000 * MICROS
PASSWORD = "a good 密码 42"
WIDE = Limit("test", 1_000_000, 0.001)
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


@dataclass
class Desk:
    """What the tests hold: the clock, the mails, and what was taken from limits."""

    now: int = START
    mails: list[tuple[str, str, str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def send(self, to: str, subject: str, text: str) -> None:
        self.mails.append((to, subject, text))

    async def take(self, limit: Limit, key: str, *, closed_without_redis: bool) -> None:
        assert closed_without_redis
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


@pytest_asyncio.fixture
async def world(tmp_path) -> AsyncIterator[World]:
    url = f"sqlite:///{tmp_path}/verify.db"
    migrations.upgrade("verify", url)
    database = Database(url, 4)
    desk = Desk()

    @asynccontextmanager
    async def begin():
        async with database.begin() as connection:
            yield Store(connection)

    @asynccontextmanager
    async def read():
        async with database.read() as connection:
            yield Store(connection)

    verify = Verify(
        begin,
        read,
        policy=POLICY,
        passwords=Passwords(),
        limits=desk,
        post=desk,
        sign=lambda caller, now: (f"{caller.user_id}.{caller.session_id}", now + 900),
        secret=b"0123456789abcdef0123456789abcdef",
        now=lambda: desk.now,
        new_id=lambda: uuid_utils.uuid7().hex,
    )
    yield World(verify, desk, database)
    await database.close()
