"""Accounts and sessions from their first to their last day, by the real client."""

import asyncio
import secrets

import httpx
import pytest
from hongyan.verify.v1 import account_grpc, account_pb2

from hongyan_client.errors import InvalidArgument, NotLoggedIn, ServerError, Unauthenticated
from hongyan_client.model import ConnectionState
from loadtest.accounts import PASSWORD
from tests.faults.people import Device, Town, code_for, until
from tests.system.conftest import REFRESH_GRACE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def until_refused(town: Town, token: str) -> None:
    """Waits until an access token is refused by each service that takes one."""
    paths = ("/v1/me", "/v1/conversations", "/v1/presence?user_ids=x")
    async with (
        httpx.AsyncClient(base_url=town.system.address, trust_env=False) as rest,
        # "Within two" seconds, and some for a machine that is busy with tests.
        asyncio.timeout(5),
    ):
        for path in paths:
            headers = {"authorization": f"Bearer {token}"}
            while (answer := await rest.get(path, headers=headers)).status_code == 200:
                await asyncio.sleep(0.05)
            assert answer.status_code == 401, answer.text
            assert answer.json()["details"][0]["reason"] == "SESSION_ENDED"


async def bare_login(device: Device) -> tuple[account_grpc.AccountServiceStub, account_pb2.Tokens]:
    """Logs the same person in without the client's own care for tokens."""
    service = account_grpc.AccountServiceStub(device.client.channel.grpc)
    request = account_pb2.LoginRequest(
        email=(await device.client.me()).email,
        password=PASSWORD,
        device=account_pb2.Device(id=f"bare-{secrets.token_hex(4)}", name="bare"),
    )
    return service, (await device.client.channel.call(service.Login, request)).tokens


async def test_the_same_code_and_password_give_the_same_account_again(town: Town):
    client = town.device("ling").client
    email = f"Twice-{secrets.token_hex(4)}@Example.org"
    code = await code_for(town.system, client, email.lower(), "register")
    first = await client.register(email, code, PASSWORD, "灵")
    again = await client.register(email.lower(), code, PASSWORD, "someone else")
    assert again == first
    assert (first.display_name, first.email) == ("灵", email.lower())
    with pytest.raises(InvalidArgument) as caught:
        await client.register(email, code, "not the password 1", "灵")
    assert (caught.value.reason, set(caught.value.fields)) == ("CODE_INVALID", {"code"})


async def test_a_code_that_was_guessed_five_times_is_dead(town: Town):
    client = town.device("ling").client
    email = f"guessed-{secrets.token_hex(4)}@example.org"
    code = await code_for(town.system, client, email, "register")
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for given in (*[wrong] * 5, code):
        with pytest.raises(InvalidArgument) as caught:
            await client.register(email, given, PASSWORD, "灵")
        assert caught.value.reason == "CODE_INVALID"
    fresh = await code_for(town.system, client, email, "register")
    assert (await client.register(email, fresh, PASSWORD, "灵")).email == email


async def test_a_code_works_for_its_purpose_only(town: Town):
    ling = await town.newcomer("ling", start=False)
    email = (await ling.client.me()).email
    code = await code_for(town.system, ling.client, email, "reset_password")
    with pytest.raises(InvalidArgument) as caught:
        await ling.client.register(email, code, PASSWORD, "灵")
    assert caught.value.reason == "CODE_INVALID"
    await ling.client.reset_password(email, code, "a quite new one 9")
    with pytest.raises(InvalidArgument) as caught:
        await ling.client.reset_password(email, code, "a quite new one 10")
    assert caught.value.reason == "CODE_INVALID"


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(town: Town):
    ling = await town.newcomer("ling", start=False)
    email = (await ling.client.me()).email
    answers = set()
    for address in (email, f"nobody-{secrets.token_hex(4)}@example.org"):
        with pytest.raises(Unauthenticated) as caught:
            await town.device("x").client.login(address, "wrong password")
        answers.add(str(caught.value))
    assert len(answers) == 1
    assert answers.pop().startswith("CREDENTIALS_INVALID")


async def test_who_logs_out_is_out_and_the_other_devices_stay(town: Town):
    ling = await town.newcomer("ling")
    tablet = await town.second_device(ling)
    token = await ling.client.account.access_token()
    await ling.client.logout()
    assert (ling.client.user_id, ling.client.state) == ("", ConnectionState.SIGNED_OUT)
    with pytest.raises(NotLoggedIn):
        await ling.client.me()
    await until_refused(town, token)
    (left,) = await tablet.client.sessions()
    assert left.current
    assert tablet.client.state is ConnectionState.ONLINE


async def test_sessions_are_listed_with_their_devices_the_latest_used_first(town: Town):
    ling = await town.newcomer("ling", start=False)
    tablet = await town.second_device(ling, start=False)
    names = [tablet.name, ling.name]
    assert [one.device_name for one in await ling.client.sessions()] == names
    assert [one.current for one in await ling.client.sessions()] == [False, True]
    assert [one.current for one in await tablet.client.sessions()] == [True, False]
    # Who refreshes has used it.
    token = await ling.client.account.access_token()
    await ling.client.account.access_token(stale=token)
    sessions = await tablet.client.sessions()
    assert [one.device_name for one in sessions] == names[::-1]
    assert {one.platform for one in sessions} == {"test"}
    assert all(one.created_at <= one.used_at for one in sessions)


async def test_a_refreshed_session_goes_on_as_the_same_one(town: Town):
    ling = await town.newcomer("ling")
    before = ling.client.account.tokens
    assert before
    token = await ling.client.account.access_token(stale=before.access_token)
    after = ling.client.account.tokens
    assert after
    assert (after.session_id, after.user_id) == (before.session_id, before.user_id)
    assert after.refresh_token != before.refresh_token
    assert token == after.access_token
    assert len(await ling.client.sessions()) == 1
    assert ling.client.state is ConnectionState.ONLINE


async def test_twenty_calls_at_once_refresh_once(town: Town):
    ling = await town.newcomer("ling", start=False)
    old = await ling.client.account.access_token()
    renewed = await asyncio.gather(
        *(ling.client.account.access_token(stale=old) for _ in range(20))
    )
    assert len(set(renewed)) == 1
    assert (await ling.client.me()).user_id == ling.client.user_id


async def test_a_used_refresh_token_ends_the_session_after_the_grace(town: Town):
    ling = await town.newcomer("ling", start=False)
    service, tokens = await bare_login(ling)

    async def refresh(token: str) -> account_pb2.Tokens | None:
        request = account_pb2.RefreshRequest(refresh_token=token)
        try:
            return (await ling.client.channel.call(service.Refresh, request)).tokens
        except Unauthenticated:
            return None

    current = await refresh(tokens.refresh_token)
    assert current
    # Within the grace the used one still gets answers; the last of them is the session's.
    async with asyncio.timeout(REFRESH_GRACE_SECONDS + 5):
        while answer := await refresh(tokens.refresh_token):
            current = answer
            await asyncio.sleep(0.1)
    assert await refresh(current.refresh_token) is None
    await until_refused(town, current.access_token)
    assert [one.current for one in await ling.client.sessions()] == [True]


async def test_a_device_that_logs_in_again_replaces_its_session(town: Town):
    ling = await town.newcomer("ling", start=False)
    (first,) = await ling.client.sessions()
    token = await ling.client.account.access_token()
    email = (await ling.client.me()).email
    await ling.client.login(email, PASSWORD, device_name="again", platform="test")
    (second,) = await ling.client.sessions()
    assert second.session_id != first.session_id
    assert second.device_id == first.device_id
    await until_refused(town, token)


async def test_nobody_ends_the_session_of_another_person(town: Town):
    ling, bo, _ = await town.pair("ling", "bo")
    (session,) = await bo.client.sessions()
    with pytest.raises(ServerError) as caught:
        await ling.client.end_session(session.session_id)
    assert caught.value.reason == "SESSION_NOT_FOUND"
    assert len(await bo.client.sessions()) == 1


async def test_a_new_password_closes_the_streams_of_all_devices(town: Town):
    ling = await town.newcomer("ling")
    devices = [ling, *[await town.second_device(ling) for _ in range(2)]]
    tokens = [await device.client.account.access_token() for device in devices]
    email = (await ling.client.me()).email
    code = await code_for(town.system, ling.client, email, "reset_password")
    await town.device("ling").client.reset_password(email, code, "a quite new one 9")

    def all_out() -> bool:
        return all(one.client.state is ConnectionState.SIGNED_OUT for one in devices)

    await until(all_out, "every stream is closed", 5)
    for token in tokens:
        await until_refused(town, token)
    again = town.device("ling")
    await again.client.login(email, "a quite new one 9", device_name="again", platform="test")
    await again.start()
    assert len(await again.client.sessions()) == 1


async def test_a_second_stream_of_one_profile_replaces_the_first(town: Town):
    ling = await town.newcomer("ling")
    twin = town.device("ling", home=ling.client.home)
    await twin.start()
    await until(lambda: ling.client.state is ConnectionState.OFFLINE, "the older one went")
    assert twin.client.state is ConnectionState.ONLINE
    # It does not come back by itself: the two would replace each other for ever.
    assert (await ling.client.me()).user_id == twin.client.user_id


async def test_a_changed_profile_is_the_same_on_every_device(town: Town):
    ling = await town.newcomer("ling")
    tablet = await town.second_device(ling)
    renamed = await ling.client.update_me(display_name="  灵灵 🌸  ")
    assert renamed.display_name == "灵灵 🌸"
    assert await tablet.client.me() == renamed
