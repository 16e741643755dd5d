"""Bots: made by a person, added by others, in a group; by stream, by webhook and by REST."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from hongyan_client import Bot
from hongyan_client.errors import PermissionDenied, Unauthenticated
from hongyan_client.model import BotCommand, Message
from tests.faults.people import Device, Town, until
from tests.service.chat.receiver import Receiver
from tests.service.conftest import free_port
from tests.system.echo import echo, running
from tests.system.test_commands import Terminal
from tests.system.test_groups_rest import Story
from tests.system.test_rest import OF_BOTS, Script, faces, rest, script  # noqa: F401
from tests.system.test_story_groups import befriend, refused, say, words

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a-secret-of-the-tests"


async def shows(device: Device, conversation_id: str, text: str) -> None:
    await until(lambda: text in words(device, conversation_id), f"{text} is shown")


def replies(device: Device, conversation_id: str, text: str) -> list[Message]:
    messages = device.client._open().cache.messages(conversation_id, 10**6, 10**6)
    return [it for it in messages if it.text == text]


async def test_a_bot_answers_in_a_group_and_to_what_it_missed(town: Town, tmp_path: Path) -> None:
    ling, bo = await asyncio.gather(*(town.newcomer(name) for name in ("ling", "bo")))
    await befriend(ling, bo)
    handle = f"Echo_{os.urandom(4).hex()}"
    made = await ling.client.create_bot("回声", handle=handle, public=True)
    token, _ = await ling.client.create_bot_token(made.user_id)
    address = town.system.address
    found = await bo.client.find_user(handle)
    assert found is not None
    assert (found.user_id, found.bot) == (made.user_id, True)
    for person in (ling, bo):
        asked = await person.client.request_contact(made.user_id)
        assert asked.state == "accepted"
    group = await ling.client.create_group("火锅", [bo.client.user_id, made.user_id])
    id = group.conversation_id
    await until(lambda: bo.client.conversation(id) is not None, "Bo is in the group")
    heard: list[str] = []
    async with running(Bot(address, token, tmp_path / "echo"), heard) as bot:
        seq = await say(bo, id, "周六几点？")
        await shows(bo, id, "回声 周六几点？")
        [answer] = replies(bo, id, "回声 周六几点？")
        assert answer.sender_id == bot.user_id
        assert answer.quote is not None
        assert answer.quote.seq == seq
        direct = (await bo.client.open_direct(made.user_id)).conversation_id
        await say(bo, direct, "hello")
        await shows(bo, direct, "回声 hello")
        # A message is done when that is on the server: one that it died over comes again.
        for place, last in ((id, seq), (direct, 2)):
            await until(
                lambda place=place, last=last: (
                    bot.client.conversation(place).read_seq(bot.user_id) >= last
                ),
                "what was answered is done",
            )
    # It is away while people write; then it answers, each once.
    for number in range(5):
        await say(bo, id, f"missed {number}")
    await say(bo, direct, "still there?")
    async with running(Bot(address, token, tmp_path / "elsewhere"), heard):
        for number in range(5):
            await shows(bo, id, f"回声 missed {number}")
        await shows(bo, direct, "回声 still there?")
        await say(ling, id, "last")
        await shows(ling, id, "回声 last")
    assert heard == list(dict.fromkeys(heard))
    assert len(replies(bo, id, "回声 missed 3")) == 1
    # Who removes it from the group or the contacts is answered no more.
    await ling.client.remove_member(id, made.user_id)
    await bo.client.delete_contact(made.user_id)
    async with running(Bot(address, token, tmp_path / "elsewhere"), heard) as bot:
        await say(ling, id, "anybody?")
        assert "anybody?" not in [it.text for it in await bot.client.log_after(id, 0, 100)]
        sent = await bot.client.send(direct, "hello?")
        with pytest.raises(PermissionDenied):
            await bot.client.settled(sent.client_message_id, 30)
    assert "anybody?" not in heard


async def test_a_stranger_does_not_reach_a_bot_that_is_not_public(town: Town) -> None:
    ling, eve = await asyncio.gather(*(town.newcomer(name) for name in ("ling", "eve")))
    made = await ling.client.create_bot("私人助理")
    await befriend(ling, eve)
    await ling.client.request_contact(made.user_id)
    group = await ling.client.create_group("", [eve.client.user_id, made.user_id])
    ways = ({}, {"source": "group", "conversation_id": group.conversation_id})
    for way in ways:
        with pytest.raises(PermissionDenied) as refused:
            await eve.client.request_contact(made.user_id, **way)
        assert refused.value.reason == "NOT_ADDABLE"
    with pytest.raises(PermissionDenied) as refused:
        await eve.client.open_direct(made.user_id)
    assert refused.value.reason == "NOT_FRIENDS"


async def test_two_bots_do_not_answer_each_other(town: Town, tmp_path: Path) -> None:
    ling = await town.newcomer("ling")
    bots = []
    for name in ("one", "two"):
        made = await ling.client.create_bot(name)
        await ling.client.request_contact(made.user_id)
        token, _ = await ling.client.create_bot_token(made.user_id)
        bots.append((made.user_id, Bot(town.system.address, token, tmp_path / name)))
    group = await ling.client.create_group("bots", [user_id for user_id, _ in bots])
    heard: list[str] = []
    async with running(bots[0][1], heard), running(bots[1][1], heard):
        for text in ("a", "b"):
            await say(ling, group.conversation_id, text)
        await until(lambda: len(heard) == 4, "both have heard both")
        await until(
            lambda: len(replies(ling, group.conversation_id, "回声 b")) == 2, "both have answered"
        )
    assert sorted(heard) == ["a", "a", "b", "b"]


async def test_a_revoked_token_ends_what_acts_by_it(town: Town, tmp_path: Path) -> None:
    ling = await town.newcomer("ling")
    made = await ling.client.create_bot("回声")
    token, kept = await ling.client.create_bot_token(made.user_id, name="office")
    async with Bot(town.system.address, token, tmp_path / "bot") as bot:
        task = asyncio.create_task(echo(bot, []))
        await ling.client.revoke_bot_token(made.user_id, kept.token_id)
        async with asyncio.timeout(15):
            await task
    with pytest.raises(Unauthenticated):
        await Bot(town.system.address, token, tmp_path / "new").__aenter__()


async def test_a_token_that_may_only_read_says_nothing(town: Town, tmp_path: Path) -> None:
    ling = await town.newcomer("ling")
    made = await ling.client.create_bot("听众")
    await ling.client.request_contact(made.user_id)
    token, _ = await ling.client.create_bot_token(made.user_id, ["read"])
    id = (await ling.client.open_direct(made.user_id)).conversation_id
    await say(ling, id, "听得见吗？")
    async with Bot(town.system.address, token, tmp_path / "bot") as bot:
        messages = bot.messages()
        assert (await anext(messages)).text == "听得见吗？"
        listener = Device.__new__(Device)
        listener.client = bot.client
        assert await refused(listener, id, "听得见") == "SCOPE_MISSING"
        with pytest.raises(PermissionDenied):
            await bot.client.set_bot_commands(made.user_id, [BotCommand("help", "?")])
        await messages.aclose()


async def test_a_webhook_gets_signed_posts_until_it_has_taken_them(
    town: Town,
    rest,  # noqa: F811
) -> None:
    ling = await town.newcomer("ling")
    made = await ling.client.create_bot("钩子")
    await ling.client.request_contact(made.user_id)
    id = (await ling.client.open_direct(made.user_id)).conversation_id
    await say(ling, id, "before the webhook")
    token, _ = await ling.client.create_bot_token(made.user_id)
    answer = await rest.post("/v1/sessions:refresh", json={"refresh_token": token})
    bot = Script(rest, answer.json()["tokens"]["access_token"])
    server = Receiver()
    server.answers.append(500)
    try:
        hook = {"url": server.url, "secret": SECRET}
        assert (await bot("RegisterPush", {"webhook": hook})).status_code == 200
        seq = await say(ling, id, "你好，钩子")
        await until(lambda: len(server.received) == 2, "it comes again after an error")
        first, second = (json.loads(one.body) for one in server.received)
        assert first == second
        assert (first["bot_id"], first["conversation_id"]) == (made.user_id, id)
        shown = (await bot("List", None, {"after_seq": seq - 1}, conversation_id=id)).json()
        assert first["message"] == shown["messages"][0]
        # What the bot says itself is not told to it.
        said = {"client_message_id": "1", "text": "听到了"}
        assert (await bot("Send", said, conversation_id=id)).status_code == 200
        await say(ling, id, "好")
        await until(lambda: len(server.received) == 3, "the next one")
        assert json.loads(server.received[2].body)["message"]["text"] == "好"
        assert all("hongyan-signature" in one.headers for one in server.received)
    finally:
        server.close()


async def test_the_programs_of_the_docs_answer(
    town: Town,
    tmp_path: Path,
    rest,  # noqa: F811
) -> None:
    page = (ROOT / "docs" / "bots.md").read_text(encoding="utf-8")
    programs = [part.partition("```")[0] for part in page.split("```python\n")[1:]]
    assert len(programs) == 2
    assert len([line for line in programs[0].splitlines() if line.strip()]) <= 20
    ling = await town.newcomer("ling")
    for number, program in enumerate(programs):
        made = await ling.client.create_bot(f"echo {number}")
        await ling.client.request_contact(made.user_id)
        id = (await ling.client.open_direct(made.user_id)).conversation_id
        token, _ = await ling.client.create_bot_token(made.user_id)
        environment = {
            "HONGYAN_URL": town.system.address,
            "BOT_TOKEN": token,
            "SECRET": SECRET,
            "PORT": str(free_port()),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            env=os.environ | environment,
            cwd=tmp_path,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            if number == 0:
                await say(ling, id, "/help")
                await shows(ling, id, "I say it again. 我是复读机。")
            else:  # a webhook hears what comes after it is there
                answer = await rest.post("/v1/sessions:refresh", json={"refresh_token": token})
                bot = Script(rest, answer.json()["tokens"]["access_token"])
                async with asyncio.timeout(20):
                    while not (await bot("ListPushRegistrations")).json()["registrations"]:
                        await asyncio.sleep(0.05)
            text = f"听得到吗 {number}？"
            await say(ling, id, text)
            await until(lambda id=id, text=text: len(replies(ling, id, text)) == 2, "the echo")
        finally:
            process.kill()
            await process.wait()


async def test_all_of_a_bots_life_by_rest(town: Town, rest) -> None:  # noqa: F811
    story = Story()
    ok, no = story.ok, story.refused
    owner, other = [
        await script(await town.newcomer(name, start=False), rest) for name in ("ling", "bo")
    ]
    bot = (await ok(owner, "CreateBot", {"bot": {"display_name": "天气", "public": True}}))["bot"]
    id = bot["user_id"]
    assert (await ok(owner, "ListBots"))["bots"] == [bot]
    changed = (await ok(owner, "UpdateBot", {"signature": "晴"}, user_id=id))["bot"]
    assert (changed["signature"], changed["display_name"]) == ("晴", "天气")
    made = await ok(owner, "CreateBotToken", {"scopes": ["SCOPE_MANAGE"]}, user_id=id)
    answer = await rest.post("/v1/sessions:refresh", json={"refresh_token": made["token"]})
    program = Script(rest, answer.json()["tokens"]["access_token"])
    commands = [{"name": "天气", "description": "weather of a town"}]
    await ok(program, "SetBotCommands", {"commands": commands}, user_id=id)
    assert (await ok(other, "ListBotCommands", user_id=id))["commands"] == commands
    await no("SCOPE_MISSING", program, "GetMe")
    await no("NOT_FOR_BOTS", program, "CreateGroup", {"client_group_id": "g", "user_ids": [id]})
    for rpc in ("DeleteBot", "ListBotTokens"):
        await no("BOT_NOT_FOUND", other, rpc, user_id=id)
    [token] = (await ok(owner, "ListBotTokens", user_id=id))["bot_tokens"]
    await ok(owner, "RevokeBotToken", user_id=id, token_id=token["token_id"])
    await ok(owner, "DeleteBot", user_id=id)
    assert story.used == set(faces(*OF_BOTS)), "an rpc without its case here"


async def test_a_bot_at_the_terminal(town: Town, tmp_path: Path) -> None:
    ling = await town.newcomer("ling", start=False)
    hongyan = Terminal(town.system.address, ling.client.home)
    await ling.close()
    [made] = await hongyan.json("bot", "create", "天气", "--signature", "晴雨")
    assert made["display_name"] == "天气"
    code, token, words = await hongyan("bot", "token", "天气", "--name", "office", "--days", "1")
    assert code == 0, words
    assert token.startswith("hyb_")
    assert "revoke 天气" in words
    [kept] = await hongyan.json("bot", "tokens", "天气")
    assert (kept["name"], kept["scopes"]) == ("office", ["read", "write"])
    shown = await hongyan.json(
        "bot", "commands", "天气", "--set", "help=what I do", "--set", "晴=?"
    )
    assert shown == [
        {"name": "help", "description": "what I do"},
        {"name": "晴", "description": "?"},
    ]
    code, _, words = await hongyan("bot", "set", "天气", "--name", "天气预报", "--public")
    assert code == 0, words
    code, table, _ = await hongyan("bot", "list")
    assert "天气预报" in table
    assert "public" in table
    async with Bot(town.system.address, token.strip(), tmp_path / "bot") as bot:
        assert bot.user_id == made["user_id"]
    assert (await hongyan("bot", "revoke", "天气预报", kept["token_id"]))[0] == 0
    assert await hongyan.json("bot", "tokens", "天气预报") == []
    assert (await hongyan("bot", "delete", "天气预报"))[0] == 0
    code, _, words = await hongyan("bot", "token", "天气预报")
    assert code == 1
    assert "天气预报" in words
    for wrong in (["token", "x", "--scopes", "all"], ["commands", "x", "--set", "nothing"]):
        assert (await hongyan("bot", *wrong))[0] == 2
