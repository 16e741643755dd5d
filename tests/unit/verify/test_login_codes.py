"""Log-ins by a code, by the rules: who shows it, who claims it, and who may not."""

import asyncio

import pytest
import sqlalchemy as sa

from services.common.errors import AppError, Denied
from services.common.identity import Caller
from services.verify.login_codes import Claimed
from services.verify.model import Device, LoginCode, LoginCodeState, Suspension
from services.verify.rules import DAY, MICROS, Purpose
from tests.unit.verify.conftest import PASSWORD
from tests.unit.verify.test_accounts import EMAIL, LAPTOP, PHONE, reason_of, registered, stored

LIFE = 120 * MICROS
THIEF = Device("thief-0001", "灵灵's laptop", "linux")
GONE = "LOGIN_CODE_NOT_FOUND"
UNKNOWN = "k" * 43


class Shown:
    """A phone that is logged in, and the code that it shows."""

    def __init__(self, world, caller: Caller, code: str, made: LoginCode) -> None:
        self._rules = world.login_codes
        self.caller = caller
        self.code = code
        self.code_id = made.code_id
        self.expires_at = made.expires_at

    async def look(self) -> LoginCode:
        return await self._rules.look(self.caller.user_id, self.code_id)

    async def answer(self, approve: bool) -> LoginCode:
        return await self._rules.answer(self.caller.user_id, self.code_id, approve=approve)

    async def claim(self, device: Device = LAPTOP) -> Claimed:
        return await self._rules.claim(self.code, device, "ip")

    async def state(self) -> LoginCodeState:
        return (await self.look()).state


async def logged_in(world, email: str = EMAIL) -> Caller:
    me = await registered(world, email)
    tokens, _ = await world.verify.login(email, PASSWORD, PHONE, "ip")
    return Caller(me.user_id, tokens.session_id, None)


async def show(world, caller: Caller) -> Shown:
    code, made = await world.login_codes.create(caller)
    return Shown(world, caller, code, made)


@pytest.fixture
async def shown(world) -> Shown:
    return await show(world, await logged_in(world))


async def test_a_device_logs_in_by_a_code_that_another_shows_and_approves(world, shown):
    assert await shown.state() is LoginCodeState.WAITING
    claimed = await shown.claim()
    assert claimed.display_name == "灵"
    seen = await shown.look()
    assert seen.state is LoginCodeState.CLAIMED
    assert (seen.device, seen.number) == (LAPTOP, claimed.number)
    assert await world.login_codes.login(claimed.token, "ip") == (LoginCodeState.CLAIMED, None)
    assert (await shown.answer(True)).state is LoginCodeState.APPROVED
    state, opened = await world.login_codes.login(claimed.token, "ip")
    assert state is LoginCodeState.USED
    tokens, account = opened
    assert (account.user_id, account.email) == (shown.caller.user_id, EMAIL)
    assert await shown.state() is LoginCodeState.USED
    devices = {session.device for session in await world.verify.sessions(account.user_id)}
    assert devices == {PHONE, LAPTOP}
    assert (await world.verify.refresh(tokens.refresh)).session_id == tokens.session_id


async def test_code_and_claim_are_kept_as_hashes_and_have_256_random_bits(world, shown):
    claimed = await shown.claim()
    (row,) = await stored(world, "login_code")
    for secret in (shown.code, claimed.token):
        assert len(secret) == 43
        assert secret not in str(row)
    assert len(claimed.number) == 4
    assert claimed.number.isdecimal()


async def test_a_photographed_code_opens_nothing_when_the_owner_was_faster(world, shown):
    mine = await shown.claim()
    # However often, and whatever becomes of the claim of before.
    for approve in (None, True):
        if approve is not None:
            await shown.answer(approve)
        assert await reason_of(shown.claim(THIEF)) == GONE
    await world.login_codes.login(mine.token, "ip")
    assert await reason_of(shown.claim(THIEF)) == GONE
    devices = {session.device for session in await world.verify.sessions(shown.caller.user_id)}
    assert THIEF not in devices


async def test_a_photographed_code_is_noticed_when_the_thief_was_faster(world, shown):
    theirs = await shown.claim(THIEF)
    # The device before the owner's eyes gets no number to compare, and the phone has one.
    assert await reason_of(shown.claim()) == GONE
    assert (await shown.look()).number == theirs.number
    # Without a yes the thief waits in vain, and the code is of no more use to anyone.
    assert (await world.login_codes.login(theirs.token, "ip"))[1] is None
    await shown.answer(False)
    assert await world.login_codes.login(theirs.token, "ip") == (LoginCodeState.DECLINED, None)
    assert await reason_of(shown.claim()) == GONE
    assert len(await world.verify.sessions(shown.caller.user_id)) == 1


async def test_a_claim_opens_one_session_and_no_other(world, shown):
    claimed = await shown.claim()
    await shown.answer(True)
    await world.login_codes.login(claimed.token, "ip")
    assert await reason_of(world.login_codes.login(claimed.token, "ip")) == GONE
    assert len(await world.verify.sessions(shown.caller.user_id)) == 2


async def test_of_two_claims_at_once_one_has_the_code(world, shown):
    claims = await asyncio.gather(
        *(shown.claim(device) for device in (LAPTOP, THIEF)), return_exceptions=True
    )
    lost = [one for one in claims if isinstance(one, AppError)]
    (won,) = [one for one in claims if isinstance(one, Claimed)]
    assert [one.reason for one in lost] == [GONE]
    assert (await shown.look()).number == won.number


async def test_of_many_log_ins_at_once_with_one_claim_one_has_tokens(world, shown):
    claimed = await shown.claim()
    await shown.answer(True)
    answers = await asyncio.gather(
        *(world.login_codes.login(claimed.token, "ip") for _ in range(4)), return_exceptions=True
    )
    assert [one.reason for one in answers if isinstance(one, AppError)] == [GONE] * 3
    assert len(await world.verify.sessions(shown.caller.user_id)) == 2


async def test_a_code_works_for_two_minutes_and_a_claim_for_two_more(world, shown):
    world.desk.now += LIFE - 1
    claimed = await shown.claim()
    assert claimed.expires_at == world.desk.now + LIFE
    world.desk.now += LIFE - 1
    await shown.answer(True)
    assert await shown.state() is LoginCodeState.APPROVED
    world.desk.now += 1
    assert await shown.state() is LoginCodeState.EXPIRED
    assert await reason_of(world.login_codes.login(claimed.token, "ip")) == GONE
    assert await reason_of(shown.answer(False)) == GONE


async def test_an_expired_code_cannot_be_claimed(world, shown):
    assert shown.expires_at == world.desk.now + LIFE
    world.desk.now += LIFE
    assert await reason_of(shown.claim()) == GONE
    assert await shown.state() is LoginCodeState.EXPIRED


async def test_whatever_is_wrong_with_a_code_or_a_claim_the_answer_is_the_same(world):
    caller = await logged_in(world)

    async def answer_of(work) -> tuple:
        with pytest.raises(AppError) as caught:
            await work
        error = caught.value
        return type(error), error.reason, error.message, str(error.fields), error.retry_seconds

    answers = {await answer_of(world.login_codes.claim(UNKNOWN, LAPTOP, "ip"))}
    answers.add(await answer_of(world.login_codes.login(UNKNOWN, "ip")))
    used = await show(world, caller)
    claimed = await used.claim()
    answers.add(await answer_of(used.claim()))
    await used.answer(True)
    await world.login_codes.login(claimed.token, "ip")
    answers.add(await answer_of(used.claim()))
    answers.add(await answer_of(world.login_codes.login(claimed.token, "ip")))
    declined = await show(world, caller)
    await declined.answer(False)
    answers.add(await answer_of(declined.claim()))
    replaced = await show(world, caller)
    expired = await show(world, caller)
    answers.add(await answer_of(replaced.claim()))
    world.desk.now += LIFE
    answers.add(await answer_of(expired.claim()))
    answers.add(await answer_of(expired.answer(False)))
    assert len(answers) == 1


async def test_anothers_code_is_answered_for_as_one_that_there_is_not(world, shown):
    bo = await logged_in(world, "bo@example.org")
    await shown.claim()
    for code_id in (shown.code_id, "none"):
        assert await reason_of(world.login_codes.look(bo.user_id, code_id)) == GONE
        for approve in (True, False):
            answer = world.login_codes.answer(bo.user_id, code_id, approve=approve)
            assert await reason_of(answer) == GONE
    assert await shown.state() is LoginCodeState.CLAIMED


async def test_an_answer_may_come_twice_and_a_no_is_for_good(world, shown):
    assert await reason_of(shown.answer(True)) == "LOGIN_CODE_NOT_CLAIMED"
    claimed = await shown.claim()
    for approve in (True, True, False, False):
        await shown.answer(approve)
    assert await reason_of(shown.answer(True)) == "LOGIN_CODE_ANSWERED"
    assert await world.login_codes.login(claimed.token, "ip") == (LoginCodeState.DECLINED, None)


async def test_what_was_used_can_be_declined_no_more(world, shown):
    claimed = await shown.claim()
    await shown.answer(True)
    await world.login_codes.login(claimed.token, "ip")
    assert (await shown.answer(True)).state is LoginCodeState.USED
    assert await reason_of(shown.answer(False)) == "LOGIN_CODE_ANSWERED"


async def end(world, caller: Caller, how: str) -> None:
    if how == "log-out":
        await world.verify.end_session(caller.user_id, caller.session_id)
    elif how == "reset":
        await world.verify.send_code(EMAIL, Purpose.RESET_PASSWORD, "ip")
        await world.verify.reset_password(EMAIL, world.desk.code(EMAIL), "quite another 9")
    else:
        account = await world.verify.confirm(caller.user_id, PASSWORD, "ip")
        await world.erasures.delete(account)


@pytest.mark.parametrize("how", ["log-out", "reset", "deleted"])
@pytest.mark.parametrize("stage", ["shown", "claimed", "approved"])
async def test_a_code_is_dead_once_the_session_that_made_it_has_ended(world, shown, how, stage):
    claimed = await shown.claim() if stage != "shown" else None
    if stage == "approved":
        await shown.answer(True)
    await end(world, shown.caller, how)
    if claimed is None:
        assert await reason_of(shown.claim()) == GONE
    else:
        assert await reason_of(world.login_codes.login(claimed.token, "ip")) == GONE
    assert await reason_of(shown.answer(True)) == GONE
    assert await reason_of(show(world, shown.caller)) == GONE
    assert await world.verify.sessions(shown.caller.user_id) == []


@pytest.mark.parametrize("how", ["log-out", "reset", "deleted"])
async def test_a_log_in_by_a_code_that_waited_does_not_outlive_the_end_of_the_session(
    world, shown, how
):
    claimed = await shown.claim()
    await shown.answer(True)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        reached.set()
        await go_on.wait()

    free, world.desk.before_transaction = world.desk.before_transaction, hold
    login = asyncio.create_task(world.login_codes.login(claimed.token, "ip"))
    await reached.wait()  # the claim was seen to be approved, the session is not open yet
    world.desk.before_transaction = free
    await end(world, shown.caller, how)
    go_on.set()
    assert await reason_of(login) == GONE
    assert await world.verify.sessions(shown.caller.user_id) == []


async def test_a_yes_can_be_taken_back_until_the_device_has_logged_in(world, shown):
    claimed = await shown.claim()
    await shown.answer(True)

    async def decline() -> None:
        world.desk.before_transaction = free
        await shown.answer(False)

    # Even when the claim was seen to be approved already.
    free, world.desk.before_transaction = world.desk.before_transaction, decline
    assert await world.login_codes.login(claimed.token, "ip") == (LoginCodeState.DECLINED, None)
    assert len(await world.verify.sessions(shown.caller.user_id)) == 1


async def test_who_is_suspended_is_told_so_and_not_logged_in(world, shown):
    claimed = await shown.claim()
    await shown.answer(True)
    async with world.verify._begin() as store:
        await store.suspend(shown.caller.user_id, Suspension("spam", world.desk.now, 0))
    with pytest.raises(Denied) as refused:
        await world.login_codes.login(claimed.token, "ip")
    assert refused.value.reason == "ACCOUNT_SUSPENDED"
    assert await reason_of((await show(world, shown.caller)).claim()) == "ACCOUNT_SUSPENDED"
    assert len(await world.verify.sessions(shown.caller.user_id)) == 1


async def test_a_session_has_one_code_that_works(world, shown):
    newer = await show(world, shown.caller)
    assert await reason_of(shown.claim()) == GONE
    assert await reason_of(shown.look()) == GONE
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, LAPTOP, "ip")
    other = await show(world, Caller(shown.caller.user_id, tokens.session_id, None))
    await newer.claim()
    await other.claim(THIEF)


async def test_a_device_that_logs_in_by_a_code_replaces_its_former_session(world, shown):
    former, _ = await world.verify.login(EMAIL, PASSWORD, LAPTOP, "ip")
    claimed = await shown.claim()
    await shown.answer(True)
    _, opened = await world.login_codes.login(claimed.token, "ip")
    ids = {session.session_id for session in await world.verify.sessions(shown.caller.user_id)}
    assert ids == {shown.caller.session_id, opened[0].session_id}
    assert former.session_id not in ids


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u2028", "\u0085"])
async def test_a_device_cannot_disguise_its_name(shown, sign):
    disguised = Device("thief-0001", f"laptop{sign}gnilgniL", "linux")
    assert await reason_of(shown.claim(disguised)) == "INVALID_FIELD"
    assert await shown.state() is LoginCodeState.WAITING


async def test_codes_are_deleted_ten_minutes_after_they_expired(world, shown):
    world.desk.now += LIFE + 600 * MICROS
    await world.login_codes.sweep()
    assert await shown.state() is LoginCodeState.EXPIRED
    world.desk.now += 1
    fresh = await show(world, await logged_in(world, "bo@example.org"))
    await world.login_codes.sweep()
    assert await reason_of(shown.look()) == GONE
    assert await fresh.state() is LoginCodeState.WAITING


async def test_the_sweep_runs_on_after_a_failure(world, shown):
    world.desk.now += DAY
    swept = asyncio.Event()

    async def fail_once() -> None:
        world.desk.before_transaction = note
        raise sa.exc.OperationalError("DELETE", None, Exception("away"))

    async def note() -> None:
        swept.set()

    world.desk.before_transaction = fail_once
    running = asyncio.create_task(world.login_codes.run(look_seconds=0.01))
    try:
        async with asyncio.timeout(10):
            await swept.wait()
            while await stored(world, "login_code"):
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_is_limited_is_counted_by_user_and_by_ip_address(world, shown):
    before = len(world.desk.taken)
    claimed = await shown.claim()
    await world.login_codes.login(claimed.token, "ip")
    await shown.look()
    await shown.answer(False)
    by_ip, also_by_ip, by_user, also_by_user = world.desk.taken[before:]
    assert by_ip == also_by_ip
    assert by_user == also_by_user
    assert by_user not in (by_ip, shown.caller.user_id)
