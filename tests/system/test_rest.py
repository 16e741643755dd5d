"""Every public unary rpc by REST, through the gateway, as scripts use it."""

import re

import httpx
import pytest
import pytest_asyncio
from google.api import annotations_pb2
from hongyan.options.v1 import access_pb2

from loadtest.accounts import PASSWORD, mailed_code
from services.common.contract import ACCESS, FILES
from tests.system.people import Device, Town, code_for, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def faces() -> dict[str, tuple[str, str]]:
    """Returns the REST method and path of each public unary rpc."""
    found = {}
    for file in FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                if method.client_streaming or ACCESS[path] == access_pb2.ACCESS_INTERNAL:
                    continue
                rule = method.GetOptions().Extensions[annotations_pb2.http]
                verb = rule.WhichOneof("pattern")
                found[method.name] = (verb.upper(), getattr(rule, verb))
    return found


class Script:
    """Calls by REST as one person."""

    def __init__(self, rest: httpx.AsyncClient, token: str) -> None:
        self._rest = rest
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def __call__(self, rpc: str, body=None, query=None, **path: str) -> httpx.Response:
        verb, template = faces()[rpc]
        url = re.sub(r"{(\w+)}", lambda match: path[match[1]], template)
        return await self._rest.request(
            verb, url, json=body, params=query, headers=self._headers, timeout=20
        )


@pytest_asyncio.fixture(loop_scope="session")
async def rest(town: Town):
    async with httpx.AsyncClient(base_url=town.system.address, trust_env=False) as client:
        yield client


async def script(device: Device, rest: httpx.AsyncClient) -> Script:
    return Script(rest, await device.client.account.access_token())


async def test_a_life_by_rest(town: Town, rest: httpx.AsyncClient):
    used: set[str] = set()

    def ok(rpc: str, answer: httpx.Response) -> dict:
        used.add(rpc)
        assert answer.status_code == 200, answer.text
        return answer.json()

    nobody = Script(rest, "")
    helper = town.device("helper")
    email = "rest-" + helper.name + "-" + str(id(rest)) + "@example.org"
    purpose = {"email": email, "purpose": "CODE_PURPOSE_REGISTER"}
    assert "expires_at" in ok("SendCode", await nobody("SendCode", purpose))
    # The mail of that very call: a second one would make its code void.
    await until(lambda: mailed_code(town.system.mail_folder, email) is not None, "a mail", 10)
    code = mailed_code(town.system.mail_folder, email)
    person = {"email": email, "code": code, "password": PASSWORD, "display_name": "梅"}
    me = ok("Register", await nobody("Register", person))["me"]
    assert ok("Register", await nobody("Register", person))["me"] == me
    device = {"id": "a-script-of-mei", "name": "脚本", "platform": "curl"}
    login = {"email": email, "password": PASSWORD, "device": device}
    tokens = ok("Login", await nobody("Login", login))["tokens"]
    refreshed = {"refresh_token": tokens["refresh_token"]}
    tokens = ok("Refresh", await nobody("Refresh", refreshed))["tokens"]
    mei = Script(rest, tokens["access_token"])

    assert ok("GetMe", await mei("GetMe"))["me"]["email"] == email
    renamed = ok("UpdateMe", await mei("UpdateMe", {"display_name": "梅梅 🌸"}))
    assert renamed["me"]["display_name"] == "梅梅 🌸"
    bo = await town.newcomer("bo")
    user = ok("GetUser", await mei("GetUser", user_id=bo.client.user_id))["user"]
    assert user["display_name"] == "bo"

    opened = ok("OpenDirect", await mei("OpenDirect", {"user_id": bo.client.user_id}))
    place = {"conversation_id": opened["conversation"]["conversation_id"]}
    body = {"client_message_id": "1", "text": "你好，我是梅 🌸"}
    sent = ok("Send", await mei("Send", body, **place))["message"]
    assert ok("Send", await mei("Send", body, **place))["message"] == sent
    listed = ok("List", await mei("List", query={"limit": 20}, **place))
    assert listed["messages"] == [sent]
    assert listed["last_seq"] == "1"
    bo_script = await script(bo, rest)
    (seen,) = ok("ListConversations", await bo_script("ListConversations"))["conversations"]
    assert (seen["unread_count"], seen["last_message"]) == ("1", sent)
    assert ok("MarkRead", await bo_script("MarkRead", {"seq": 1}, **place))["read_seq"] == "1"
    presence = ok("Query", await mei("Query", query={"user_ids": [me["user_id"], "nobody"]}))
    assert [one["user_id"] for one in presence["presences"]] == [me["user_id"], "nobody"]

    sessions = ok("ListSessions", await mei("ListSessions"))["sessions"]
    assert [one["current"] for one in sessions] == [True]
    reset = await code_for(town.system, helper.client, email, "reset_password")
    change = {"email": email, "code": reset, "new_password": "a quite new one 9"}
    ok("ResetPassword", await nobody("ResetPassword", change))
    tokens = ok("Login", await nobody("Login", login | {"password": "a quite new one 9"}))["tokens"]
    mei = Script(rest, tokens["access_token"])
    ok("RevokeSession", await mei("RevokeSession", session_id="current"))
    assert used == set(faces()), "an rpc without its case here"


async def test_whose_conversation_it_is_not_gets_one_answer(town: Town, rest: httpx.AsyncClient):
    _, _, conversation_id = await town.pair("ling", "bo")
    stranger = await script(await town.newcomer("eve"), rest)
    message = {"client_message_id": "1", "text": "hi"}
    for place in (conversation_id, "01a208d5003d763d92a19ada16c0b74d"):
        for rpc, body in (("Send", message), ("List", None), ("MarkRead", {"seq": 1})):
            answer = await stranger(rpc, body, conversation_id=place)
            assert answer.status_code == 403
            assert answer.json()["details"][0]["reason"] == "NOT_A_MEMBER"
