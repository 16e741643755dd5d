"""Handles, searching, pictures, and accounts that are deleted, by the rules."""

import asyncio

import sqlalchemy as sa

from services.verify.rules import DAY
from tests.unit.verify.conftest import PASSWORD
from tests.unit.verify.test_accounts import EMAIL, PHONE, reason_of, registered, stored
from tests.unit.verify.test_avatars import encoded, halves
from tests.unit.verify.test_enumeration import listen_to_statements

OTHER = "other@example.org"


async def named(world, email=EMAIL, handle="Ling_2026"):
    me = await registered(world, email)
    return await world.profiles.change(me.user_id, {"handle": handle})


async def test_a_handle_is_unique_whatever_the_case(world):
    await named(world)
    other = await registered(world, OTHER)
    taking = world.profiles.change(other.user_id, {"handle": "LING_2026", "signature": "x"})
    assert await reason_of(taking) == "HANDLE_TAKEN"
    assert (await world.profiles.me(other.user_id)).profile.signature == ""


async def test_of_two_who_take_a_handle_at_once_one_has_it(world):
    users = [await registered(world, email) for email in (EMAIL, OTHER)]
    took = await asyncio.gather(
        *(world.profiles.change(user.user_id, {"handle": "the_same"}) for user in users),
        return_exceptions=True,
    )
    assert sorted(getattr(one, "reason", "") for one in took) == ["", "HANDLE_TAKEN"]


async def test_a_handle_is_changed_once_a_year(world):
    me = await named(world)
    assert world.profiles.handle_changeable_at(me) == world.desk.now + 365 * DAY
    again = {"handle": "ling_2026"}
    assert await reason_of(world.profiles.change(me.user_id, again)) == "HANDLE_TOO_SOON"
    assert await reason_of(world.profiles.change(me.user_id, {"handle": ""})) == "INVALID_FIELD"
    await world.profiles.change(me.user_id, {"handle": "Ling_2026"})
    world.desk.now += 365 * DAY
    assert world.profiles.handle_changeable_at(me) is None
    assert (await world.profiles.change(me.user_id, again)).profile.handle == "ling_2026"


async def test_a_search_finds_by_the_whole_handle_or_address(world):
    me = await named(world)
    for query in ("ling_2026", "LING_2026", EMAIL, EMAIL.upper()):
        assert (await world.profiles.search("x", query)).user_id == me.user_id
    for query in ("ling_202", "ling", "", "%", "灵_2026", me.user_id):
        assert await world.profiles.search("x", query) is None
    await world.profiles.change(me.user_id, {"hide_from_handle_search": 1})
    assert await world.profiles.search("x", "ling_2026") is None
    assert await world.profiles.search("x", EMAIL) is not None
    await world.profiles.change(me.user_id, {"hide_from_email_search": 1})
    assert await world.profiles.search("x", EMAIL) is None


async def test_missing_hidden_and_deleted_are_the_same_answer_for_the_same_work(world):
    hidden = await named(world, EMAIL, "hidden_one")
    await world.profiles.change(
        hidden.user_id, {"hide_from_handle_search": 1, "hide_from_email_search": 1}
    )
    gone = await named(world, OTHER, "gone_one")
    await deleted(world, gone)
    statements = []
    for engine in (world.database._writer, world.database._reader):
        listen_to_statements(engine, statements)
    seen = []
    for query in ("hidden_one", EMAIL, "gone_one", OTHER, gone.user_id, "nobody", "no@example.org"):
        statements.clear()
        before = world.desk.transactions, len(world.desk.taken)
        answer = await world.profiles.search("x", query)
        after = world.desk.transactions - before[0], len(world.desk.taken) - before[1]
        seen.append((answer, tuple(statements), after))
    assert len(set(seen)) == 1
    assert seen[0][0] is None
    assert seen[0][2] == (0, 1)


async def test_a_new_picture_takes_the_place_of_the_old_and_of_nobody_elses(world):
    me, other = await registered(world), await registered(world, OTHER)
    first = await world.profiles.set_avatar(me.user_id, encoded(halves()), None)
    same = await world.profiles.set_avatar(other.user_id, encoded(halves()), None)
    assert first.profile.avatar_id == same.profile.avatar_id
    second = await world.profiles.set_avatar(me.user_id, encoded(halves().rotate(180)), None)
    assert len(await stored(world, "avatar")) == 4
    assert await world.profiles.avatar(first.profile.avatar_id, 480)
    await world.profiles.delete_avatar(other.user_id)
    gone = world.profiles.avatar(first.profile.avatar_id, 0)
    assert await reason_of(gone) == "AVATAR_NOT_FOUND"
    assert await world.profiles.avatar(second.profile.avatar_id, 0)


async def deleted(world, account, password=PASSWORD):
    confirmed = await world.verify.confirm(account.user_id, password, "ip")
    await world.erasures.delete(confirmed)


async def test_a_deleted_account_is_forgotten_and_its_names_are_free(world):
    me = await named(world)
    await world.profiles.set_avatar(me.user_id, encoded(halves()), None)
    tokens, _ = await world.verify.login(EMAIL, PASSWORD, PHONE, "ip")
    assert await reason_of(deleted(world, me, "wrong")) == "PASSWORD_WRONG"
    await deleted(world, me)
    row = str(await stored(world, "account"))
    assert not [word for word in (EMAIL, "Ling_2026", "ling_2026", "灵") if word in row]
    assert await stored(world, "avatar") == []
    assert (await world.profiles.user(me.user_id)).deleted
    assert await world.profiles.existing([me.user_id]) == []
    assert await world.profiles.policies([me.user_id]) == []
    assert await reason_of(world.verify.refresh(tokens.refresh)) == "REFRESH_TOKEN_INVALID"
    for password in (PASSWORD, "nobody has this password", "!"):
        logging_in = world.verify.login(EMAIL, password, PHONE, "ip")
        assert await reason_of(logging_in) == "CREDENTIALS_INVALID"
    changing = world.profiles.change(me.user_id, {"signature": "back"})
    assert await reason_of(changing) == "USER_NOT_FOUND"
    assert (await named(world)).user_id != me.user_id


async def test_a_password_reset_meanwhile_stops_the_deletion(world):
    me = await registered(world)
    confirmed = await world.verify.confirm(me.user_id, PASSWORD, "ip")
    async with world.database.begin() as connection:
        await connection.execute(sa.text("UPDATE account SET password_hash = 'another'"))
    assert await reason_of(world.erasures.delete(confirmed)) == "PASSWORD_WRONG"
    assert not (await world.profiles.user(me.user_id)).deleted


class Chat:
    """An eraser that fails for a while."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked: list[str] = []

    async def erase(self, user_id: str) -> None:
        self.asked.append(user_id)
        if len(self.asked) <= self.failures:
            raise OSError


async def test_an_erasure_is_tried_until_it_succeeds(world):
    me = await registered(world)
    await deleted(world, me)
    await world.erasures.erase_due()
    assert len(await stored(world, "erasure")) == 1  # nobody is there to erase: it waits
    chat = Chat(failures=2)
    world.erasers.append(chat)
    for _ in range(4):
        await world.erasures.erase_due()
        await world.erasures.erase_due()  # not due yet
        world.desk.now += DAY
    assert chat.asked == [me.user_id] * 3
    assert await stored(world, "erasure") == []
