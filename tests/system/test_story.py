"""What people do with the whole system, on each kind of stores."""

import asyncio

import httpx
import pytest
from hongyan.verify.v1 import account_grpc, account_pb2

from hongyan_client.errors import NotLoggedIn, ServerError
from hongyan_client.model import ConnectionState
from loadtest.accounts import PASSWORD
from tests.faults.people import Device, Town, code_for, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def say(device: Device, conversation_id: str, *texts: str) -> list[int]:
    """Sends texts one after the other and returns their numbers."""
    numbers = []
    for text in texts:
        message = await device.send(conversation_id, text)
        numbers.append((await device.client.settled(message.client_message_id, 30)).seq)
    return numbers


async def test_two_people_talk_in_chinese_with_emoji(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    assert await say(ling, conversation_id, "你好，波！🍲", "今晚七点？") == [1, 2]
    assert await say(bo, conversation_id, "好啊 👨‍👩‍👧‍👦 see you") == [3]
    talk = ["你好，波！🍲", "今晚七点？", "好啊 👨‍👩‍👧‍👦 see you"]
    for device in (ling, bo):
        await until(lambda device=device: device.texts(conversation_id) == talk, "both see it all")


async def test_opening_a_conversation_from_both_sides_gives_the_same_one(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    again = await asyncio.gather(
        *(ling.client.open_direct(bo.client.user_id) for _ in range(3)),
        *(bo.client.open_direct(ling.client.user_id) for _ in range(3)),
    )
    assert {one.conversation_id for one in again} == {conversation_id}


async def test_every_device_of_a_person_shows_what_any_of_them_sends(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    tablet = await town.second_device(ling)
    await say(ling, conversation_id, "从手机")
    await say(tablet, conversation_id, "从平板")
    await say(bo, conversation_id, "收到两条")
    talk = ["从手机", "从平板", "收到两条"]
    for device in (ling, tablet, bo):
        await until(lambda device=device: device.texts(conversation_id) == talk, device.name)


async def test_what_was_sent_while_a_person_was_away_comes_when_they_connect(town: Town):
    ling = await town.newcomer("ling")
    bo = await town.newcomer("bo", start=False)
    conversation = await ling.client.open_direct(bo.client.user_id)
    conversation_id = conversation.conversation_id
    texts = [f"第 {number} 条" for number in range(1, 31)]
    await say(ling, conversation_id, *texts)
    (listed,) = await bo.client.conversations()
    assert listed.unread_count == 30
    await bo.start()
    await until(lambda: bo.texts(conversation_id) == texts, "all of it, once, in order")


async def test_a_device_that_was_cut_goes_on_where_it_was(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    await say(ling, conversation_id, "一")
    await until(lambda: bo.texts(conversation_id) == ["一"], "the first arrives")
    # The device is killed: nothing says good-bye, the process is gone, its files are there.
    home = bo.client.home
    await bo.close()
    await say(ling, conversation_id, "二", "三")
    back = town.device("bo", home=home)
    await back.start()
    await say(ling, conversation_id, "四")
    await until(lambda: back.texts(conversation_id) == ["二", "三", "四"], "only what was missing")
    history = await back.client.history(conversation_id)
    assert [message.text for message in history] == ["一", "二", "三", "四"]


async def test_history_can_be_read_back_to_its_start(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    texts = [f"m{number}" for number in range(1, 131)]
    await say(ling, conversation_id, *texts)
    tablet = await town.second_device(bo)
    read: list[str] = []
    before = None
    while page := await tablet.client.history(conversation_id, before_seq=before, limit=50):
        read = [message.text for message in page] + read
        before = page[0].seq
    assert read == texts


async def test_reading_moves_the_cursor_on_every_device(town: Town):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    tablet = await town.second_device(bo)
    await say(ling, conversation_id, "读了吗", "？")
    await until(lambda: len(bo.texts(conversation_id)) == 2, "both arrive")
    bo.client.mark_read(conversation_id, 2)

    def read_on(device: Device) -> bool:
        seen = device.client.conversation(conversation_id)
        return seen is not None and seen.read_seq(bo.client.user_id) == 2

    for device in (ling, tablet, bo):
        await until(lambda device=device: read_on(device), f"{device.name} sees the cursor")
    seen = tablet.client.conversation(conversation_id)
    assert seen is not None
    assert seen.unread_count == 0


async def test_a_session_that_is_ended_closes_its_stream_within_five_seconds(town: Town):
    ling = await town.newcomer("ling")
    tablet = await town.second_device(ling)
    other = next(one for one in await tablet.client.sessions() if not one.current)
    await tablet.client.end_session(other.session_id)
    await until(lambda: ling.client.state is ConnectionState.SIGNED_OUT, "the stream is closed", 5)
    with pytest.raises(NotLoggedIn):
        await ling.client.me()
    assert len(await tablet.client.sessions()) == 1


async def test_a_new_password_ends_every_session(town: Town):
    ling = await town.newcomer("ling")
    email = (await ling.client.me()).email
    code = await code_for(town.system, ling.client, email, "reset_password")
    await ling.client.reset_password(email, code, "eine ganz neue 密码 7")
    await until(lambda: ling.client.state is ConnectionState.SIGNED_OUT, "signed out", 5)
    with pytest.raises(ServerError) as caught:
        await ling.client.login(email, PASSWORD, device_name="old", platform="test")
    assert caught.value.reason == "CREDENTIALS_INVALID"
    await ling.client.login(email, "eine ganz neue 密码 7", device_name="new", platform="test")
    assert (await ling.client.me()).email == email


async def test_a_refresh_token_that_comes_again_ends_the_session(town: Town):
    ling = await town.newcomer("ling", start=False)
    email = (await ling.client.me()).email
    service = account_grpc.AccountServiceStub(ling.client.channel.grpc)
    device = account_pb2.Device(id="a-second-device", name="", platform="")
    login = account_pb2.LoginRequest(email=email, password=PASSWORD, device=device)
    first = (await ling.client.channel.call(service.Login, login)).tokens

    async def refresh(token: str) -> account_pb2.Tokens:
        request = account_pb2.RefreshRequest(refresh_token=token)
        return (await ling.client.channel.call(service.Refresh, request)).tokens

    second = await refresh(first.refresh_token)
    # Its answer was lost: within the grace the same token gets another answer …
    third = await refresh(first.refresh_token)
    # … but then somebody has the lost one after all, and nobody keeps the session.
    with pytest.raises(ServerError):
        await refresh(second.refresh_token)
    with pytest.raises(ServerError):
        await refresh(third.refresh_token)


async def test_a_changed_name_is_what_others_see(town: Town):
    ling, bo, _ = await town.pair("ling", "bo")
    await ling.client.update_me(display_name="灵灵 🌸")
    async with httpx.AsyncClient(base_url=town.system.address, trust_env=False) as rest:
        token = await bo.client.account.access_token()
        answer = await rest.get(
            f"/v1/users/{ling.client.user_id}", headers={"authorization": f"Bearer {token}"}
        )
    assert answer.json()["user"]["display_name"] == "灵灵 🌸"


async def test_who_is_connected_is_online_and_who_left_is_not(town: Town):
    ling, bo, _ = await town.pair("ling", "bo")
    token = await ling.client.account.access_token()
    async with httpx.AsyncClient(base_url=town.system.address, trust_env=False) as rest:

        async def state() -> str:
            answer = await rest.get(
                "/v1/presence",
                params={"user_ids": bo.client.user_id},
                headers={"authorization": f"Bearer {token}"},
            )
            return str(answer.json()["presences"][0]["state"])

        async def becomes(wanted: str) -> None:
            async with asyncio.timeout(10):
                while await state() != wanted:
                    await asyncio.sleep(0.1)

        await becomes("PRESENCE_STATE_ONLINE")
        await bo.close()
        await becomes("PRESENCE_STATE_OFFLINE")
