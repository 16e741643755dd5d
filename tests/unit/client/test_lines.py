"""How messages look in a terminal, and what begins with a slash."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hongyan_client.client import Client
from hongyan_client.model import (
    Conversation,
    ConversationKind,
    Member,
    Message,
    MessageKind,
    MessageState,
    Reactions,
)
from hongyan_client.terminal.lines import message_line, tick
from hongyan_client.terminal.slash import Slash
from tests.unit.client.peer import CHAT, ME, Peer
from tests.unit.client.test_features import live  # noqa: F401

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def message(text: str = "hi", **more: Any) -> Message:
    return Message(CHAT, 7, "you", "m7", text, NOW, **more)


def test_further_lines_cannot_pass_for_somebody_elses() -> None:
    line = message_line(message("看\nme  我同意 ✓✓ read\n— offline —\x1b[2J"), "梅", own=False)
    first, *others = line.plain.split("\n")
    assert first == "   7  梅  看"
    assert all(it.startswith("      ┊ ") for it in others)
    assert "\x1b" not in line.plain


def test_what_became_of_a_message_is_shown() -> None:
    line = message_line(
        message(edited_at=NOW, reactions=(Reactions("👍", ("a", "b")),), forwarded_from="eve"),
        "Mei",
        own=True,
        mark="✓",
    )
    assert line.plain == "   7  Mei  ↪ forwarded: hi (edited)  [👍 2]  ✓"
    gone = message("", kind=MessageKind.REMOVED, removed="recalled")
    assert message_line(gone, "Mei", own=False).plain == "   7  Mei  took a message back"


@pytest.mark.parametrize(
    ("read", "received", "mark"), [(0, 0, "✓"), (0, 7, "✓✓"), (7, 7, "✓✓ read"), (6, 6, "✓")]
)
def test_ticks_say_how_far_a_message_came(read: int, received: int, mark: str) -> None:
    members = (Member("me", 0), Member("you", read, received))
    known = Conversation(CHAT, ConversationKind.DIRECT, members, 7, 0)
    assert tick(message(), known, "me") == mark
    assert tick(message(state=MessageState.SENDING), known, "me") == "…"
    assert tick(message(state=MessageState.FAILED), known, "me") == "!"
    assert tick(message(), None, "me") == "✓"


class Screen:
    """A chat's commands, and what they print."""

    def __init__(self, client: Client) -> None:
        self.lines: list[str] = []
        self.slash = Slash(client, CHAT, lambda line: self.lines.append(line.plain))

    async def __call__(self, line: str) -> bool:
        return await self.slash.run(line)


@pytest.mark.parametrize("line", ["hello", "//path/to", "2 / 3"])
async def test_a_text_is_no_command(client: Client, line: str) -> None:
    screen = Screen(client)
    assert not await screen(line)
    assert screen.lines == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/nonsense", "No command /nonsense. See /help."),
        ("/reply", "Write: /reply N TEXT"),
        ("/reply x hello", "Write: /reply N TEXT"),
        ("/pin 99999999999999999999", "Write: /pin N"),
        ("/react 1", "Write: /react N EMOJI"),
    ],
)
async def test_wrong_use_is_explained(client: Client, line: str, said: str) -> None:
    screen = Screen(client)
    assert await screen(line)
    assert screen.lines == [said]


async def test_help_names_every_command(client: Client) -> None:
    screen = Screen(client)
    await screen("/help")
    assert [it.split()[0] for it in screen.lines if it.startswith("/")][:3] == [
        "/reply",
        "/react",
        "/unreact",
    ]
    assert len(screen.lines) == 19


async def test_commands_reach_the_server(peer: Peer, live: Client) -> None:  # noqa: F811
    screen = Screen(live)
    for line in ("/reply 1 好的 好的", "/react 1 👍", "/edit 2 在不在呀", "/pin 1", "/timer 60"):
        assert await screen(line)
        (waiting,) = live._open().cache.outbox()
        await live.settled(waiting.client_message_id, 5)
    assert screen.lines == []
    log = peer.chat.log[2:]
    assert (log[0].text, log[0].sender_id) == ("好的 好的", ME)
    kinds = [it.WhichOneof("content") for it in log]
    assert kinds == ["text", "reaction", "edit", "pin", "timer"]
    await screen("/who 1")
    await screen("/clear")
    assert "The history is cleared, for you alone." in screen.lines
