"""Registrations: one for a session, and members say whether their user has any."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from hongyan.options.v1 import access_pb2

from services.chat.registration_store import RegistrationStore, note_registered
from services.chat.registrations import REGISTRATIONS_AT_MOST, WEB_PUSH, WEBHOOK, Registrations
from services.chat.tables import member
from services.common.database import Database
from services.common.errors import Invalid, NotFound
from services.common.identity import Caller
from tests.unit.chat.outbox import Clock, Tables

BOB = Caller("bob", "bob-1")
BOT = Caller("bot", "bot-1", frozenset([access_pb2.SCOPE_READ]))


@pytest.fixture
async def database(database_file: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{database_file}", pool=8)
    yield database
    await database.close()


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def tables(database: Database, now: Clock) -> Tables:
    return Tables(database, now)


def make_registrations(
    database: Database, now: Clock, *, has_web_push: bool = True, has_webhook: bool = True
) -> Registrations:
    numbers = itertools.count(1)

    @asynccontextmanager
    async def begin() -> AsyncIterator[RegistrationStore]:
        async with database.begin() as connection:
            yield RegistrationStore(connection)

    @asynccontextmanager
    async def read() -> AsyncIterator[RegistrationStore]:
        async with database.read() as connection:
            yield RegistrationStore(connection)

    return Registrations(
        begin,
        read,
        now,
        lambda: f"r{next(numbers)}",
        has_web_push=has_web_push,
        has_webhook=has_webhook,
    )


@pytest.fixture
def registrations(database: Database, now: Clock) -> Registrations:
    return make_registrations(database, now)


async def test_registering_says_so_in_all_conversations_of_the_user(
    registrations: Registrations, tables: Tables
) -> None:
    for name in ("c1", "c2"):
        await tables.add(name, "ann", "bob")
    await tables.add("c3", "ann", "eve")
    await registrations.register(BOB, "apns", b"token", True)
    assert await tables.notify("bob") == {"c1": 1, "c2": 1}
    assert await tables.notify("ann") == {"c1": 0, "c2": 0, "c3": 0}
    assert await tables.versions() == {"c1": 2, "c2": 2, "c3": 1}


async def test_a_second_registration_makes_nobody_load_members_anew(
    registrations: Registrations, tables: Tables
) -> None:
    await tables.add("c1", "ann", "bob")
    await registrations.register(BOB, "apns", b"token", True)
    await registrations.register(Caller("bob", "bob-2"), "apns", b"other", True)
    assert await tables.versions() == {"c1": 2}


async def test_a_session_has_one_registration_that_keeps_its_id(
    registrations: Registrations, now: Clock
) -> None:
    first = await registrations.register(BOB, "apns", b"old", True)
    now.forward(1)
    second = await registrations.register(BOB, "fcm", b"new", False)
    assert await registrations.of_user("bob") == [second]
    assert second.id == first.id
    assert (second.provider, second.target, second.show_content) == ("fcm", b"new", False)


async def test_a_device_that_logged_in_anew_is_told_once(
    registrations: Registrations, now: Clock
) -> None:
    await registrations.register(BOB, "apns", b"token", True)
    now.forward(1)
    again = await registrations.register(Caller("bob", "bob-2"), "apns", b"token", True)
    assert await registrations.of_user("bob") == [again]


async def test_of_too_many_registrations_the_oldest_goes(
    registrations: Registrations, now: Clock
) -> None:
    for number in range(REGISTRATIONS_AT_MOST + 2):
        now.forward(1)
        await registrations.register(
            Caller("bob", f"bob-{number}"), "apns", f"t{number}".encode(), False
        )
    held = [one.session_id for one in await registrations.of_user("bob")]
    assert held == [f"bob-{number}" for number in range(REGISTRATIONS_AT_MOST + 1, 1, -1)]


async def test_the_last_one_that_ends_says_so_in_all_conversations(
    registrations: Registrations, tables: Tables
) -> None:
    await tables.add("c1", "ann", "bob")
    one = await registrations.register(BOB, "apns", b"1", True)
    two = await registrations.register(Caller("bob", "bob-2"), "apns", b"2", True)
    await registrations.unregister("bob", one.id)
    assert await tables.notify("bob") == {"c1": 1}
    await registrations.unregister("bob", two.id)
    assert await tables.notify("bob") == {"c1": 0}
    assert await tables.versions() == {"c1": 3}


async def test_others_registrations_are_not_found(registrations: Registrations) -> None:
    held = await registrations.register(BOB, "apns", b"token", True)
    answers = []
    for id in (held.id, "nothing"):
        with pytest.raises(NotFound) as refused:
            await registrations.unregister("eve", id)
        answers.append((refused.value.reason, refused.value.message))
    assert answers[0] == answers[1]
    assert await registrations.of_user("bob") == [held]


async def test_what_is_not_set_up_is_refused(database: Database, now: Clock) -> None:
    without = make_registrations(database, now, has_web_push=False, has_webhook=False)
    for provider in ("apns", WEB_PUSH):
        with pytest.raises(Invalid) as refused:
            await without.register(BOB, provider, b"target", True)
        assert refused.value.reason == "PUSH_NOT_SET_UP"
    assert await without.of_user("bob") == []


async def test_a_registration_ends_with_its_session(
    registrations: Registrations, tables: Tables
) -> None:
    await tables.add("c1", "ann", "bob")
    await registrations.register(BOB, "apns", b"1", True)
    kept = await registrations.register(Caller("ann", "ann-1"), "apns", b"2", True)
    running = asyncio.create_task(registrations.run())
    registrations.sessions_ended({"bob-1", "somebody-else"})
    async with asyncio.timeout(10):
        while await tables.notify("bob") != {"c1": 0}:
            await asyncio.sleep(0.002)
    assert await registrations.of_user("bob") == []
    assert await registrations.of_user("ann") == [kept]
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_sessions_of_one_user_that_register_at_once_all_do(
    registrations: Registrations,
) -> None:
    await asyncio.gather(
        *(
            registrations.register(Caller("bob", f"bob-{n % 3}"), "apns", f"{n % 3}".encode(), True)
            for n in range(12)
        )
    )
    held = {one.session_id for one in await registrations.of_user("bob")}
    assert held == {"bob-0", "bob-1", "bob-2"}


async def test_new_members_are_noted_to_be_told_as_they_are_registered(
    registrations: Registrations, database: Database
) -> None:
    await registrations.register(BOB, "apns", b"1", True)
    await registrations.register(BOT, WEBHOOK, b"2", True)
    users = ["ann", "bob", "bot"]
    async with database.begin() as connection:
        await connection.execute(
            sa.insert(member),
            [{"user_id": it, "conversation_id": "new", "read_seq": 0} for it in users],
        )
        await note_registered(connection, "new", users)
        rows = await connection.execute(
            sa.select(member.c.user_id, member.c.notify).where(member.c.conversation_id == "new")
        )
        assert {(it.user_id, it.notify) for it in rows} == {("ann", 0), ("bob", 1), ("bot", 2)}


async def test_a_bot_is_told_by_a_webhook_and_nobody_else_is(
    registrations: Registrations,
) -> None:
    for who, provider in ((BOT, "apns"), (BOT, WEB_PUSH), (BOB, WEBHOOK)):
        with pytest.raises(Invalid):
            await registrations.register(who, provider, b"1", True)
    assert await registrations.of_user("bot") == await registrations.of_user("bob") == []
