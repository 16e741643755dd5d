"""Whether an address has an account: no answer and no amount of work tells."""

import pytest

from services.verify.passwords import Passwords
from services.verify.rules import Purpose
from tests.unit.verify.conftest import PASSWORD
from tests.unit.verify.test_accounts import EMAIL, PHONE, AppError, registered

UNKNOWN = "nobody@example.org"
WRONG = "not this one"


async def asks_for_a_code_to_register(verify, email):
    return await verify.send_code(email, Purpose.REGISTER, "ip")


async def asks_for_a_code_to_reset(verify, email):
    return await verify.send_code(email, Purpose.RESET_PASSWORD, "ip")


async def registers(verify, email):
    return await verify.register(email, "000000", WRONG, "x")


async def logs_in(verify, email):
    return await verify.login(email, WRONG, PHONE, "ip")


async def resets(verify, email):
    return await verify.reset_password(email, "000000", WRONG)


@pytest.mark.parametrize(
    "call",
    [asks_for_a_code_to_register, asks_for_a_code_to_reset, registers, logs_in, resets],
)
async def test_a_known_and_an_unknown_address_get_the_same_answer_for_the_same_work(
    world, monkeypatch, call
):
    await registered(world)
    # Neither has an open code, as after ten minutes.
    work = []
    fits, hash_ = Passwords._fits, Passwords.hash
    monkeypatch.setattr(
        Passwords, "_fits", lambda *arguments: (work.append("check"), fits(*arguments))[1]
    )
    monkeypatch.setattr(
        Passwords, "hash", lambda *arguments: (work.append("hash"), hash_(*arguments))[1]
    )
    statements = []
    for engine in (world.database._writer, world.database._reader):
        listen_to_statements(engine, statements)
    seen = []
    for email in (EMAIL, UNKNOWN):
        work.clear()
        statements.clear()
        transactions, taken = world.desk.transactions, len(world.desk.taken)
        mails = len(world.desk.mails) + world.desk.discarded
        try:
            answer = await call(world.verify, email)
        except AppError as error:
            answer = (type(error), error.reason, error.message, error.fields, error.retry_seconds)
        seen.append(
            (
                answer,
                list(work),
                list(statements),
                world.desk.transactions - transactions,
                len(world.desk.taken) - taken,
                len(world.desk.mails) + world.desk.discarded - mails,
            )
        )
    assert seen[0] == seen[1]


def listen_to_statements(engine, statements):
    import sqlalchemy as sa  # noqa: PLC0415

    @sa.event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(connection, cursor, statement, *_):
        statements.append(statement)


async def test_a_log_in_checks_one_hash_with_or_without_an_account(world, monkeypatch):
    await registered(world)
    checked = []
    verify_hash = Passwords._fits
    monkeypatch.setattr(
        Passwords,
        "_fits",
        lambda self, password, kept: (checked.append(kept), verify_hash(self, password, kept))[1],
    )
    for email in (EMAIL, UNKNOWN):
        with pytest.raises(AppError):
            await world.verify.login(email, WRONG, PHONE, "ip")
    assert len(checked) == 2
    assert checked[0]
    assert checked[1] is None
    await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    assert len(checked) == 3


async def test_the_password_of_nobody_opens_nothing(world):
    with pytest.raises(AppError) as refused:
        await world.verify.login(UNKNOWN, "nobody has this password", PHONE, "ip")
    assert refused.value.reason == "CREDENTIALS_INVALID"
