"""The audit around an act: what is written when, and what an error in it does to the act."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hongyan.verify.v1 import admin_pb2

from services.admin.keys import add_key
from services.common.admins import Admins
from services.common.audit import Administration, Audit, Entry, audit_table
from services.common.database import Database
from services.common.errors import AppError, NotFound, Unavailable
from services.common.identity import admin

RPC = "/hongyan.verify.v1.AdminService/SuspendUser"
REQUEST = admin_pb2.SuspendUserRequest(user_id="bo", reason="因为")
NOW = 1_795_000_000_000_000


class Desk:
    """One administrator, an act that notes what it finds in the audit, and the audit."""

    def __init__(self, folder: Path, database: Database, table: sa.Table) -> None:
        self.key = add_key(folder / "admins", "mei")
        self.database = database
        self.done: list[str] = []
        self.written_before: list[Entry] = []
        ids = itertools.count(1)
        self.audit = Audit(
            database.begin,
            database.read,
            table,
            now=lambda: NOW,
            new_id=lambda: f"{next(ids):04}",
        )
        self._around = Administration(Admins(folder / "admins"), self.audit)

    async def run(
        self,
        error: BaseException | None = None,
        *,
        key: str = "",
        request: admin_pb2.SuspendUserRequest = REQUEST,
        tear: bool = False,
    ) -> str:
        async def act() -> str:
            self.written_before = await self.entries()
            if tear:
                await self.tear()
            if error:
                raise error
            self.done.append(admin())
            return "answer"

        return await self._around.run(RPC, request, lambda: key or self.key, act)

    async def entries(self) -> list[Entry]:
        return (await self.audit.page("", 100))[0]

    async def tear(self) -> None:
        """From now on nothing can be written to the audit."""
        async with self.database.begin() as connection:
            await connection.execute(sa.text("ALTER TABLE audit RENAME TO away"))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    metadata = sa.MetaData()
    table = audit_table(metadata, "audit")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'audit.db'}")
    metadata.create_all(engine)
    engine.dispose()
    database = Database(f"sqlite:///{tmp_path / 'audit.db'}", 2)
    yield Desk(tmp_path, database, table)
    await database.close()


async def test_the_intent_is_there_before_the_act_and_the_outcome_after(desk: Desk) -> None:
    assert await desk.run() == "answer"
    intent = Entry(
        "0001",
        NOW,
        "mei",
        "verify.v1.AdminService/SuspendUser",
        '{"user_id": "bo", "reason": "因为"}',
        "因为",
    )
    assert desk.written_before == [intent]
    (after,) = await desk.entries()
    assert (after.outcome, after.refusal) == ("OK", "")
    assert (after.request, desk.done) == (intent.request, ["mei"])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotFound("USER_NOT_FOUND", "no such user"), ("NOT_FOUND", "USER_NOT_FOUND")),
        (RuntimeError(), ("INTERNAL", "")),
        (asyncio.CancelledError(), ("CANCELLED", "")),
    ],
)
async def test_what_failed_is_written_as_it_failed(
    desk: Desk, error: BaseException, outcome: tuple[str, str]
) -> None:
    with pytest.raises(type(error)):
        await desk.run(error)
    (entry,) = await desk.entries()
    assert (entry.outcome, entry.refusal) == outcome


async def test_without_an_intent_there_is_no_act(desk: Desk) -> None:
    await desk.tear()
    with pytest.raises(Unavailable):
        await desk.run()
    assert desk.done == []


async def test_an_act_whose_outcome_is_lost_is_done_all_the_same(desk: Desk) -> None:
    assert await desk.run(tear=True) == "answer"
    assert desk.done == ["mei"]


async def test_an_outcome_is_written_once(desk: Desk) -> None:
    await desk.run()
    await desk.audit.conclude("0001", "INTERNAL", "FORGED")
    (entry,) = await desk.entries()
    assert (entry.outcome, entry.refusal) == ("OK", "")


async def test_a_guessed_key_does_nothing_and_is_written_without_its_request(desk: Desk) -> None:
    with pytest.raises(AppError) as refused:
        await desk.run(key="hya_guess")
    assert refused.value.reason == "ADMIN_KEY_INVALID"
    assert desk.done == []
    (entry,) = await desk.entries()
    assert (entry.admin, entry.request, entry.reason) == ("", "", "")
    assert (entry.outcome, entry.refusal) == ("UNAUTHENTICATED", "ADMIN_KEY_INVALID")


async def test_a_request_that_is_too_large_is_not_kept(desk: Desk) -> None:
    await desk.run(request=admin_pb2.SuspendUserRequest(user_id="x" * 40_000, reason="y" * 900))
    (entry,) = await desk.entries()
    assert entry.request.startswith('{"too_large": 4')
    assert len(entry.reason) == 500
