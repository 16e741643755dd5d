"""A report, and all that an operator does about it, through the command `hongyan-admin`."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from hongyan_client.errors import HongyanError
from hongyan_client.model import ConnectionState
from loadtest.accounts import PASSWORD
from services.embedded.system import System
from tests.faults.people import Device, Town, until
from tests.system.test_rest import rest, script  # noqa: F401
from tests.system.test_story_groups import befriend, say

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Operator:
    """Runs `hongyan-admin` on a running system, as its operator does."""

    def __init__(self, system: System) -> None:
        self._home = system.mail_folder.parent

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Returns (exit code, stdout, stderr)."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("hongyan-admin")),
            *("--home", str(self._home), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("HONGYAN_")},
                "PYTHONUTF8": "1",
            },
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def json(self, *arguments: str) -> Any:
        """Returns what a command prints."""
        code, out, err = await self("--json", *arguments)
        assert code == 0, err
        return json.loads(out)

    async def announcement(self, id: str) -> dict[str, Any]:
        """Returns how far an announcement is."""
        return next(it for it in await self.json("announcements") if it["announcement_id"] == id)


def shown(device: Device, conversation_id: str, seq: int) -> tuple[str, str]:
    """What a device has of a message: its text, and why it is gone."""
    message = device.client._open().cache.message(conversation_id, seq)
    return (message.text, message.removed) if message else ("", "")


async def test_from_a_report_to_a_suspension_and_back(
    town: Town,
    rest: httpx.AsyncClient,  # noqa: F811
):
    operator = Operator(town.system)
    ling, bo = await asyncio.gather(*(town.newcomer(name) for name in ("ling", "bo")))
    away = await town.second_device(ling)
    await befriend(ling, bo)
    talk = (await bo.client.open_direct(ling.client.user_id)).conversation_id
    insult = "you are a 笨蛋"
    seq = await say(bo, talk, insult)
    for device in (ling, away):
        await until(lambda device=device: shown(device, talk, seq)[0] == insult, "it came")
    await away.close()

    # A report keeps what was said; the same once more is the same.
    call = await script(ling, rest)
    target = {"message": {"conversation_id": talk, "seq": str(seq)}}
    body = {**target, "category": "REPORT_CATEGORY_ABUSE", "text": "他骂我"}
    report_id = (await call("Report", body)).json()["report_id"]
    assert (await call("Report", body)).json()["report_id"] == report_id
    report = next(it for it in await operator.json("reports") if it["report_id"] == report_id)
    assert (report["user_id"], report["text"]) == (bo.client.user_id, "他骂我")
    assert report["evidence"]["text"] == insult

    # The message goes: live, in the history, and on a device that was away.
    await operator.json("messages", "delete", talk, str(seq), "--reason", "an insult")
    for device in (ling, bo):
        await until(
            lambda device=device: shown(device, talk, seq) == ("", "moderated"), "it is gone, live"
        )
    await away.restart()
    await until(lambda: shown(away, talk, seq) == ("", "moderated"), "gone where nobody was")
    for device in (ling, bo):
        listed = (await (await script(device, rest))("List", conversation_id=talk)).json()
        gone = next(it for it in listed["messages"] if it["seq"] == str(seq))
        assert gone["removed"] == {"reason": "REMOVED_REASON_MODERATED"}
        assert insult not in json.dumps(listed, ensure_ascii=False)
    code, _, why = await operator("messages", "delete", talk, "999", "--reason", "none")
    assert (code, why.split()[1]) == (1, "MESSAGE_NOT_FOUND:")
    report = next(it for it in await operator.json("reports") if it["report_id"] == report_id)
    assert report["evidence"]["text"] == insult

    # Suspended: the stream closes, and the right password is told why.
    me = await bo.client.me()
    reason = "three insults in a day"
    (user,) = await operator.json("users", "suspend", bo.client.user_id, "--reason", reason)
    assert (user["suspension"]["reason"], user.get("session_count", "0")) == (reason, "0")
    await until(lambda: bo.client.state is ConnectionState.SIGNED_OUT, "his stream is closed")
    again = town.device("bo")
    for password, expected in ((PASSWORD, "ACCOUNT_SUSPENDED"), ("wrong", "CREDENTIALS_INVALID")):
        with pytest.raises(HongyanError) as refused:
            await again.client.login(me.email, password, device_name="x", platform="test")
        assert refused.value.reason == expected
        assert (reason in str(refused.value)) is (expected == "ACCOUNT_SUSPENDED")
    (found,) = await operator.json("users", "find", me.email)
    assert found["suspension"]["reason"] == reason
    await operator.json("users", "restore", me.user_id, "--reason", "he is sorry")
    await again.client.login(me.email, PASSWORD, device_name="x", platform="test")
    closed = await operator.json("reports", "close", report_id, "--note", "suspended for a day")
    assert closed[0]["closed_by"] == "local"
    assert report_id not in {it["report_id"] for it in await operator.json("reports")}
    assert report_id in {it["report_id"] for it in await operator.json("reports", "--all")}

    # All of it is in the audit, also what was refused.
    audit = await operator.json("audit", "--limit", "50")
    told = [
        (it["rpc"].rpartition("/")[2], it["outcome"], it.get("refusal", ""), it["reason"])
        for it in reversed(audit)
        if it.get("reason")
    ]
    assert told[-5:] == [
        ("DeleteMessage", "OK", "", "an insult"),
        ("DeleteMessage", "NOT_FOUND", "MESSAGE_NOT_FOUND", "none"),
        ("SuspendUser", "OK", "", reason),
        ("RestoreUser", "OK", "", "he is sorry"),
        ("CloseReport", "OK", "", "suspended for a day"),
    ]


async def test_an_announcement_reaches_everybody_once_though_chat_dies(town: Town):
    system, operator = town.system, Operator(town.system)
    ling, bo = await asyncio.gather(*(town.newcomer(name) for name in ("ling", "bo")))
    office = (await bo.client.create_bot("鸿雁团队")).user_id
    await ling.close()
    refused = await operator("announce", "x", "--from", bo.client.user_id)
    assert (refused[0], refused[2].split()[1]) == (1, "SENDER_NOT_A_BOT:")
    # Chat dies right after the commit of the first page, before it has noted how far it is.
    system.set_environment("chat", {"HONGYAN_CHAT_CRASH_POINT": "after_commit:1"})
    await system.restart("chat")
    text = "今晚 23 点维护 🔧"
    (begun,) = await operator.json("announce", text, "--from", office)
    id = begun["announcement_id"]
    await system.wait_ended("chat")
    system.set_environment("chat", {"HONGYAN_CHAT_CRASH_POINT": ""})
    await system.start("chat")
    async with asyncio.timeout(60):
        while not (it := await operator.announcement(id)).get("finished_at"):
            await asyncio.sleep(0.2)
    assert int(it["told"]) + int(it.get("refused", 0)) == int(it["total"])
    await ling.restart()
    for device in (ling, bo):
        direct = await device.client.open_direct(office)
        place = direct.conversation_id
        messages = [it for it in await device.client.history(place) if it.text == text]
        assert len(messages) == 1
        assert messages[0].sender_id == office
        assert not direct.request
        assert direct.unread_count == 1


async def test_who_administers_has_a_key_that_is_in_the_file(town: Town):
    operator, home = Operator(town.system), town.system.mail_folder.parent
    code, key, _ = await operator("new-key", "mei")
    assert code == 0
    file = home / "keys" / "mei"
    file.write_text(key)
    assert (await operator("--key-file", str(file), "users", "find", "x"))[0] == 0
    assert (await operator("new-key", "mei"))[0] == 1
    keys = home / "keys" / "admins"
    lines = keys.read_text().splitlines(keepends=True)
    assert key.strip() not in keys.read_text()
    keys.write_text("".join(line for line in lines if not line.startswith("mei ")))
    code, _, why = await operator("--key-file", str(file), "users", "find", "x")
    assert (code, why.split()[1]) == (1, "ADMIN_KEY_INVALID:")
    first = (await operator.json("audit", "--service", "verify", "--limit", "2"))[1]
    assert (first.get("admin", ""), first["outcome"]) == ("", "UNAUTHENTICATED")
    assert "request" not in first
