"""What happens between two steps of a call: another call, or a long wait."""

import asyncio

import pytest

from services.common.errors import Unauthenticated
from services.verify.rules import DAY, MICROS, Device, Purpose
from tests.unit.verify.conftest import PASSWORD
from tests.unit.verify.test_accounts import EMAIL, LAPTOP, PHONE, reason_of, registered, stored

NEW_PASSWORD = "quite another 9"


async def test_a_login_with_the_old_password_does_not_outlive_a_reset(world):
    me = await registered(world)
    await world.verify.send_code(EMAIL, Purpose.RESET_PASSWORD, "ip")
    code = world.desk.code(EMAIL)
    checked, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        checked.set()
        await go_on.wait()

    free, world.desk.before_transaction = world.desk.before_transaction, hold
    login = asyncio.create_task(world.verify.login(EMAIL, PASSWORD, PHONE, "ip"))
    await checked.wait()  # the password was right, the session is not open yet
    world.desk.before_transaction = free
    await world.verify.reset_password(EMAIL, code, NEW_PASSWORD)
    go_on.set()
    with pytest.raises(Unauthenticated) as refused:
        await login
    assert refused.value.reason == "CREDENTIALS_INVALID"
    assert await world.verify.sessions(me.user_id) == []


async def test_a_device_that_logs_in_twice_at_once_has_one_session(world):
    me = await registered(world)
    await asyncio.gather(*(world.verify.login(EMAIL, PASSWORD, PHONE, "ip") for _ in range(4)))
    assert len(await world.verify.sessions(me.user_id)) == 1


@pytest.mark.parametrize("ending", ["log-in", "expired", "reused"])
async def test_an_end_that_waited_long_for_the_database_is_told_all_the_same(world, ending):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    if ending == "reused":
        await world.verify.refresh(tokens.refresh)
        world.desk.now += 60 * MICROS
    if ending == "expired":
        world.desk.now += 31 * DAY
    marks = []

    async def wait() -> None:
        world.desk.before_transaction = free
        world.desk.now += 30 * MICROS
        marks.append((await world.verify.ended_since(0))[1])

    free, world.desk.before_transaction = world.desk.before_transaction, wait
    if ending == "log-in":
        await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    else:
        assert await reason_of(world.verify.refresh(tokens.refresh)) == "REFRESH_TOKEN_INVALID"
    ended, _ = await world.verify.ended_since(marks[0])
    assert ended == [tokens.session_id]


async def test_a_refresh_and_a_reset_at_once_leave_no_session(world):
    me = await registered(world)
    tokens = [
        (await world.verify.login(EMAIL, PASSWORD, device, "ip"))[0] for device in (PHONE, LAPTOP)
    ]
    await world.verify.send_code(EMAIL, Purpose.RESET_PASSWORD, "ip")
    await asyncio.gather(
        world.verify.reset_password(EMAIL, world.desk.code(EMAIL), NEW_PASSWORD),
        *(world.verify.refresh(one.refresh) for one in tokens),
        return_exceptions=True,
    )
    assert await world.verify.sessions(me.user_id) == []


async def test_a_token_that_lay_long_unused_is_still_known_after_its_use(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    world.desk.now += 8 * DAY
    await world.verify.refresh(tokens.refresh)
    # The answer was lost: the device, which was away for a week, asks again.
    assert (await world.verify.refresh(tokens.refresh)).session_id == tokens.session_id


async def test_a_copy_of_a_token_that_lay_long_unused_ends_the_session(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    world.desk.now += 8 * DAY
    thief = await world.verify.refresh(tokens.refresh)
    world.desk.now += DAY
    assert await reason_of(world.verify.refresh(tokens.refresh)) == "REFRESH_TOKEN_INVALID"
    assert await reason_of(world.verify.refresh(thief.refresh)) == "REFRESH_TOKEN_INVALID"
    assert await world.verify.sessions(tokens.user_id) == []


async def test_tokens_that_were_used_long_ago_are_forgotten(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    for _ in range(20):
        world.desk.now += DAY
        tokens = await world.verify.refresh(tokens.refresh)
    assert len(await stored(world, "refresh_token")) <= 9


async def test_the_grace_of_a_lost_answer_ends_after_ten_seconds(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    await world.verify.refresh(tokens.refresh)
    world.desk.now += 10 * MICROS
    await world.verify.refresh(tokens.refresh)
    world.desk.now += 1
    # Asking again does not make the grace longer.
    assert await reason_of(world.verify.refresh(tokens.refresh)) == "REFRESH_TOKEN_INVALID"
    assert await world.verify.sessions(tokens.user_id) == []


async def test_a_used_token_has_no_grace_once_its_answer_was_used(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    following = await world.verify.refresh(tokens.refresh)
    await world.verify.refresh(following.refresh)
    assert await reason_of(world.verify.refresh(tokens.refresh)) == "REFRESH_TOKEN_INVALID"
    assert await world.verify.sessions(tokens.user_id) == []


async def test_a_session_lasts_to_the_end_of_its_idle_time_and_not_longer(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    world.desk.now += 30 * DAY
    tokens = await world.verify.refresh(tokens.refresh)
    world.desk.now += 30 * DAY + 1
    assert await reason_of(world.verify.refresh(tokens.refresh)) == "REFRESH_TOKEN_INVALID"


async def test_the_ends_of_the_last_twenty_minutes_are_told_to_who_asks_first(world):
    await registered(world)
    ids = []
    for number in range(3):
        device = Device(f"device-00{number}", "", "linux")
        tokens, _ = await world.verify.login(EMAIL, PASSWORD, device, "ip")
        ids.append(tokens.session_id)
        await world.verify.end_session(tokens.user_id, tokens.session_id)
        world.desk.now += 11 * 60 * MICROS
    ended, mark = await world.verify.ended_since(0)
    assert ended == ids[2:]
    assert mark == world.desk.now


async def test_an_end_is_told_again_to_who_asks_within_five_seconds(world):
    await registered(world)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    await world.verify.end_session(tokens.user_id, tokens.session_id)
    _, mark = await world.verify.ended_since(0)
    world.desk.now += MICROS
    told, mark = await world.verify.ended_since(mark)
    assert told == [tokens.session_id]
    world.desk.now += 5 * MICROS
    _, mark = await world.verify.ended_since(mark)
    assert (await world.verify.ended_since(mark))[0] == []
