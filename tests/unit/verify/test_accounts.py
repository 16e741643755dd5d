"""Codes, accounts, log-ins and sessions, by the rules."""

import asyncio

import pytest
import sqlalchemy as sa

from services.common.errors import AppError, Invalid, NotFound, Unauthenticated
from services.verify.rules import DAY, MICROS, Device, Purpose
from tests.unit.verify.conftest import PASSWORD

EMAIL = "ling@example.org"
PHONE = Device("phone-0001", "Ling's phone", "android")
LAPTOP = Device("laptop-001", "", "linux")


async def reason_of(work) -> str:
    with pytest.raises(AppError) as caught:
        await work
    return caught.value.reason


async def registered(world, email=EMAIL):
    await world.verify.send_code(email, Purpose.REGISTER, "ip")
    return await world.verify.register(email, world.desk.code(email), PASSWORD, "灵")


async def stored(world, table: str) -> list:
    async with world.database.read() as connection:
        return list(await connection.execute(sa.text(f"SELECT * FROM {table}")))


# Codes


async def test_a_code_is_six_digits_and_kept_as_a_hash(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    code = world.desk.code(EMAIL)
    assert len(code) == 6
    assert code.isdecimal()
    (row,) = await stored(world, "code")
    assert code.encode() not in bytes(row.code_hash)
    assert code not in str(row)


async def test_ten_thousand_guesses_are_five(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    right = world.desk.code(EMAIL)
    wrong = [f"{number:06d}" for number in range(6) if f"{number:06d}" != right][:5]
    for guess in wrong:
        guessing = world.verify.register(EMAIL, guess, PASSWORD, "x")
        assert await reason_of(guessing) == "CODE_INVALID"
    assert await reason_of(world.verify.register(EMAIL, right, PASSWORD, "x")) == "CODE_INVALID"
    assert await stored(world, "account") == []


async def test_guesses_at_once_are_counted_too(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    right = world.desk.code(EMAIL)
    wrong = "000000" if right != "000000" else "000001"
    guesses = (world.verify.register(EMAIL, wrong, PASSWORD, "x") for _ in range(8))
    await asyncio.gather(*guesses, return_exceptions=True)
    assert await reason_of(world.verify.register(EMAIL, right, PASSWORD, "x")) == "CODE_INVALID"


async def test_a_code_works_for_its_address_and_purpose_only(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    code = world.desk.code(EMAIL)
    other = world.verify.register("bo@example.org", code, PASSWORD, "x")
    assert await reason_of(other) == "CODE_INVALID"
    assert await reason_of(world.verify.reset_password(EMAIL, code, PASSWORD)) == "CODE_INVALID"


async def test_an_old_code_and_a_replaced_one_do_not_work(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    replaced = world.desk.code(EMAIL)
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    code = world.desk.code(EMAIL)
    if code != replaced:
        answer = world.verify.register(EMAIL, replaced, PASSWORD, "x")
        assert await reason_of(answer) == "CODE_INVALID"
    world.desk.now += 600 * MICROS
    assert await reason_of(world.verify.register(EMAIL, code, PASSWORD, "x")) == "CODE_INVALID"


async def test_asking_for_a_code_says_nothing_about_the_address(world):
    await registered(world)
    answers = [
        await world.verify.send_code(email, purpose, "ip")
        for email in (EMAIL, "nobody@example.org")
        for purpose in Purpose
    ]
    assert len(set(answers)) == 1
    # A known address is told that it has an account; an unknown one gets no reset mail.
    assert "已有账号" in [text for to, _, text in world.desk.mails if to == EMAIL][-2]
    assert len([1 for to, _, _ in world.desk.mails if to == "nobody@example.org"]) == 1


# Accounts


async def test_registering_again_with_the_same_code_gives_the_same_account(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    code = world.desk.code(EMAIL)
    first = await world.verify.register(EMAIL, code, PASSWORD, "灵")
    assert await world.verify.register(EMAIL, code, PASSWORD, "灵") == first
    other_password = world.verify.register(EMAIL, code, "another one 77", "灵")
    assert await reason_of(other_password) == "CODE_INVALID"


async def test_an_address_is_one_account_however_it_is_written(world):
    first = await registered(world)
    await world.verify.send_code(" LING@Example.ORG ".strip(), Purpose.REGISTER, "ip")
    assert "已有账号" in world.desk.mails[-1][2]
    assert first.email == EMAIL


async def test_two_registrations_at_once_make_one_account(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    code = world.desk.code(EMAIL)
    made = await asyncio.gather(
        *(world.verify.register(EMAIL, code, PASSWORD, "灵") for _ in range(3))
    )
    assert len({one.user_id for one in made}) == 1
    assert len(await stored(world, "account")) == 1


@pytest.mark.parametrize("password", ["password", "12345678", "Qwertyuiop", "woaini1314"])
async def test_a_password_that_everybody_tries_is_refused(world, password):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    registering = world.verify.register(EMAIL, world.desk.code(EMAIL), password, "x")
    assert await reason_of(registering) == "PASSWORD_TOO_COMMON"


async def test_a_password_is_the_same_however_its_letters_are_composed(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    await world.verify.register(EMAIL, world.desk.code(EMAIL), "café au lait 7", "x")
    tokens, _ = await world.verify.login(EMAIL, "cafe\u0301 au lait 7", PHONE, "ip")
    assert tokens.user_id


async def test_a_blank_name_is_refused_and_a_name_is_trimmed(world):
    me = await registered(world)
    with pytest.raises(Invalid):
        await world.profiles.change(me.user_id, {"display_name": "   "})
    assert (
        await world.profiles.change(me.user_id, {"display_name": "  灵灵 "})
    ).display_name == "灵灵"


async def test_whoever_hides_their_presence_is_found(world):
    me = await registered(world)
    assert await world.profiles.hidden_presence([me.user_id, "nobody"]) == []
    assert (await world.profiles.change(me.user_id, {"presence_hidden": 1})).presence_hidden
    assert await world.profiles.hidden_presence([me.user_id, "nobody"]) == [me.user_id]
    changed = await world.profiles.change(
        me.user_id, {"display_name": "灵灵", "presence_hidden": 0}
    )
    assert (changed.display_name, changed.presence_hidden) == ("灵灵", False)
    assert await world.profiles.hidden_presence([me.user_id]) == []


async def test_passwords_are_kept_as_argon2id(world):
    await registered(world)
    (row,) = await stored(world, "account")
    assert row.password_hash.startswith("$argon2id$")
    assert PASSWORD not in str(row)


# Sessions


async def test_a_wrong_password_and_an_unknown_address_are_told_apart_by_nothing(world):
    await registered(world)
    wrong = await reason_of(world.verify.login(EMAIL, "not this one", PHONE, "ip"))
    unknown = await reason_of(world.verify.login("no@example.org", "not this one", PHONE, "ip"))
    assert wrong == unknown == "CREDENTIALS_INVALID"


async def test_a_device_that_logs_in_again_replaces_its_session(world):
    me = await registered(world)
    first, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    await world.verify.login(EMAIL, PASSWORD, LAPTOP, "ip")
    second, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    open_ids = {one.session_id for one in await world.verify.sessions(me.user_id)}
    assert first.session_id not in open_ids
    assert second.session_id in open_ids
    assert len(open_ids) == 2


async def test_each_refresh_token_works_once_and_is_kept_as_a_hash(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    fresh = await world.verify.refresh(tokens.refresh)
    assert fresh.session_id == tokens.session_id
    kept = str(await stored(world, "session")) + str(await stored(world, "refresh_token"))
    assert tokens.refresh not in kept
    assert fresh.refresh not in kept
    world.desk.now += 11 * MICROS
    assert await reason_of(world.verify.refresh(tokens.refresh)) == "REFRESH_TOKEN_INVALID"
    # The copy was noticed: nobody keeps the session.
    assert await reason_of(world.verify.refresh(fresh.refresh)) == "REFRESH_TOKEN_INVALID"


async def test_a_device_whose_answer_was_lost_gets_another_one(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    lost = await world.verify.refresh(tokens.refresh)
    world.desk.now += 5 * MICROS
    again = await world.verify.refresh(tokens.refresh)
    assert (await world.verify.refresh(again.refresh)).session_id == tokens.session_id
    # The lost one comes after all: two have the session's tokens, and it ends.
    assert await reason_of(world.verify.refresh(lost.refresh)) == "REFRESH_TOKEN_INVALID"
    assert await world.verify.sessions(tokens.user_id) == []


async def test_refreshing_at_once_ends_nothing(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    answers = await asyncio.gather(*(world.verify.refresh(tokens.refresh) for _ in range(3)))
    assert {one.session_id for one in answers} == {tokens.session_id}
    assert len(await world.verify.sessions(tokens.user_id)) == 1


async def test_a_session_ends_when_it_is_idle_or_very_old(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    for _ in range(6):
        world.desk.now += 29 * DAY
        tokens = await world.verify.refresh(tokens.refresh)
    world.desk.now += 29 * DAY  # 203 days: used all the time, and too old
    assert await reason_of(world.verify.refresh(tokens.refresh)) == "REFRESH_TOKEN_INVALID"
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    world.desk.now += 31 * DAY
    assert await reason_of(world.verify.refresh(tokens.refresh)) == "REFRESH_TOKEN_INVALID"
    assert await world.verify.sessions(tokens.user_id) == []


async def test_a_foreign_session_is_as_unknown_as_none(world):
    await registered(world)
    bo = await registered(world, "bo@example.org")
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    for session_id in (tokens.session_id, "no-such-session"):
        with pytest.raises(NotFound):
            await world.verify.end_session(bo.user_id, session_id)
    await world.verify.end_session(tokens.user_id, tokens.session_id)
    assert await world.verify.sessions(tokens.user_id) == []


async def test_a_new_password_ends_all_sessions_and_uses_up_its_code(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    await world.verify.send_code(EMAIL, Purpose.RESET_PASSWORD, "ip")
    code = world.desk.code(EMAIL)
    await world.verify.reset_password(EMAIL, code, "quite another 9")
    assert await world.verify.sessions(tokens.user_id) == []
    with pytest.raises(Unauthenticated):
        await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    await world.verify.login(EMAIL, "quite another 9", PHONE, "ip")
    again = world.verify.reset_password(EMAIL, code, "yet another one 9")
    assert await reason_of(again) == "CODE_INVALID"


async def test_ends_of_sessions_are_told_after_a_mark_and_none_is_missed(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    ended, mark = await world.verify.ended_since(0)
    assert ended == []
    # Another pod's transaction that commits a little late, with the clock of its start.
    world.desk.now -= 2 * MICROS
    await world.verify.end_session(tokens.user_id, tokens.session_id)
    world.desk.now += 3 * MICROS
    ended, mark = await world.verify.ended_since(mark)
    assert ended == [tokens.session_id]
    world.desk.now += 60 * MICROS
    _, mark = await world.verify.ended_since(mark)
    assert (await world.verify.ended_since(mark))[0] == []


async def test_limits_are_taken_by_address_and_by_ip_and_know_neither(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "203.0.113.9")
    assert len(world.desk.taken) == 2
    assert EMAIL not in str(world.desk.taken)
    assert "203.0.113.9" not in str(world.desk.taken)
