"""Every public unary rpc by REST, through the gateway, as scripts use it."""

import base64
import os
import re

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.api import annotations_pb2
from hongyan.options.v1 import access_pb2

from loadtest.accounts import PASSWORD, mailed_code
from services.common.contract import ACCESS, FILES, NOT_ROUTED
from tests.faults.people import Device, Town, code_for, until
from tests.unit.verify.test_avatars import encoded, halves

pytestmark = pytest.mark.asyncio(loop_scope="session")


# The services whose rpcs test_groups_rest.py calls, each of them.
OF_PEOPLE = ("ContactService", "GroupService")
# And those that test_bots.py calls.
OF_BOTS = ("BotService",)
# And those that test_login_codes.py calls.
OF_LOGIN_CODES = ("LoginCodeService",)


def faces(*services: str) -> dict[str, tuple[str, str]]:
    """Returns the REST method and path of each public unary rpc, of some services or of all."""
    found = {}
    for file in FILES:
        for service in file.services_by_name.values():
            if services and service.name not in services:
                continue
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                if method.client_streaming or ACCESS[path] in NOT_ROUTED:
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
        url = re.sub(r"{(?:\w+\.)?(\w+)}", lambda match: path[match[1]], template)
        return await self._rest.request(
            verb, url, json=body, params=query, headers=self._headers, timeout=20
        )


@pytest_asyncio.fixture(loop_scope="session")
async def rest(town: Town):
    async with httpx.AsyncClient(base_url=town.system.address, trust_env=False) as client:
        yield client


async def script(device: Device, rest: httpx.AsyncClient) -> Script:
    return Script(rest, await device.client.account.access_token())


def subscription() -> dict[str, str]:
    """Returns what a browser gives for a push subscription."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    endpoint = "https://push.example.org/a-browser"
    return {"endpoint": endpoint, "p256dh": encode(point), "auth": encode(os.urandom(16))}


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
    hidden = {"presence_visibility": "PRESENCE_VISIBILITY_NOBODY"}
    assert ok("UpdateMe", await mei("UpdateMe", hidden))["me"] == renamed["me"] | hidden
    shown = {"presence_visibility": "PRESENCE_VISIBILITY_EVERYBODY"}
    mask = {"update_mask": "presence_visibility"}
    assert ok("UpdateMe", await mei("UpdateMe", shown, mask))["me"] == renamed["me"]
    bo = await town.newcomer("bo")
    user = ok("GetUser", await mei("GetUser", user_id=bo.client.user_id))["user"]
    assert user["display_name"] == "bo"
    asked = {"user_ids": [bo.client.user_id, NOBODY]}
    assert ok("GetUsers", await mei("GetUsers", query=asked))["users"] == [user]
    bo_email = (await bo.client.me()).email
    assert ok("SearchUser", await mei("SearchUser", {"query": bo_email}))["user"] == user
    picture = {"image": base64.b64encode(encoded(halves())).decode()}
    avatar_id = ok("SetAvatar", await mei("SetAvatar", picture))["me"]["avatar_id"]
    image = await mei("GetAvatar", query={"size": 96}, avatar_id=avatar_id)
    assert (image.status_code, image.headers["content-type"]) == (200, "image/webp")
    used.add("GetAvatar")
    assert ok("DeleteAvatar", await mei("DeleteAvatar"))["me"]["avatar_id"] == ""

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
    whole = ok("GetConversation", await mei("GetConversation", **place))["conversation"]
    assert [one["received_seq"] for one in whole["members"]].count("1") == 1
    readers = ok("ListReaders", await mei("ListReaders", seq="1", **place))
    assert readers["read_user_ids"] == [bo.client.user_id]
    found = ok("Search", await mei("Search", query={"query": "我是梅"}))["messages"]
    assert found == [sent]
    for pinned in (True, False):
        settings = await mei(
            "UpdateSettings", {"pinned": pinned}, {"update_mask": "pinned"}, **place
        )
        assert ok("UpdateSettings", settings)["settings"]["pinned"] is pinned
    assert ok("Hide", await mei("Hide", {"seqs": ["1"]}, **place))["user_version"] == "3"
    cleared = ok("Clear", await mei("Clear", {"remove": True}, **place))["settings"]
    assert (cleared["cleared_seq"], cleared["removed"]) == ("1", True)
    assert ok("List", await mei("List", **place))["first_seq"] == "2"
    reported = {"user_id": bo.client.user_id, "category": "REPORT_CATEGORY_SPAM"}
    report = ok("Report", await mei("Report", reported))
    assert ok("Report", await mei("Report", reported)) == report
    assert ok("GetWebPushKey", await mei("GetWebPushKey"))["public_key"]
    registered = await mei("RegisterPush", {"web_push": subscription(), "show_content": True})
    registration = ok("RegisterPush", registered)["registration"]
    registrations = ok("ListPushRegistrations", await mei("ListPushRegistrations"))["registrations"]
    assert registrations == [registration]
    place_of_it = {"registration_id": registration["registration_id"]}
    ok("UnregisterPush", await mei("UnregisterPush", **place_of_it))
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
    tokens = ok("Login", await nobody("Login", login | {"password": "a quite new one 9"}))["tokens"]
    mei = Script(rest, tokens["access_token"])
    ok("DeleteAccount", await mei("DeleteAccount", {"password": "a quite new one 9"}))
    gone = ok("GetUser", await bo_script("GetUser", user_id=me["user_id"]))["user"]
    assert (gone["display_name"], gone["deleted"]) == ("", True)
    elsewhere = set(faces(*OF_PEOPLE, *OF_BOTS, *OF_LOGIN_CODES))
    assert used == set(faces()) - elsewhere, "an rpc without its case here"


async def test_whose_conversation_it_is_not_gets_one_answer(town: Town, rest: httpx.AsyncClient):
    _, _, conversation_id = await town.pair("ling", "bo")
    stranger = await script(await town.newcomer("eve"), rest)
    message = {"client_message_id": "1", "text": "hi"}
    for place in (conversation_id, "01a208d5003d763d92a19ada16c0b74d"):
        for rpc, body in (
            ("Send", message),
            ("List", None),
            ("MarkRead", {"seq": 1}),
            ("ListReaders", None),
            ("Hide", {"seqs": [1]}),
            ("GetConversation", None),
            ("UpdateSettings", {"pinned": True}),
            ("Clear", {}),
        ):
            answer = await stranger(rpc, body, conversation_id=place, seq="1")
            assert answer.status_code == 403
            assert answer.json()["details"][0]["reason"] == "NOT_A_MEMBER"


# What each rpc refuses, by REST: (body, query, parts of the path), (HTTP status, reason, fields).
NOBODY = "01a208d5003d763d92a19ada16c0b74d"
GONE = {"conversation_id": NOBODY}
HIM = {"user_id": NOBODY}
ACCOUNT = {"email": "x@example.org", "code": "000000", "password": PASSWORD, "display_name": "X"}
LOGIN = {"email": "x@example.org", "password": "wrong", "device": {"id": "device-of-x"}}
RESET = {"email": "x@example.org", "code": "000000", "new_password": PASSWORD}
REFUSALS = {
    "SendCode": (({"email": "x"}, {}, {}), (400, "INVALID_FIELD", {"email", "purpose"})),
    "Register": ((ACCOUNT, {}, {}), (400, "CODE_INVALID", {"code"})),
    "Login": ((LOGIN, {}, {}), (401, "CREDENTIALS_INVALID", set())),
    "Refresh": (({"refresh_token": "stolen"}, {}, {}), (401, "REFRESH_TOKEN_INVALID", set())),
    "ResetPassword": ((RESET, {}, {}), (400, "CODE_INVALID", {"code"})),
    "RevokeSession": ((None, {}, {"session_id": NOBODY}), (404, "SESSION_NOT_FOUND", set())),
    "ListSessions": ((None, {"page": "1"}, {}), (400, "REQUEST_UNREADABLE", set())),
    "GetMe": ((None, {"user_id": NOBODY}, {}), (400, "REQUEST_UNREADABLE", set())),
    "UpdateMe": (({"display_name": " "}, {}, {}), (400, "INVALID_FIELD", {"me.display_name"})),
    "GetUser": ((None, {}, {"user_id": NOBODY}), (404, "USER_NOT_FOUND", set())),
    "OpenDirect": (({"user_id": "a b"}, {}, {}), (400, "INVALID_FIELD", {"user_id"})),
    "ListConversations": ((None, {"page_size": 101}, {}), (400, "INVALID_FIELD", {"page_size"})),
    "MarkRead": (({"seq": -1}, {}, GONE), (400, "INVALID_FIELD", {"seq"})),
    "Send": (({"text": ""}, {}, GONE), (400, "INVALID_FIELD", {"client_message_id", "text"})),
    "List": ((None, {"limit": 201}, GONE), (400, "INVALID_FIELD", {"limit"})),
    "GetConversation": ((None, {"page": 1}, GONE), (400, "REQUEST_UNREADABLE", set())),
    "UpdateSettings": (({"cleared_seq": 1}, {}, GONE), (400, "INVALID_FIELD", {"update_mask"})),
    "Clear": (({"seq": -1}, {}, GONE), (400, "INVALID_FIELD", {"seq"})),
    "ListReaders": ((None, {}, GONE | {"seq": "0"}), (400, "INVALID_FIELD", {"seq"})),
    "Hide": (({"seqs": [0]}, {}, GONE), (400, "INVALID_FIELD", {"seqs[0]"})),
    "Search": ((None, {"query": "…"}, {}), (400, "INVALID_FIELD", {"query"})),
    "RegisterPush": (({}, {}, {}), (400, "INVALID_FIELD", {"target"})),
    "ListPushRegistrations": ((None, {"page": 1}, {}), (400, "REQUEST_UNREADABLE", set())),
    "UnregisterPush": (
        (None, {}, {"registration_id": NOBODY}),
        (404, "REGISTRATION_NOT_FOUND", set()),
    ),
    "GetWebPushKey": ((None, {"page": 1}, {}), (400, "REQUEST_UNREADABLE", set())),
    "Query": ((None, {}, {}), (400, "INVALID_FIELD", {"user_ids"})),
    "GetUsers": ((None, {}, {}), (400, "INVALID_FIELD", {"user_ids"})),
    "SearchUser": (({"query": ""}, {}, {}), (400, "INVALID_FIELD", {"query"})),
    "SetAvatar": (({"image": "bm90IG9uZQ=="}, {}, {}), (400, "IMAGE_INVALID", {"image"})),
    "DeleteAvatar": ((None, {"page": 1}, {}), (400, "REQUEST_UNREADABLE", set())),
    "GetAvatar": ((None, {}, {"avatar_id": NOBODY}), (404, "AVATAR_NOT_FOUND", set())),
    "DeleteAccount": (({"password": "wrong"}, {}, {}), (403, "PASSWORD_WRONG", set())),
    "CreateBot": (({"bot": {}}, {}, {}), (400, "INVALID_FIELD", {"bot.display_name"})),
    "ListBots": ((None, {"page": 1}, {}), (400, "REQUEST_UNREADABLE", set())),
    "UpdateBot": (({"signature": "mine"}, {}, HIM), (404, "BOT_NOT_FOUND", set())),
    "DeleteBot": ((None, {}, HIM), (404, "BOT_NOT_FOUND", set())),
    "CreateBotToken": (({"scopes": [0]}, {}, HIM), (400, "INVALID_FIELD", {"scopes[0]"})),
    "ListBotTokens": ((None, {}, HIM), (404, "BOT_NOT_FOUND", set())),
    "RevokeBotToken": ((None, {}, HIM | {"token_id": NOBODY}), (404, "BOT_NOT_FOUND", set())),
    "SetBotCommands": (
        ({"commands": [{"name": "a b", "description": "?"}]}, {}, HIM),
        (400, "INVALID_FIELD", {"commands[0].name"}),
    ),
    "ListBotCommands": ((None, {}, HIM), (404, "BOT_NOT_FOUND", set())),
    "CreateLoginCode": (([], {}, {}), (400, "REQUEST_UNREADABLE", set())),
    "GetLoginCode": ((None, {}, {"code_id": NOBODY}), (404, "LOGIN_CODE_NOT_FOUND", set())),
    "AnswerLoginCode": (
        ({"approve": True}, {}, {"code_id": NOBODY}),
        (404, "LOGIN_CODE_NOT_FOUND", set()),
    ),
    "ClaimLoginCode": (
        ({"code": "guessed", "device": {"id": "device-of-x"}}, {}, {}),
        (404, "LOGIN_CODE_NOT_FOUND", set()),
    ),
    "LoginWithCode": (({"claim_token": "stolen"}, {}, {}), (404, "LOGIN_CODE_NOT_FOUND", set())),
    "ListContacts": ((None, {"page_size": 1001}, {}), (400, "INVALID_FIELD", {"page_size"})),
    "UpdateContact": (({"remark": "林"}, {}, HIM), (404, "CONTACT_NOT_FOUND", set())),
    "DeleteContact": ((None, {}, HIM), (404, "CONTACT_NOT_FOUND", set())),
    "Block": (({}, {}, HIM), (404, "USER_NOT_FOUND", set())),
    "Unblock": (({}, {}, {"user_id": "a%20b"}), (400, "INVALID_FIELD", {"user_id"})),
    "RequestContact": (({"code": "guessed"}, {}, {}), (404, "CODE_NOT_FOUND", set())),
    "ListContactRequests": ((None, {"page_size": 201}, {}), (400, "INVALID_FIELD", {"page_size"})),
    "AcceptContactRequest": (({}, {}, HIM), (404, "CONTACT_REQUEST_NOT_FOUND", set())),
    "DeclineContactRequest": (({}, {}, HIM), (404, "CONTACT_REQUEST_NOT_FOUND", set())),
    "WithdrawContactRequest": (({}, {}, HIM), (404, "CONTACT_REQUEST_NOT_FOUND", set())),
    "CreateContactCode": (
        ({"lifetime_seconds": -1}, {}, {}),
        (400, "INVALID_FIELD", {"lifetime_seconds"}),
    ),
    "ListContactCodes": ((None, {"page": 1}, {}), (400, "REQUEST_UNREADABLE", set())),
    "RevokeContactCode": ((None, {}, {"code_id": NOBODY}), (404, "CODE_NOT_FOUND", set())),
    "ResolveContactCode": (({"code": "guessed"}, {}, {}), (404, "CODE_NOT_FOUND", set())),
    "CreateGroup": (({"name": "家"}, {}, {}), (400, "INVALID_FIELD", {"client_group_id"})),
    "UpdateGroup": (({"muted": True}, {}, GONE), (403, "NOT_A_MEMBER", set())),
    "ListMembers": ((None, {}, GONE), (403, "NOT_A_MEMBER", set())),
    "AddMembers": (({"user_ids": [NOBODY]}, {}, GONE), (403, "NOT_A_MEMBER", set())),
    "RemoveMember": ((None, {}, GONE | HIM), (403, "NOT_A_MEMBER", set())),
    "LeaveGroup": (({}, {}, GONE), (403, "NOT_A_MEMBER", set())),
    "SetRole": (({"role": "GROUP_ROLE_OWNER"}, {}, GONE | HIM), (400, "INVALID_FIELD", {"role"})),
    "TransferGroup": (({"user_id": NOBODY}, {}, GONE), (403, "NOT_A_MEMBER", set())),
    "DissolveGroup": (({}, {}, GONE), (403, "NOT_A_MEMBER", set())),
    "SilenceMember": (({}, {}, GONE | HIM), (403, "NOT_A_MEMBER", set())),
    "SetNickname": (({"nickname": "a\nb"}, {}, GONE), (400, "INVALID_FIELD", {"nickname"})),
    "Announce": (({"text": "x" * 4001}, {}, GONE), (400, "INVALID_FIELD", {"text"})),
    "CreateInvite": (({"max_uses": -1}, {}, GONE), (400, "INVALID_FIELD", {"max_uses"})),
    "ListInvites": ((None, {}, GONE), (403, "NOT_A_MEMBER", set())),
    "RevokeInvite": ((None, {}, GONE | {"invite_id": NOBODY}), (403, "NOT_A_MEMBER", set())),
    "ResolveInvite": (({"code": "guessed"}, {}, {}), (404, "INVITE_NOT_FOUND", set())),
    "JoinGroup": (({"code": "guessed"}, {}, {}), (404, "INVITE_NOT_FOUND", set())),
    "ListJoinRequests": ((None, {}, GONE), (403, "NOT_A_MEMBER", set())),
    "Report": (({"user_id": NOBODY}, {}, {}), (400, "INVALID_FIELD", {"category"})),
    "AnswerJoinRequest": (({"approve": True}, {}, GONE | HIM), (403, "NOT_A_MEMBER", set())),
}
# What google.rpc.Code has for an HTTP status, as far as it is met here.
CODES = {400: 3, 401: 16, 403: 7, 404: 5}


def outcome(answer: httpx.Response) -> tuple[int, str, set[str]]:
    """Returns an error's HTTP status, reason and wrong fields, after a look at its form."""
    assert answer.headers["content-type"] == "application/json", answer.text
    body = answer.json()
    assert body["code"] == CODES[answer.status_code]
    assert body["message"]
    info, *others = body["details"]
    assert (info["@type"].rpartition(".")[2], info["domain"]) == ("ErrorInfo", "hongyan")
    wrong = {one["field"] for detail in others for one in detail.get("field_violations", ())}
    return answer.status_code, info["reason"], wrong


async def test_every_rpc_refuses_with_a_reason_and_the_names_of_wrong_fields(
    town: Town, rest: httpx.AsyncClient
):
    assert set(REFUSALS) == set(faces()), "an rpc without its case here"
    ling = await script(await town.newcomer("ling", start=False), rest)
    for rpc, ((body, query, path), expected) in REFUSALS.items():
        assert outcome(await ling(rpc, body, query, **path)) == expected, rpc


async def test_every_rpc_that_is_for_users_wants_a_token(rest: httpx.AsyncClient):
    nobody = Script(rest, "")
    place = {
        "conversation_id": NOBODY,
        "user_id": NOBODY,
        "session_id": "current",
        "registration_id": NOBODY,
        "avatar_id": NOBODY,
        "code_id": NOBODY,
        "invite_id": NOBODY,
        "token_id": NOBODY,
        "seq": "1",
    }
    names = {
        method: path
        for path, access in ACCESS.items()
        if (method := path.rpartition("/")[2]) in faces() and access not in NOT_ROUTED
    }
    for rpc, path in names.items():
        answer = await nobody(rpc, {}, **place)
        open_to_all = ACCESS[path] == access_pb2.ACCESS_PUBLIC
        assert (outcome(answer)[:2] == (401, "TOKEN_MISSING")) is not open_to_all, rpc


async def test_pages_of_conversations_join(town: Town, rest: httpx.AsyncClient):
    ling = await town.newcomer("ling", start=False)
    mine = await script(ling, rest)
    friends = [await town.newcomer(f"friend{number}", start=False) for number in range(3)]
    ids = []
    for friend in friends:
        opened = await ling.client.open_direct(friend.client.user_id)
        ids.append(opened.conversation_id)
    # The first that was opened is the latest active one.
    for conversation_id in reversed(ids):
        body = {"client_message_id": "1", "text": "在吗"}
        assert (await mine("Send", body, conversation_id=conversation_id)).status_code == 200
    found: list[str] = []
    token = ""
    while True:
        query = {"page_size": 2, "page_token": token}
        page = (await mine("ListConversations", query=query)).json()
        assert len(page["conversations"]) <= 2
        found += [one["conversation_id"] for one in page["conversations"]]
        if not (token := page["next_page_token"]):
            break
    assert found == ids


async def test_the_log_is_read_upwards_and_downwards(town: Town, rest: httpx.AsyncClient):
    ling, _, conversation_id = await town.pair("ling", "bo")
    mine = await script(ling, rest)
    place = {"conversation_id": conversation_id}
    for number in range(1, 8):
        body = {"client_message_id": f"id-{number}", "text": f"第{number}条"}
        answer = await mine("Send", body, **place)
        assert answer.json()["message"]["seq"] == str(number)

    async def seqs(**query: int) -> list[int]:
        page = (await mine("List", query=query, **place)).json()
        assert page["last_seq"] == "7"
        return [int(one["seq"]) for one in page["messages"]]

    assert await seqs() == [1, 2, 3, 4, 5, 6, 7]
    assert await seqs(limit=3) == [5, 6, 7]
    assert await seqs(after_seq=0, limit=3) == [1, 2, 3]
    assert await seqs(after_seq=5) == [6, 7]
    assert await seqs(before_seq=3) == [1, 2]
    assert await seqs(before_seq=6, limit=2) == [4, 5]
    assert await seqs(after_seq=7) == []
    assert await seqs(before_seq=1) == []
    assert await seqs(before_seq=0) == []
    # Beyond the end counts as the end, and backwards is no way.
    for seq, stands in ((3, "3"), (99, "7"), (1, "7")):
        answer = await mine("MarkRead", {"seq": seq}, **place)
        assert answer.json()["read_seq"] == stands


async def test_a_page_of_the_largest_messages_passes_the_gateway(
    town: Town, rest: httpx.AsyncClient
):
    ling, bo, conversation_id = await town.pair("ling", "bo")
    text = "鸿" * 5_400
    for _ in range(80):
        message = await ling.send(conversation_id, text)
    await ling.client.settled(message.client_message_id, 60)
    mine = await script(bo, rest)
    answer = await mine("List", query={"limit": 200}, conversation_id=conversation_id)
    assert answer.status_code == 200, answer.text
    assert [len(one["text"]) for one in answer.json()["messages"]] == [5_400] * 80
