"""Stores that are away: nothing is lost. The last of all, since they break the system a while."""

import asyncio

import httpx
import pytest
import pytest_asyncio

from hongyan_client.errors import ServerError
from hongyan_client.model import MessageState
from loadtest.accounts import PASSWORD
from tests.faults.people import Town, until
from tests.system.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def rest(town: Town):
    async with httpx.AsyncClient(base_url=town.system.address, trust_env=False) as client:
        yield client


async def test_without_redis_messages_go_on_and_credentials_are_closed(world: World, town: Town):
    if world.redis is None:
        # The embedded node is stopped with the system's own hands.
        stop, start = world.system.kill, world.system.start
        names: tuple[str, ...] = ("valkey",)
    else:
        stop, start, names = world.redis.stop, world.redis.start, ()
    ling, bo, conversation_id = await town.pair("ling", "bo")
    email = (await ling.client.me()).email
    await stop(*names)
    try:
        message = await ling.send(conversation_id, "没有 Redis 也行")
        await ling.client.settled(message.client_message_id, 30)
        await until(lambda: bo.texts(conversation_id) == ["没有 Redis 也行"], "live delivery")
        assert len(await bo.client.history(conversation_id)) == 1
        with pytest.raises(ServerError) as caught:
            await town.device("x").client.login(
                email, PASSWORD, device_name="closed", platform="test"
            )
        assert (caught.value.code, caught.value.reason) == (14, "REDIS_AWAY")
    finally:
        await start(*names)
    again = town.device("ling")

    async def logged_in() -> bool:
        try:
            await again.client.login(email, PASSWORD, device_name="open", platform="test")
        except ServerError:
            return False
        return True

    async with asyncio.timeout(20):
        while not await logged_in():
            await asyncio.sleep(0.05)
    await bo.send(conversation_id, "Redis 回来了")
    await until(
        lambda: ling.texts(conversation_id) == ["没有 Redis 也行", "Redis 回来了"], "live again"
    )


# SQLite is a file inside the process, it cannot be away; and MySQL is not ours to stop.
@pytest.mark.parametrize("world", ["mariadb"], indirect=True)
async def test_without_the_database_nothing_is_acked_and_the_outbox_keeps_it(
    world: World, town: Town, rest: httpx.AsyncClient
):
    assert world.mariadb
    ling, bo, conversation_id = await town.pair("ling", "bo")
    token = await ling.client.account.access_token()
    own = f"/v1/conversations/{conversation_id}/messages"
    texts = [f"库不在也不丢 {number}" for number in range(1, 6)]
    await world.mariadb.stop()
    try:
        sent = [await ling.send(conversation_id, text) for text in texts]
        with pytest.raises(ServerError) as caught:
            await ling.client.me()
        assert caught.value.code == 14
        assert caught.value.reason in ("DATABASE_AWAY", "SERVICE_AWAY")
        body = {"client_message_id": "by-rest", "text": "也不行"}
        headers = {"authorization": f"Bearer {token}"}
        for answer in (
            await rest.post(own, json=body, headers=headers, timeout=20),
            await rest.get(own, headers=headers, timeout=20),
        ):
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == 14
        waiting = ling.client.pending(conversation_id)
        assert [one.text for one in waiting] == texts
        assert {one.state for one in waiting} == {MessageState.SENDING}
        assert town.history.acked == town.history.failed == []
        assert bo.texts(conversation_id) == []
    finally:
        await world.mariadb.start()
    settled = [await ling.client.settled(one.client_message_id, 30) for one in sent]
    assert [one.seq for one in settled] == [1, 2, 3, 4, 5]
    await until(lambda: bo.texts(conversation_id) == texts, "all of it, once")
    async with asyncio.timeout(20):
        while (answer := await rest.get(own, headers=headers)).status_code != 200:
            await asyncio.sleep(0.05)
    assert [one["text"] for one in answer.json()["messages"]] == texts
