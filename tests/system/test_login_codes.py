"""Log-ins by a code of another device, through the gateway: by REST, library and terminal."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hongyan_client.client import Client
from hongyan_client.errors import NotFound, PermissionDenied
from hongyan_client.model import LoginCodeState
from tests.faults.people import Town, until
from tests.system.test_commands import Pair, Terminal, pair  # noqa: F401
from tests.system.test_rest import (
    OF_LOGIN_CODES,
    Script,
    faces,
    outcome,
    rest,  # noqa: F401
    script,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

GONE = (404, "LOGIN_CODE_NOT_FOUND", set())
TABLET = {"id": "tablet-of-ling", "name": "灵灵的平板", "platform": "android"}
THIEF = {"id": "thief-0001", "name": "灵灵的平板", "platform": "android"}


@asynccontextmanager
async def newcomer(town: Town, home: Path) -> AsyncIterator[Client]:
    """A device that nobody has logged in on."""
    async with Client(town.system.address, home) as client:
        yield client


async def test_a_script_logs_in_by_a_code_by_rest(
    town: Town,
    rest: httpx.AsyncClient,  # noqa: F811
) -> None:
    used: set[str] = set()

    def ok(rpc: str, answer: httpx.Response) -> Any:
        used.add(rpc)
        assert answer.status_code == 200, answer.text
        return answer.json()

    ling = await script(await town.newcomer("ling", start=False), rest)
    eve = await script(await town.newcomer("eve", start=False), rest)
    nobody = Script(rest, "")
    made = ok("CreateLoginCode", await ling("CreateLoginCode", {}))
    place = {"code_id": made["code_id"]}
    claim = {"code": made["code"], "device": TABLET}
    claimed = ok("ClaimLoginCode", await nobody("ClaimLoginCode", claim))
    assert claimed["display_name"] == "ling"
    # Who has photographed the code comes too late, and another user sees nothing of it.
    stolen = {"code": made["code"], "device": THIEF}
    assert outcome(await nobody("ClaimLoginCode", stolen)) == GONE
    assert outcome(await eve("GetLoginCode", **place)) == GONE
    assert outcome(await eve("AnswerLoginCode", {"approve": True}, **place)) == GONE
    token = {"claim_token": claimed["claim_token"]}
    assert ok("LoginWithCode", await nobody("LoginWithCode", token)) == {"waiting": {}}
    seen = ok("GetLoginCode", await ling("GetLoginCode", **place))["login_code"]
    assert seen["state"] == "LOGIN_CODE_STATE_CLAIMED"
    assert seen["claim"] == {
        "device_name": TABLET["name"],
        "platform": TABLET["platform"],
        "number": claimed["number"],
    }
    ok("AnswerLoginCode", await ling("AnswerLoginCode", {"approve": True}, **place))
    # Of many that come with the claim at once, one is let in.
    answers = await asyncio.gather(*(nobody("LoginWithCode", token) for _ in range(8)))
    let_in = [it.json()["login"] for it in answers if it.status_code == 200]
    assert [outcome(it) for it in answers if it.status_code != 200] == [GONE] * 7
    tablet = Script(rest, let_in[0]["tokens"]["access_token"])
    assert (await tablet("GetMe")).json()["me"] == let_in[0]["me"]
    sessions = (await ling("ListSessions")).json()["sessions"]
    assert sorted(it["device"]["id"] for it in sessions if not it["current"]) == [TABLET["id"]]
    assert outcome(await nobody("LoginWithCode", token)) == GONE
    assert used == set(faces(*OF_LOGIN_CODES)), "an rpc without its case here"


async def test_of_many_claims_at_once_one_has_the_code(
    town: Town,
    rest: httpx.AsyncClient,  # noqa: F811
) -> None:
    ling = await script(await town.newcomer("ling", start=False), rest)
    made = (await ling("CreateLoginCode", {})).json()
    answers = await asyncio.gather(
        *(
            Script(rest, "")("ClaimLoginCode", {"code": made["code"], "device": device})
            for device in (TABLET, THIEF) * 4
        )
    )
    assert sorted(it.status_code for it in answers) == [200] + [404] * 7


async def test_a_new_device_is_on_line_after_a_log_in_by_a_code(town: Town, tmp_path: Path) -> None:
    ling, bo, conversation_id = await town.pair("ling", "bo")
    made = await ling.client.create_login_code()
    async with newcomer(town, tmp_path / "tablet") as tablet:
        claim = await tablet.claim_login_code(made.link, device_name="灵灵的平板")
        waiting = asyncio.create_task(tablet.login_with_code(claim, 30, poll_seconds=0.05))
        seen = await ling.client.login_code(made.code_id)
        assert (seen.device_name, seen.number) == ("灵灵的平板", claim.number)
        await ling.client.answer_login_code(made.code_id, approve=True)
        assert (await waiting).user_id == ling.client.user_id
        assert (await ling.client.login_code(made.code_id)).state is LoginCodeState.USED
        await tablet.start()
        await tablet.caught_up()
        message = await bo.send(conversation_id, "新设备收到了吗？")
        await bo.client.settled(message.client_message_id, 30)
        await until(
            lambda: (
                (it := tablet.conversation(conversation_id)) is not None
                and it.last_message is not None
                and it.last_message.text == "新设备收到了吗？"
            ),
            "the new device has the message",
        )


async def test_a_thief_who_was_faster_is_declined_and_the_code_is_dead(
    town: Town, tmp_path: Path
) -> None:
    ling = await town.newcomer("ling", start=False)
    made = await ling.client.create_login_code()
    async with newcomer(town, tmp_path / "t") as thief, newcomer(town, tmp_path / "own") as own:
        stolen = await thief.claim_login_code(made.link, device_name="灵灵的平板")
        with pytest.raises(NotFound):
            await own.claim_login_code(made.link)
        await ling.client.answer_login_code(made.code_id, approve=False)
        with pytest.raises(PermissionDenied) as declined:
            await thief.login_with_code(stolen, 30)
        assert declined.value.reason == "LOGIN_DECLINED"
        # The next code is the owner's; and ends with the session that made it.
        again = await ling.client.create_login_code()
        claim = await own.claim_login_code(again.link)
        await ling.client.answer_login_code(again.code_id, approve=True)
        await ling.client.logout()
        with pytest.raises(NotFound):
            await own.login_with_code(claim, 30)


class Link:
    """`hongyan --json link` while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        document: dict[str, Any] = json.loads(line)
        return document

    async def answer(self, text: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        return await self.next()


@asynccontextmanager
async def linking(terminal: Terminal) -> AsyncIterator[Link]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("hongyan")),
        *("--json", "link"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=terminal.environment,
        # Who runs the tests in the background has it ignored, which programs inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield Link(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_one_terminal_lets_another_in(pair: Pair, tmp_path: Path) -> None:  # noqa: F811
    other = Terminal(pair.terminal.address, tmp_path / "other")
    async with linking(pair.terminal) as link:
        made = await link.next()
        arguments = ("--json", "login", "--code", made["link"], "--device-name", "书房")
        login = asyncio.create_task(other(*arguments))
        seen = await link.next()
        assert (seen["state"], seen["device_name"]) == ("claimed", "书房")
        assert (await link.answer("y\n"))["state"] == "used"
        code, out, err = await login
        assert code == 0, err
        assert seen["number"] in err
        [me] = await pair.terminal.json("me")
        assert json.loads(out)["user_id"] == me["user_id"]
    assert {it["device_name"] for it in await other.json("sessions")} >= {"书房"}


async def test_a_terminal_that_is_interrupted_leaves_no_code_behind(
    pair: Pair,  # noqa: F811
    tmp_path: Path,
) -> None:
    other = Terminal(pair.terminal.address, tmp_path / "other")
    async with linking(pair.terminal) as link:
        made = await link.next()
        link.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(link.process.wait(), 30) == 130
    code, _, err = await other("login", "--code", made["link"])
    assert (code, "LOGIN_CODE_NOT_FOUND" in err) == (1, True)
