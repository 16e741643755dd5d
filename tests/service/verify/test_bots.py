"""Bots over gRPC: who makes them, what their tokens may do, and when those end."""

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from hongyan.options.v1 import access_pb2
from hongyan.verify.v1 import account_pb2, bot_pb2, trust_pb2, trust_pb2_grpc

from services.common.contract import ACCESS, SCOPE
from tests.service.verify.conftest import Joined, NewClient
from tests.service.verify.test_trust import INTERNAL
from tests.service.verify.world import PASSWORD, Client, VerifyPod, refusal

OTHER = "other@example.org"
READ, WRITE, MANAGE = access_pb2.SCOPE_READ, access_pb2.SCOPE_WRITE, access_pb2.SCOPE_MANAGE


async def acting(client: Client, pod: VerifyPod, new_client: NewClient, *scopes: int) -> Any:
    """Makes a bot with a token of some scopes; returns (bot, the answer, a client of the bot)."""
    bot = await client.create_bot()
    made = await client.create_bot_token(bot, *scopes)
    actor = new_client(pod)
    actor.token = (await actor.refresh(made.token)).access_token
    return bot, made, actor


async def commands(client: Client, bot: Any, *names: str) -> Any:
    request = bot_pb2.SetBotCommandsRequest(
        user_id=bot.user_id,
        commands=[bot_pb2.BotCommand(name=name, description=f"does {name}") for name in names],
    )
    return await client.call("SetBotCommands", request)


async def test_a_bot_is_a_user_that_its_owner_changes(pod: VerifyPod, joined: Joined) -> None:
    client = await joined(pod)
    bot = await client.create_bot("回声", handle="Echo_Bot", signature="says it again")
    assert (bot.display_name, bot.handle, bot.public) == ("回声", "Echo_Bot", False)
    user = (await client.call("GetUser", account_pb2.GetUserRequest(user_id=bot.user_id))).user
    assert user.kind == account_pb2.USER_KIND_BOT
    mask = FieldMask(paths=["public", "signature"])
    changed = bot_pb2.Bot(user_id=bot.user_id, public=True)
    request = bot_pb2.UpdateBotRequest(bot=changed, update_mask=mask)
    changed = (await client.call("UpdateBot", request)).bot
    assert (changed.display_name, changed.public, changed.signature) == ("回声", True, "")
    listed = (await client.call("ListBots", bot_pb2.ListBotsRequest())).bots
    assert list(listed) == [changed]


@pytest.mark.parametrize("public", [False, True])
async def test_only_a_public_bot_is_found_and_never_by_its_id(
    pod: VerifyPod, joined: Joined, public: bool
) -> None:
    owner, other = await joined(pod), await joined(pod, OTHER)
    bot = await owner.create_bot(handle="Echo_Bot", public=public)
    for query, found in (("echo_bot", public), (bot.user_id, False)):
        answer = await other.call("SearchUser", account_pb2.SearchUserRequest(query=query))
        assert answer.HasField("user") is found
    async with grpc.aio.insecure_channel(pod.target) as channel:
        stub = trust_pb2_grpc.TrustServiceStub(channel)
        answer = await stub.FindPolicies(
            trust_pb2.FindPoliciesRequest(user_ids=[bot.user_id]), metadata=INTERNAL, timeout=5
        )
    [policy] = answer.policies
    assert policy.kind == account_pb2.USER_KIND_BOT
    assert policy.owner_id == (await owner.me()).user_id
    assert (policy.add_policy == account_pb2.ADD_POLICY_EVERYBODY) is public
    assert policy.stranger_policy == account_pb2.STRANGER_POLICY_REFUSE


async def test_a_token_works_again_and_again_until_it_is_revoked(
    pod: VerifyPod, joined: Joined, new_client: NewClient
) -> None:
    owner = await joined(pod)
    bot, made, actor = await acting(owner, pod, new_client, READ)
    assert made.token.startswith("hyb_")
    assert (await actor.me()).user_id == bot.user_id
    pod.now += 3600
    tokens = await actor.refresh(made.token)
    assert (tokens.refresh_token, tokens.user_id) == (made.token, bot.user_id)
    actor.token = tokens.access_token
    owner.token = (await owner.login()).access_token
    request = bot_pb2.ListBotTokensRequest(user_id=bot.user_id)
    [listed] = (await owner.call("ListBotTokens", request)).bot_tokens
    assert (listed.token_id, list(listed.scopes)) == (tokens.session_id, [READ])
    assert listed.used_at.seconds == int(pod.now)
    revoke = bot_pb2.RevokeBotTokenRequest(user_id=bot.user_id, token_id=listed.token_id)
    await owner.call("RevokeBotToken", revoke)
    refused = await refusal(actor.refresh(made.token))
    assert refused.reason == "REFRESH_TOKEN_INVALID"
    await pod.trust.refresh()
    assert (await refusal(actor.me())).reason == "SESSION_ENDED"
    assert not (await owner.call("ListBotTokens", request)).bot_tokens


async def test_a_token_ends_when_its_time_is_over(
    pod: VerifyPod, joined: Joined, new_client: NewClient
) -> None:
    owner = await joined(pod)
    bot = await owner.create_bot()
    made = await owner.create_bot_token(bot, READ, lifetime=Duration(seconds=600))
    actor = new_client(pod)
    actor.token = (await actor.refresh(made.token)).access_token
    pod.now += 601
    assert (await refusal(actor.refresh(made.token))).reason == "REFRESH_TOKEN_INVALID"
    await pod.bots.end_expired()
    await pod.trust.refresh()
    assert (await refusal(actor.me())).reason == "SESSION_ENDED"


@pytest.mark.parametrize(
    ("scopes", "allowed"), [((READ,), False), ((WRITE,), False), ((READ, MANAGE), True)]
)
async def test_a_token_does_what_its_scopes_say_and_no_more(
    pod: VerifyPod,
    joined: Joined,
    new_client: NewClient,
    scopes: tuple[int, ...],
    allowed: bool,
) -> None:
    bot, _, actor = await acting(await joined(pod), pod, new_client, *scopes)
    if allowed:
        await commands(actor, bot, "echo")
        me = account_pb2.UpdateMeRequest(me=account_pb2.Me(signature="新"))
        assert (await actor.call("UpdateMe", me)).me.signature == "新"
    else:
        assert (await refusal(commands(actor, bot, "echo"))).reason == "SCOPE_MISSING"
    if READ not in scopes:
        assert (await refusal(actor.me())).reason == "SCOPE_MISSING"


async def test_what_is_for_people_is_refused_to_a_bot_with_every_scope(
    pod: VerifyPod, joined: Joined, new_client: NewClient
) -> None:
    bot, made, actor = await acting(await joined(pod), pod, new_client, READ, WRITE, MANAGE)
    for name, request in {
        "ListSessions": account_pb2.ListSessionsRequest(),
        "RevokeSession": account_pb2.RevokeSessionRequest(session_id="current"),
        "DeleteAccount": account_pb2.DeleteAccountRequest(password="!"),
        "SearchUser": account_pb2.SearchUserRequest(query=OTHER),
        "CreateBot": bot_pb2.CreateBotRequest(bot=bot_pb2.Bot(display_name="child")),
        "ListBots": bot_pb2.ListBotsRequest(),
        "CreateBotToken": bot_pb2.CreateBotTokenRequest(user_id=bot.user_id, scopes=[MANAGE]),
    }.items():
        refused = await refusal(actor.call(name, request))
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_FOR_BOTS")
    # And nobody logs in as a bot.
    for email in (bot.user_id, f"{bot.user_id}@example.org"):
        with pytest.raises(grpc.aio.AioRpcError):
            await actor.login(email, "!")
    assert (await actor.refresh(made.token)).user_id == bot.user_id


def test_each_scope_opens_something_and_nothing_else_has_one() -> None:
    of_users = {path for path, access in ACCESS.items() if access == access_pb2.ACCESS_USER}
    assert {path for path, scope in SCOPE.items() if scope} < of_users
    assert {scope for scope in SCOPE.values() if scope} == {READ, WRITE, MANAGE}


async def test_a_foreign_bot_is_answered_for_as_one_that_there_is_not(
    pod: VerifyPod, joined: Joined
) -> None:
    owner, other = await joined(pod), await joined(pod, OTHER)
    bot = await owner.create_bot()
    token = (await owner.create_bot_token(bot, READ)).bot_token
    person = (await owner.me()).user_id
    for user_id in (bot.user_id, "nobody", person):
        calls = {
            "UpdateBot": bot_pb2.UpdateBotRequest(
                bot=bot_pb2.Bot(user_id=user_id, signature="mine")
            ),
            "DeleteBot": bot_pb2.DeleteBotRequest(user_id=user_id),
            "CreateBotToken": bot_pb2.CreateBotTokenRequest(user_id=user_id, scopes=[READ]),
            "ListBotTokens": bot_pb2.ListBotTokensRequest(user_id=user_id),
            "RevokeBotToken": bot_pb2.RevokeBotTokenRequest(
                user_id=user_id, token_id=token.token_id
            ),
            "SetBotCommands": bot_pb2.SetBotCommandsRequest(user_id=user_id),
        }
        for name, request in calls.items():
            refused = await refusal(other.call(name, request))
            assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "BOT_NOT_FOUND")
    # A token of another bot of one's own is none of this one, and a session is no token.
    second = await owner.create_bot("second")
    current = (await owner.sessions())[0].session_id
    for token_id in (token.token_id, current):
        revoke = bot_pb2.RevokeBotTokenRequest(user_id=second.user_id, token_id=token_id)
        assert (await refusal(owner.call("RevokeBotToken", revoke))).reason == "TOKEN_NOT_FOUND"


async def test_commands_are_set_as_a_whole_by_the_bot_or_its_owner_and_seen_by_all(
    pod: VerifyPod, joined: Joined, new_client: NewClient
) -> None:
    owner, other = await joined(pod), await joined(pod, OTHER)
    bot, _, actor = await acting(owner, pod, new_client, MANAGE)
    for setter, names in ((actor, ("天气", "echo")), (owner, ("help",)), (owner, ())):
        await commands(setter, bot, *names)
        listed = bot_pb2.ListBotCommandsRequest(user_id=bot.user_id)
        answer = await other.call("ListBotCommands", listed)
        assert [command.name for command in answer.commands] == list(names)
    for wrong in (("a", "a"), ("two words",), ("/slash",), ("x" * 33,)):
        refused = await refusal(commands(owner, bot, *wrong))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    person = bot_pb2.ListBotCommandsRequest(user_id=(await owner.me()).user_id)
    assert (await refusal(owner.call("ListBotCommands", person))).reason == "BOT_NOT_FOUND"


async def test_a_deleted_bot_acts_no_more_and_its_handle_is_free(
    pod: VerifyPod, joined: Joined, new_client: NewClient
) -> None:
    owner = await joined(pod)
    bot = await owner.create_bot(handle="Echo_Bot")
    made = await owner.create_bot_token(bot, READ)
    await owner.call("DeleteBot", bot_pb2.DeleteBotRequest(user_id=bot.user_id))
    assert (await refusal(owner.refresh(made.token))).reason == "REFRESH_TOKEN_INVALID"
    assert not (await owner.call("ListBots", bot_pb2.ListBotsRequest())).bots
    user = (await owner.call("GetUser", account_pb2.GetUserRequest(user_id=bot.user_id))).user
    assert (user.deleted, user.display_name) == (True, "")
    assert (await owner.create_bot(handle="echo_bot")).user_id != bot.user_id
    async with pod._read() as store:
        assert bot.user_id in await store.due(int(pod.now * 1_000_000), 10)


async def test_bots_end_with_their_owners_account(
    pod: VerifyPod, joined: Joined, new_client: NewClient
) -> None:
    owner, other = await joined(pod), await joined(pod, OTHER)
    bot, made, actor = await acting(owner, pod, new_client, READ)
    await owner.call("DeleteAccount", account_pb2.DeleteAccountRequest(password=PASSWORD))
    assert (await refusal(actor.refresh(made.token))).reason == "REFRESH_TOKEN_INVALID"
    user = (await other.call("GetUser", account_pb2.GetUserRequest(user_id=bot.user_id))).user
    assert user.deleted


async def test_there_are_so_many_bots_and_tokens_and_not_more(
    pod: VerifyPod, joined: Joined
) -> None:
    owner = await joined(pod)
    bots = [await owner.create_bot(f"bot {number}") for number in range(20)]
    assert (await refusal(owner.create_bot())).reason == "TOO_MANY_BOTS"
    for _ in range(10):
        await owner.create_bot_token(bots[0], READ)
    assert (await refusal(owner.create_bot_token(bots[0], READ))).reason == "TOO_MANY_TOKENS"


async def test_making_bots_is_limited(limited_pod: VerifyPod, joined: Joined) -> None:
    owner = await joined(limited_pod)
    bots = [await owner.create_bot() for _ in range(4)]
    for bot in bots[:2]:
        for _ in range(8):
            await owner.create_bot_token(bot, READ)
    assert (await refusal(owner.create_bot())).reason == "LIMIT_REACHED"


async def test_a_bot_without_a_name_or_a_wrong_scope_is_refused(
    pod: VerifyPod, joined: Joined
) -> None:
    owner = await joined(pod)
    refused = await refusal(owner.create_bot(""))
    assert "bot.display_name" in refused.fields
    assert not (await owner.call("ListBots", bot_pb2.ListBotsRequest())).bots
    bot = await owner.create_bot(handle="Taken_Name")
    refused = await refusal(owner.create_bot(handle="taken_name"))
    assert (refused.reason, set(refused.fields)) == ("HANDLE_TAKEN", {"bot.handle"})
    for scopes in ((), (0,), (9,), (READ, READ)):
        refused = await refusal(owner.create_bot_token(bot, *scopes))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
