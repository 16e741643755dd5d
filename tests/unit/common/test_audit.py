"""Administrators' keys, and the audit that stands around every call of theirs."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hongyan.verify.v1 import admin_pb2

from services.common.admins import Admins, line_for, new_key
from services.common.audit import REQUEST_BYTES, Administration, Audit, audit_table
from services.common.database import Database
from services.common.errors import Denied, NotFound, Unauthenticated, Unavailable
from services.common.identity import admin

KEY = new_key()
metadata = sa.MetaData()
table = audit_table(metadata, "test_audit")
REQUEST = admin_pb2.SuspendUserRequest(user_id="bo", reason="侮辱他人")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "admins"
    path.write_text(f"# who administers\n\n{line_for('mei', KEY)}\n")
    return path


@pytest.fixture
async def audit(tmp_path: Path) -> AsyncIterator[Audit]:
    database = Database(f"sqlite:///{tmp_path / 'audit.db'}", 2)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    numbers = itertools.count(1)
    yield Audit(
        database.begin,
        database.read,
        table,
        now=lambda: 1_700_000_000_000_000,
        new_id=lambda: f"{next(numbers):032d}",
    )
    await database.close()


async def answer() -> str:
    return f"done by {admin()}"


async def test_an_act_is_written_before_it_is_done_and_its_outcome_after(
    audit: Audit, file: Path
) -> None:
    administration = Administration(Admins(file), audit)

    async def act() -> str:
        [open_one] = (await audit.page("", 10))[0]
        assert (open_one.admin, open_one.outcome) == ("mei", "")
        return await answer()

    rpc = "/hongyan.verify.v1.AdminService/SuspendUser"
    assert await administration.run(rpc, REQUEST, lambda: KEY, act) == "done by mei"
    [entry] = (await audit.page("", 10))[0]
    assert (entry.rpc, entry.reason) == ("verify.v1.AdminService/SuspendUser", "侮辱他人")
    assert (entry.outcome, entry.refusal) == ("OK", "")
    assert '"user_id": "bo"' in entry.request


async def test_what_is_refused_or_breaks_is_written_too(audit: Audit, file: Path) -> None:
    administration = Administration(Admins(file), audit)

    async def refuse() -> None:
        raise NotFound("USER_NOT_FOUND", "no such user")

    async def break_down() -> None:
        raise ZeroDivisionError

    async def be_cancelled() -> None:
        raise asyncio.CancelledError

    for act, error in (
        (refuse, NotFound),
        (break_down, ZeroDivisionError),
        (be_cancelled, asyncio.CancelledError),
    ):
        with pytest.raises(error):
            await administration.run("/hongyan.x/Act", REQUEST, lambda: KEY, act)
    found = [(it.outcome, it.refusal) for it in (await audit.page("", 10))[0]]
    assert found == [("CANCELLED", ""), ("INTERNAL", ""), ("NOT_FOUND", "USER_NOT_FOUND")]


@pytest.mark.parametrize("key", ["", "hya_", KEY[:-1], KEY.upper(), f"{KEY}x", "no prefix"])
async def test_who_has_no_key_does_nothing_and_leaves_a_trace_without_content(
    audit: Audit, file: Path, key: str
) -> None:
    async def act() -> None:
        raise AssertionError("it was done")

    with pytest.raises(Unauthenticated):
        await Administration(Admins(file), audit).run("/x/Act", REQUEST, lambda: key, act)
    [entry] = (await audit.page("", 10))[0]
    assert (entry.admin, entry.request, entry.reason) == ("", "", "")
    assert (entry.outcome, entry.refusal) == ("UNAUTHENTICATED", "ADMIN_KEY_INVALID")


async def test_without_an_audit_nothing_is_done(
    audit: Audit, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    async def fail(*_: str) -> str:
        raise Unavailable("DATABASE_AWAY", "the database is away", retry_seconds=1)

    async def act() -> None:
        done.append(1)

    monkeypatch.setattr(audit, "intend", fail)
    with pytest.raises(Unavailable):
        await Administration(Admins(file), audit).run("/x/Act", REQUEST, lambda: KEY, act)
    assert done == []


async def test_an_outcome_that_cannot_be_written_does_not_undo_the_act(
    audit: Audit, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: str) -> None:
        raise Unavailable("DATABASE_AWAY", "the database is away", retry_seconds=1)

    monkeypatch.setattr(audit, "conclude", fail)
    administration = Administration(Admins(file), audit)
    assert await administration.run("/x/Act", REQUEST, lambda: KEY, answer) == "done by mei"
    [entry] = (await audit.page("", 10))[0]
    assert entry.outcome == ""


async def test_the_audit_is_read_page_by_page(audit: Audit, file: Path) -> None:
    administration = Administration(Admins(file), audit)
    for _ in range(5):
        await administration.run("/x/Act", REQUEST, lambda: KEY, answer)
    first, token = await audit.page("", 3)
    rest, end = await audit.page(token, 3)
    assert [it.id for it in (*first, *rest)] == [f"{number:032d}" for number in (5, 4, 3, 2, 1)]
    assert end == ""


async def test_a_request_that_is_too_large_is_named_and_not_kept(audit: Audit, file: Path) -> None:
    large = admin_pb2.SuspendUserRequest(user_id="b" * REQUEST_BYTES)
    await Administration(Admins(file), audit).run("/x/Act", large, lambda: KEY, answer)
    [entry] = (await audit.page("", 10))[0]
    assert entry.request.startswith('{"too_large"')


def test_a_key_ends_with_its_line_and_a_new_one_works_at_once(file: Path) -> None:
    admins = Admins(file)
    assert admins.check(KEY) == "mei"
    other = new_key()
    file.write_text(f"{line_for('bo', other)}\nnonsense\nbo {'0' * 64}\n")
    assert admins.check(other) == "bo"
    with pytest.raises(Unauthenticated):
        admins.check(KEY)
    file.unlink()
    with pytest.raises(Unauthenticated):
        admins.check(other)


def test_without_a_file_nobody_administers() -> None:
    with pytest.raises(Denied) as refused:
        Admins(None).check(KEY)
    assert refused.value.reason == "ADMIN_NOT_SET_UP"


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, "line\nbreak"])
def test_a_name_that_the_file_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a name has"):
        line_for(name, KEY)
