"""Logging in by a code that another device shows: both sides, in the library and the terminal."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status
from hongyan.verify.v1 import account_pb2, login_code_pb2

from hongyan_client.client import Client
from hongyan_client.errors import (
    DeadlineExceeded,
    NotFound,
    NotLoggedIn,
    PermissionDenied,
    ServerError,
)
from hongyan_client.login_codes import LOGIN_LINK
from hongyan_client.model import ConnectionState, LoginCodeState
from tests.unit.client.peer import ME, LoginCodes, Peer, refuse
from tests.unit.client.test_terminal import Terminal
from tests.unit.client.test_terminal import peer as threaded_peer  # noqa: F401

SOON = 0.01


@pytest.fixture
async def fresh(peer: Peer, tmp_path: Path) -> AsyncIterator[Client]:
    """A device that nobody has logged in on."""
    async with Client(peer.address, tmp_path / "fresh") as it:
        yield it


async def test_a_device_logs_in_by_a_code_of_another(
    client: Client, fresh: Client, tmp_path: Path
) -> None:
    made = await client.create_login_code()
    assert made.link == LOGIN_LINK + LoginCodes.CODE
    assert LoginCodes.CODE not in repr(made)
    assert (await client.login_code(made.code_id)).state is LoginCodeState.WAITING
    claim = await fresh.claim_login_code(made.link, device_name="平板", platform="android")
    assert (claim.display_name, claim.number) == ("我", LoginCodes.NUMBER)
    assert LoginCodes.CLAIM not in repr(claim)
    seen = await client.login_code(made.code_id)
    assert (seen.state, seen.number) == (LoginCodeState.CLAIMED, claim.number)
    assert (seen.device_name, seen.platform) == ("平板", "android")
    login = asyncio.create_task(fresh.login_with_code(claim, 10, poll_seconds=SOON))
    approved = await client.answer_login_code(made.code_id, approve=True)
    assert approved.state is LoginCodeState.APPROVED
    assert (await login).email == "me@example.org"
    assert fresh.user_id == ME
    assert (await fresh.me()).user_id == ME
    # It is on disk: the next start is logged in too.
    async with Client(fresh.address, tmp_path / "fresh") as again:
        assert again.user_id == ME


@pytest.mark.parametrize("form", ["{link}", "{code}", "  {link}\n"])
async def test_the_link_and_the_bare_code_both_claim(
    client: Client, fresh: Client, form: str
) -> None:
    link = (await client.create_login_code()).link
    text = form.format(link=link, code=link.removeprefix(LOGIN_LINK))
    assert (await fresh.claim_login_code(text)).number == LoginCodes.NUMBER


async def test_the_device_that_claims_is_the_one_that_the_session_will_be_of(
    peer: Peer, client: Client, fresh: Client, tmp_path: Path
) -> None:
    link = (await client.create_login_code()).link
    await fresh.claim_login_code(link)
    assert peer.login_codes.device.id == (tmp_path / "fresh" / "device").read_text()
    assert peer.login_codes.device.name
    assert peer.login_codes.device.platform


async def test_a_code_that_is_claimed_or_wrong_is_not_found(client: Client, fresh: Client) -> None:
    link = (await client.create_login_code()).link
    await fresh.claim_login_code(link)
    for wrong in (link, LOGIN_LINK + "guessed"):
        with pytest.raises(NotFound) as refused:
            await fresh.claim_login_code(wrong)
        assert refused.value.reason == "LOGIN_CODE_NOT_FOUND"


async def test_a_no_and_an_expired_claim_are_told_apart_and_nobody_is_logged_in(
    peer: Peer, client: Client, fresh: Client
) -> None:
    made = await client.create_login_code()
    claim = await fresh.claim_login_code(made.link)
    declined = await client.answer_login_code(made.code_id, approve=False)
    assert declined.state is LoginCodeState.DECLINED
    with pytest.raises(PermissionDenied) as no:
        await fresh.login_with_code(claim, 10)
    assert no.value.reason == "LOGIN_DECLINED"
    peer.login_codes.state = login_code_pb2.LOGIN_CODE_STATE_EXPIRED
    with pytest.raises(NotFound):
        await fresh.login_with_code(claim, 10)
    assert fresh.user_id == ""
    assert (await client.login_code(made.code_id)).state is LoginCodeState.EXPIRED


async def test_waiting_ends_at_the_deadline_and_can_go_on(
    peer: Peer, client: Client, fresh: Client
) -> None:
    made = await client.create_login_code()
    claim = await fresh.claim_login_code(made.link)
    with pytest.raises(DeadlineExceeded) as late:
        await fresh.login_with_code(claim, 0.2, poll_seconds=0.05)
    assert late.value.reason == "LOGIN_NOT_ANSWERED"
    assert 2 <= peer.login_codes.polled <= 5
    await client.answer_login_code(made.code_id, approve=True)
    assert (await fresh.login_with_code(claim, 10)).user_id == ME


async def test_a_server_that_is_away_or_has_enough_is_asked_again(
    peer: Peer, client: Client, fresh: Client
) -> None:
    made = await client.create_login_code()
    claim = await fresh.claim_login_code(made.link)
    await client.answer_login_code(made.code_id, approve=True)
    peer.login_codes.polls = [
        refuse(Status.UNAVAILABLE, "REDIS_AWAY", retry_seconds=0.01),
        refuse(Status.RESOURCE_EXHAUSTED, "LIMIT_REACHED", retry_seconds=0.3),
    ]
    clock = asyncio.get_running_loop().time
    started = clock()
    assert (await fresh.login_with_code(claim, 10, poll_seconds=SOON)).user_id == ME
    # As late as it said, and not before.
    assert clock() - started >= 0.3
    assert peer.login_codes.polled == 3


async def test_who_was_logged_in_stays_so_until_the_log_in_is_done(
    peer: Peer, client: Client
) -> None:
    await client.start()
    await client.caught_up()
    made = await client.create_login_code()
    claim = await client.claim_login_code(made.link)
    with pytest.raises(DeadlineExceeded):
        await client.login_with_code(claim, 0)
    assert client.state is ConnectionState.ONLINE
    await client.answer_login_code(made.code_id, approve=True)
    await client.login_with_code(claim, 10)
    assert not client.is_started
    await client.start()
    await client.caught_up()


async def test_the_side_that_shows_a_code_needs_a_session(fresh: Client) -> None:
    with pytest.raises(NotLoggedIn):
        await fresh.create_login_code()


async def test_nobody_is_approved_before_there_is_a_claim(client: Client) -> None:
    made = await client.create_login_code()
    with pytest.raises(ServerError) as refused:
        await client.answer_login_code(made.code_id, approve=True)
    assert refused.value.reason == "LOGIN_CODE_NOT_CLAIMED"


# In the terminal


@pytest.fixture
def terminal(threaded_peer: Peer, tmp_path: Path) -> Terminal:  # noqa: F811
    it = Terminal(threaded_peer.address, tmp_path / "home")
    it.login()
    return it


def claimed(peer: Peer, name: str = "平板") -> None:
    """Claims the code and, once that is approved, uses it: the other device."""
    codes = peer.login_codes
    if codes.state == login_code_pb2.LOGIN_CODE_STATE_WAITING:
        codes.state = login_code_pb2.LOGIN_CODE_STATE_CLAIMED
        codes.device = account_pb2.Device(id="device-0002", name=name, platform="android")
    elif codes.state == login_code_pb2.LOGIN_CODE_STATE_APPROVED:
        codes.state = login_code_pb2.LOGIN_CODE_STATE_USED


def approved(peer: Peer) -> None:
    """Approves the claim when it is looked at the second time."""
    if peer.login_codes.polled > 1:
        peer.login_codes.state = login_code_pb2.LOGIN_CODE_STATE_APPROVED


@pytest.mark.parametrize(
    ("answer", "state", "says"),
    [
        ("y\n", login_code_pb2.LOGIN_CODE_STATE_USED, "is logged in"),
        ("n\n", login_code_pb2.LOGIN_CODE_STATE_DECLINED, "Declined"),
        ("\n", login_code_pb2.LOGIN_CODE_STATE_DECLINED, "Declined"),
        ("", login_code_pb2.LOGIN_CODE_STATE_DECLINED, "Declined"),
    ],
)
def test_link_shows_a_code_and_asks_who_may(
    threaded_peer: Peer,  # noqa: F811
    terminal: Terminal,
    answer: str,
    state: int,
    says: str,
) -> None:
    threaded_peer.login_codes.before_look = lambda: claimed(threaded_peer)
    result = terminal("link", text=answer)
    assert result.exit_code == 0, result.stderr
    assert LOGIN_LINK + LoginCodes.CODE in result.stdout
    assert "█" in result.stdout
    for words in ("平板", "android", LoginCodes.NUMBER, says):
        assert words in result.stderr
    assert threaded_peer.login_codes.state == state


def test_link_for_scripts_says_each_step_as_json(
    threaded_peer: Peer,  # noqa: F811
    terminal: Terminal,
) -> None:
    threaded_peer.login_codes.before_look = lambda: claimed(threaded_peer)
    result = terminal("link", "--json", text="y\n")
    made, seen, end = (json.loads(line) for line in result.stdout.splitlines())
    assert made["link"] == LOGIN_LINK + LoginCodes.CODE
    assert (seen["state"], seen["number"]) == ("claimed", LoginCodes.NUMBER)
    assert end["state"] == "used"


def test_a_device_cannot_steer_the_terminal_by_its_name(
    threaded_peer: Peer,  # noqa: F811
    terminal: Terminal,
) -> None:
    threaded_peer.login_codes.before_look = lambda: claimed(threaded_peer, "a\x1b[2J\u202eb")
    result = terminal("link", text="n\n")
    assert "\x1b[2J" not in result.stderr
    assert "\u202e" not in result.stderr


def test_a_code_that_nobody_claims_ends_with_1(
    threaded_peer: Peer,  # noqa: F811
    terminal: Terminal,
) -> None:
    def expire() -> None:
        threaded_peer.login_codes.state = login_code_pb2.LOGIN_CODE_STATE_EXPIRED

    threaded_peer.login_codes.before_look = expire
    result = terminal("link", text="y\n")
    assert (result.exit_code, "expired" in result.stderr) == (1, True)


def test_login_takes_a_link_or_a_picture_of_it_instead_of_a_password(
    threaded_peer: Peer,  # noqa: F811
    terminal: Terminal,
    tmp_path: Path,
) -> None:
    picture = tmp_path / "code.png"
    threaded_peer.login_codes.before_look = lambda: claimed(threaded_peer)
    terminal("link", "--save", str(picture), text="n\n")
    for code in (str(picture), LOGIN_LINK + LoginCodes.CODE):
        codes = threaded_peer.login_codes
        codes.state, codes.polled = login_code_pb2.LOGIN_CODE_STATE_WAITING, 0
        other = Terminal(threaded_peer.address, tmp_path / f"other-{len(code)}")
        codes.before_look = lambda: approved(threaded_peer)
        result = other("login", "--code", code, "--device-name", "平板")
        assert result.exit_code == 0, result.stderr
        assert LoginCodes.NUMBER in result.stderr
        assert "Logged in as 我" in result.stderr
        assert codes.device.name == "平板"
        assert json.loads(other("me", "--json").stdout)["user_id"] == ME


def test_login_with_a_dead_code_says_what_to_do(
    threaded_peer: Peer,  # noqa: F811
    tmp_path: Path,
) -> None:
    other = Terminal(threaded_peer.address, tmp_path / "other")
    result = other("login", "--code", LOGIN_LINK + "guessed")
    assert result.exit_code == 1
    assert "LOGIN_CODE_NOT_FOUND" in result.stderr
    chinese = other("login", "--code", LOGIN_LINK + "guessed", LC_ALL="zh_CN.UTF-8")
    assert "登录码" in chinese.stderr
