"""Codes under attack, and calls that are made again or do not end well."""

import asyncio

import sqlalchemy as sa

from services.common.errors import Invalid
from services.verify.rules import MICROS, Purpose, Verify
from tests.unit.verify.conftest import PASSWORD
from tests.unit.verify.test_accounts import EMAIL, PHONE, reason_of, registered, stored


def wrong_codes(right: str) -> list[str]:
    """Returns 200 codes without the right one, the same each time."""
    return [f"{number:06d}" for number in range(201) if f"{number:06d}" != right][:200]


async def asked(world, purpose=Purpose.REGISTER) -> str:
    await world.verify.send_code(EMAIL, purpose, "ip")
    return world.desk.code(EMAIL)


async def guess(world, code: str) -> None:
    registering = world.verify.register(EMAIL, code, PASSWORD, "x")
    assert await reason_of(registering) == "CODE_INVALID"


async def test_after_five_guesses_no_number_of_them_opens_anything(world):
    right = await asked(world)
    guesses = wrong_codes(right)
    for code in guesses[:5]:
        await guess(world, code)
    for code in (*guesses[5:], right):
        await guess(world, code)
    (row,) = await stored(world, "code")
    assert row.tries == len(guesses) + 1
    # 10,000 guesses take too long here; the counter stands as after them.
    async with world.database.begin() as connection:
        await connection.execute(sa.text("UPDATE code SET tries = 10000"))
    await guess(world, right)
    assert await stored(world, "account") == []


async def test_the_fifth_guess_may_be_right_and_the_sixth_not(world):
    right = await asked(world)
    for code in wrong_codes(right)[:4]:
        await guess(world, code)
    assert (await world.verify.register(EMAIL, right, PASSWORD, "灵")).email == EMAIL


async def test_a_registration_with_the_fifth_guess_can_be_repeated(world):
    right = await asked(world)
    for code in wrong_codes(right)[:4]:
        await guess(world, code)
    first = await world.verify.register(EMAIL, right, PASSWORD, "灵")
    assert await world.verify.register(EMAIL, right, PASSWORD, "灵") == first


async def test_a_used_code_has_five_tries_of_its_own_and_no_more(world):
    right = await asked(world)
    await world.verify.register(EMAIL, right, PASSWORD, "灵")
    for code in wrong_codes(right)[:5]:
        await guess(world, code)
    await guess(world, right)


async def test_guesses_at_one_purpose_cost_the_other_nothing(world):
    await registered(world)
    reset = await asked(world, Purpose.RESET_PASSWORD)
    for code in wrong_codes(reset)[:6]:
        await guess(world, code)
    await world.verify.reset_password(EMAIL, reset, "quite another 9")


async def test_a_new_code_has_new_tries(world):
    for code in wrong_codes(await asked(world))[:6]:
        await guess(world, code)
    await world.verify.register(EMAIL, await asked(world), PASSWORD, "灵")


async def test_a_reset_code_is_guessed_at_five_times_too(world):
    await registered(world)
    right = await asked(world, Purpose.RESET_PASSWORD)
    for code in wrong_codes(right)[:5]:
        resetting = world.verify.reset_password(EMAIL, code, "quite another 9")
        assert await reason_of(resetting) == "CODE_INVALID"
    resetting = world.verify.reset_password(EMAIL, right, "quite another 9")
    assert await reason_of(resetting) == "CODE_INVALID"
    await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")


async def test_a_code_works_until_its_last_microsecond(world):
    right = await asked(world)
    world.desk.now += 600 * MICROS - 1
    await world.verify.register(EMAIL, right, PASSWORD, "灵")
    world.desk.now += 1
    await guess(world, right)  # nor can the call be repeated any longer


async def test_the_code_of_an_address_that_has_an_account_makes_none(world, monkeypatch):
    await registered(world)
    monkeypatch.setattr("services.verify.rules.secrets.randbelow", lambda _: 42)
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    assert "000042" not in world.desk.mails[-1][2]
    await guess(world, "000042")
    assert len(await stored(world, "account")) == 1


async def test_the_right_code_of_an_unknown_address_resets_nothing(world, monkeypatch):
    monkeypatch.setattr("services.verify.rules.secrets.randbelow", lambda _: 42)
    await world.verify.send_code("no@example.org", Purpose.RESET_PASSWORD, "ip")
    resetting = world.verify.reset_password("no@example.org", "000042", PASSWORD)
    assert await reason_of(resetting) == "CODE_INVALID"


async def test_the_hash_of_a_code_needs_the_secret(world):
    await asked(world)
    (row,) = await stored(world, "code")
    other = Verify.__new__(Verify)
    other._secret = b"another secret of thirty-two byt"
    hashes = {other._code_hash(EMAIL, Purpose.REGISTER, world.desk.code(EMAIL))}
    assert bytes(row.code_hash) not in hashes
    assert len(bytes(row.code_hash)) == 32


async def test_two_resets_at_once_use_a_code_once(world):
    await registered(world)
    code = await asked(world, Purpose.RESET_PASSWORD)
    outcomes = await asyncio.gather(
        world.verify.reset_password(EMAIL, code, "the first one 7"),
        world.verify.reset_password(EMAIL, code, "the second one 7"),
        return_exceptions=True,
    )
    assert sorted(isinstance(outcome, Invalid) for outcome in outcomes) == [False, True]


async def test_when_the_database_fails_half_way_there_is_no_half_account(world):
    right = await asked(world)
    async with world.database.begin() as connection:
        await connection.execute(
            sa.text(
                "CREATE TRIGGER failing BEFORE UPDATE OF account_id ON code "
                "BEGIN INSERT INTO nowhere VALUES (1); END"
            )
        )
    assert await reason_of(world.verify.register(EMAIL, right, PASSWORD, "灵")) == "DATABASE_AWAY"
    assert await stored(world, "account") == []
    async with world.database.begin() as connection:
        await connection.execute(sa.text("DROP TRIGGER failing"))
    made = await world.verify.register(EMAIL, right, PASSWORD, "灵")
    assert [row.user_id for row in await stored(world, "account")] == [made.user_id]


async def test_when_the_database_fails_half_way_a_reset_changes_nothing(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    code = await asked(world, Purpose.RESET_PASSWORD)
    async with world.database.begin() as connection:
        await connection.execute(
            sa.text(
                "CREATE TRIGGER failing BEFORE UPDATE OF ended_at ON session "
                "BEGIN INSERT INTO nowhere VALUES (1); END"
            )
        )
    assert (
        await reason_of(world.verify.reset_password(EMAIL, code, "quite another 9"))
        == "DATABASE_AWAY"
    )
    async with world.database.begin() as connection:
        await connection.execute(sa.text("DROP TRIGGER failing"))
    assert len(await world.verify.sessions(tokens.user_id)) == 1
    await world.verify.reset_password(EMAIL, code, "quite another 9")
    assert await world.verify.sessions(tokens.user_id) == []


async def test_guesses_at_once_are_each_one_try(world):
    await asked(world)
    await asyncio.gather(*(guess(world, "999999") for _ in range(4)), return_exceptions=True)
    (row,) = await stored(world, "code")
    assert row.tries == 4


def test_the_hash_of_a_code_is_bound_to_its_address_and_purpose():
    rules = Verify.__new__(Verify)
    rules._secret = b"0123456789abcdef0123456789abcdef"
    hashes = {
        rules._code_hash(email, purpose, "123456")
        for email in (EMAIL, "bo@example.org")
        for purpose in Purpose
    }
    assert len(hashes) == 4
