"""The command `hongyan` on a running system: what scripts get, and how it ends."""

import asyncio
import json
import os
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.accounts import PASSWORD
from tests.faults.people import Device, Town

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED, WRONG_USE = 1, 2


@dataclass(frozen=True, slots=True)
class Terminal:
    """Runs commands with one profile."""

    address: str
    home: Path
    language: str = "en_US.UTF-8"

    async def __call__(self, *arguments: str, text: str = "") -> tuple[int, str, str]:
        """Returns (exit code, stdout, stderr)."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("hongyan")),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment,
        )
        out, err = await asyncio.wait_for(process.communicate(text.encode()), 60)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    @property
    def environment(self) -> dict[str, str]:
        """What the command runs with."""
        return {
            **os.environ,
            "HONGYAN_ADDRESS_URL": self.address,
            "HONGYAN_CLIENT_HOME": str(self.home),
            "LC_ALL": self.language,
            "PYTHONUTF8": "1",
        }

    async def json(self, *arguments: str) -> list[Any]:
        """Returns the documents that a command prints."""
        code, out, err = await self("--json", *arguments)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]


@dataclass(frozen=True, slots=True)
class Pair:
    """Somebody at a terminal, and their friend."""

    terminal: Terminal
    friend: Device
    conversation_id: str


@pytest_asyncio.fixture(loop_scope="session")
async def pair(town: Town, tmp_path: Path) -> Pair:
    ling, bo, conversation_id = await town.pair("ling", "bo")
    terminal = Terminal(town.system.address, tmp_path / "terminal")
    email = (await ling.client.me()).email
    code, _, err = await terminal(
        "login", "--email", email, "--password-stdin", text=f"{PASSWORD}\n"
    )
    assert code == 0, err
    return Pair(terminal, bo, conversation_id)


async def test_what_changes_messages_prints_its_entry(pair: Pair):
    run, id = pair.terminal, pair.conversation_id
    [first] = await run.json("send", id, "你好 👋")
    [reply] = await run.json("reply", id, "1", "回答自己")
    assert (first["seq"], reply["seq"], reply["quote"]["seq"]) == (1, 2, 1)
    [edited] = await run.json("edit", id, "2", "改了")
    assert (edited["kind"], edited["change"]["seq"]) == ("edit", 2)
    [reaction] = await run.json("react", id, "1", "👍")
    assert (reaction["kind"], reaction["change"]["emoji"]) == ("reaction", "👍")
    [taken] = await run.json("react", id, "1", "👍", "--remove")
    assert taken["change"]["removed"] is True
    [copy] = await run.json("forward", id, "2", id)
    assert (copy["text"], copy["seq"]) == ("改了", 6)
    [recall] = await run.json("recall", id, "1")
    assert (recall["kind"], recall["change"]["seq"]) == ("recall", 1)
    history = await run.json("history", id)
    assert [(it["seq"], it["kind"], it["text"]) for it in history] == [
        (1, "removed", ""),
        (2, "text", "改了"),
        (6, "text", "改了"),
    ]


async def test_what_asks_prints_what_it_found(pair: Pair):
    run, id = pair.terminal, pair.conversation_id
    await run.json("send", id, "今晚吃火锅吗 hotpot")
    pair.friend.client.mark_read(id, 1)
    async with asyncio.timeout(30):
        while not (await pair.friend.client.readers(id, 1)).read:
            await asyncio.sleep(0.02)
    found = await run.json("search", "火锅")
    assert [(it["conversation_id"], it["seq"]) for it in found] == [(id, 1)]
    assert await run.json("search", "--in", id, "烧烤") == []
    [readers] = await run.json("readers", id, "1")
    assert readers["read"] == [pair.friend.client.user_id]
    [settings] = await run.json("settings", id, "--pin", "--draft", "写到一半")
    assert (settings["pinned"], settings["draft"]) == (True, "写到一半")
    assert await run.json("settings", id) == [settings]
    [cleared] = await run.json("clear", id)
    assert cleared["cleared_seq"] == 1
    assert await run.json("history", id) == []


async def test_what_is_refused_says_why_and_ends_with_1(pair: Pair):
    run, id = pair.terminal, pair.conversation_id
    message = await pair.friend.send(id, "不是你的")
    await pair.friend.client.settled(message.client_message_id, 30)
    for command in (
        ("recall", id, "1"),
        ("edit", id, "1", "x"),
        ("edit", id, "99", "x"),
        ("react", id, "99", "👍"),
        ("forward", id, "99", id),
        ("readers", id, "99"),
        ("reply", "nowhere", "1", "x"),
        ("settings", "nowhere", "--pin"),
        ("clear", "nowhere"),
        ("search", "--in", "nowhere", "x"),
    ):
        code, out, err = await run(*command)
        assert (code, out) == (REFUSED, ""), (command, out, err)
        assert err.strip(), command
        assert "Traceback" not in err


async def test_wrong_use_ends_with_2(pair: Pair):
    run, id = pair.terminal, pair.conversation_id
    for command in (("recall", id), ("recall", id, "first"), ("react", id, "0", "👍"), ("search",)):
        code, out, _ = await run(*command)
        assert (code, out) == (WRONG_USE, ""), command


async def test_an_export_has_it_all_and_a_deleted_account_is_gone(pair: Pair, tmp_path: Path):
    run, id = pair.terminal, pair.conversation_id
    await run.json("send", id, "第一条")
    await run.json("send", id, "second 😀")
    path = tmp_path / "mine.zip"
    [done] = await run.json("export", str(path))
    assert done["messages"] == 2
    with zipfile.ZipFile(path) as archive:
        account = json.loads(archive.read("account.json"))
        lines = archive.read(f"messages/{id}.jsonl").decode().splitlines()
        assert set(archive.namelist()) >= {"sessions.jsonl", "contacts.jsonl", "README.txt"}
    assert account["display_name"] == "ling"
    assert [json.loads(line)["text"] for line in lines] == ["第一条", "second 😀"]
    assert (await run("export", str(path)))[0] == WRONG_USE
    code, _, err = await run("delete-account", "--password-stdin", text="wrong\n")
    assert (code, "Traceback" in err) == (REFUSED, False)
    code, _, err = await run("delete-account", "--password-stdin", text=f"{PASSWORD}\n")
    assert code == 0, err
    assert (await run("chats"))[0] == 3
