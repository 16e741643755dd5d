"""Profiles: handles, what users say of themselves, and who finds whom."""

import pytest

from services.common.errors import AlreadyExists, Invalid, Precondition
from services.verify.rules import DAY
from tests.unit.verify.test_accounts import registered


async def test_what_a_user_says_is_there_for_others(world):
    me = await registered(world)
    await world.profiles.change(
        me.user_id,
        {"signature": " 宁静致远 ", "region": "杭州", "gender": 1, "handle": "Ling_2026"},
    )
    (found,) = await world.profiles.find([me.user_id, "nobody"])
    assert (found.signature, found.region, found.gender, found.handle) == (
        "宁静致远",
        "杭州",
        1,
        "Ling_2026",
    )
    assert (await world.profiles.change(me.user_id, {"signature": ""})).signature == ""
    with pytest.raises(Invalid):
        await world.profiles.change(me.user_id, {"signature": "a\u202eb"})
    with pytest.raises(Invalid):
        await world.profiles.change(me.user_id, {"region": "x" * 65})


async def test_a_handle_is_unique_whatever_the_case_and_stays_for_a_year(world):
    me = await registered(world)
    you = await registered(world, "you@example.org")
    mine = await world.profiles.change(me.user_id, {"handle": "Ling_2026"})
    with pytest.raises(AlreadyExists) as taken:
        await world.profiles.change(you.user_id, {"handle": "LING_2026"})
    assert taken.value.reason == "HANDLE_TAKEN"
    # Another case of the same is no change.
    assert (await world.profiles.change(me.user_id, {"handle": "ling_2026"})).handle == "ling_2026"
    with pytest.raises(Precondition) as soon:
        await world.profiles.change(me.user_id, {"handle": "another"})
    assert soon.value.reason == "HANDLE_TOO_SOON"
    assert world.profiles.handle_changeable_at(mine) == world.desk.now + 365 * DAY
    world.desk.now += 365 * DAY
    await world.profiles.change(me.user_id, {"handle": "another"})
    assert (await world.profiles.change(you.user_id, {"handle": "Ling_2026"})).handle == "Ling_2026"
    with pytest.raises(Invalid):
        await world.profiles.change(you.user_id, {"handle": ""})


async def test_search_finds_the_whole_handle_or_address_of_who_wants_to_be_found(world):
    me = await registered(world)
    await world.profiles.change(me.user_id, {"handle": "Ling_2026"})
    for query in ("ling_2026", " LING_2026 ", me.email, me.email.upper()):
        found = await world.profiles.search("you", query)
        assert found is not None, query
        assert found.user_id == me.user_id
    for query in ("ling_202", "ling_2026x", "@", "nobody@example.org", "%", "_" * 9):
        assert await world.profiles.search("you", query) is None
    await world.profiles.change(
        me.user_id, {"hide_from_handle_search": True, "hide_from_email_search": True}
    )
    for query in ("ling_2026", me.email):
        assert await world.profiles.search("you", query) is None
    assert world.desk.taken.count("you") == 12
