"""An account is deleted: its friends and groups learn it, and what was said is there."""

import asyncio

import pytest

from loadtest.accounts import PASSWORD
from tests.faults.people import Town, until
from tests.system.test_rest import rest, script  # noqa: F401
from tests.system.test_story_groups import befriend, refused, say, words

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_who_deletes_their_account_is_forgotten_and_their_words_are_not(
    town: Town,
    rest,  # noqa: F811
):
    ling, bo, mei = await asyncio.gather(*(town.newcomer(name) for name in ("ling", "bo", "mei")))
    await befriend(ling, bo, mei)
    # Bo's other device has no stream: it asks when it is asked.
    silent = await town.second_device(bo, start=False)
    assert ling.client.user_id in {it.user_id for it in await silent.client.contacts()}
    direct = (await bo.client.open_direct(ling.client.user_id)).conversation_id
    group = await ling.client.create_group("火锅", [bo.client.user_id, mei.client.user_id])
    id = group.conversation_id
    await say(ling, direct, "记得我")
    call = await script(ling, rest)
    wrong = await call("DeleteAccount", {"password": "not it"})
    assert wrong.status_code == 403
    user_id = ling.client.user_id
    assert (await call("DeleteAccount", {"password": PASSWORD})).status_code == 200
    for device in (bo, mei):
        await until(
            lambda device=device: words(device, id)[-2:] == ["transferred", "left"],
            "the group has another owner",
        )
        await until(
            lambda device=device: not device.client.contact(user_id).friend, "a friend less"
        )
    assert user_id not in {it.user_id for it in await silent.client.contacts()}
    assert await refused(bo, direct, "在吗？") == "NOT_FRIENDS"
    assert "记得我" in [it.text for it in await bo.client.history(direct)]
    owners = [it for it in await bo.client.group_members(id) if it.role == "owner"]
    assert len(owners) == 1
    assert owners[0].user_id != user_id
    assert (await bo.client.account.user(user_id)).display_name == ""
