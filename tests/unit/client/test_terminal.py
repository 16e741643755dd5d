"""The command `hongyan`: exit codes, JSON and texts, against a peer in a thread of its own."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hongyan_client.terminal.main import app
from hongyan_client.terminal.output import one_line
from hongyan_client.terminal.strings import TABLE
from tests.unit.client.peer import CHAT, YOU, Peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A peer on its own loop: each command runs a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    it = Peer()
    asyncio.run_coroutine_threadsafe(it.start(), loop).result(5)
    yield it
    asyncio.run_coroutine_threadsafe(it.stop(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


class Terminal:
    """Runs commands with one profile."""

    def __init__(self, address: str, home: Path) -> None:
        self.environment = {
            "HONGYAN_ADDRESS_URL": address,
            "HONGYAN_CLIENT_HOME": str(home),
            "LANG": "en_US.UTF-8",
            "LC_ALL": "en_US.UTF-8",
            "COLUMNS": "200",
        }

    def __call__(self, *arguments: str, text: str = "", **environment: str) -> Any:
        result = CliRunner().invoke(
            app, list(arguments), input=text, env={**self.environment, **environment}
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def login(self) -> None:
        arguments = ("login", "--email", "me@example.org", "--password-stdin")
        assert self(*arguments, text="correct horse\n").exit_code == 0


@pytest.fixture
def terminal(peer: Peer, tmp_path: Path) -> Terminal:
    return Terminal(peer.address, tmp_path / "home")


def test_register_with_everything_given_logs_in(terminal: Terminal) -> None:
    result = terminal(
        "--json", "register", "--email", "me@example.org", "--code", "123456", "--name", "凌",
        HONGYAN_PASSWORD="correct horse",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["email"] == "me@example.org"
    assert "Logged in" in result.stderr
    assert json.loads(terminal("me", "--json").stdout)["user_id"] == "user-me"


def test_a_wrong_code_is_refused_with_a_hint_where_mails_are(terminal: Terminal) -> None:
    result = terminal(
        "register", "--email", "me@example.org", "--code", "000000", "--name", "x",
        HONGYAN_PASSWORD="correct horse",
    )  # fmt: skip
    assert result.exit_code == 1
    assert ".hongyan/mail/" in result.stderr
    assert "CODE_INVALID" in result.stderr


def test_send_code_only(terminal: Terminal) -> None:
    result = terminal("register", "--email", "me@example.org", "--send-code")
    assert result.exit_code == 0
    assert ".eml" in result.stderr


def test_a_wrong_field_is_named(terminal: Terminal) -> None:
    result = terminal("--json", "register", "--email", "nobody", "--send-code")
    assert result.exit_code == 1
    assert json.loads(result.stderr)["fields"] == {"email": "must be an e-mail address"}


def test_wrong_credentials_are_refused(terminal: Terminal) -> None:
    result = terminal("login", "--email", "me@example.org", HONGYAN_PASSWORD="wrong")
    assert result.exit_code == 1
    assert "reset-password" in result.stderr


def test_nobody_to_ask_is_wrong_use(terminal: Terminal) -> None:
    assert terminal("login").exit_code == 2
    assert terminal("send", CHAT).exit_code == 2
    assert terminal("--address", "ftp://x", "me").exit_code == 2
    assert terminal("--profile", "../x", "me").exit_code == 2


@pytest.mark.parametrize(
    "command",
    [["me"], ["chats"], ["history", CHAT], ["send", CHAT, "x"], ["watch"], ["chat"], ["sessions"]],
)
def test_without_a_login_the_exit_code_is_3(terminal: Terminal, command: list[str]) -> None:
    result = terminal(*command)
    assert result.exit_code == 3, result.output
    assert "hongyan login" in result.stderr


def test_without_a_server_the_exit_code_is_4(tmp_path: Path) -> None:
    alone = Terminal("http://127.0.0.1:9", tmp_path)
    result = alone("login", "--email", "me@example.org", HONGYAN_PASSWORD="correct horse")
    assert result.exit_code == 4
    assert "http://127.0.0.1:9" in result.stderr


def test_send_waits_until_the_message_is_stored(terminal: Terminal, peer: Peer) -> None:
    terminal.login()
    result = terminal("send", CHAT, "你好 👋", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["seq"] == 1
    assert [it.text for it in peer.chat.log] == ["你好 👋"]


def test_a_message_that_no_server_took_is_kept_and_sent_the_next_time(
    terminal: Terminal, peer: Peer
) -> None:
    terminal.login()
    lost = terminal("--address", "http://127.0.0.1:9", "send", CHAT, "一")
    assert lost.exit_code == 4
    assert "1 not stored yet" in lost.stderr
    assert terminal("send", CHAT, "二").exit_code == 0
    assert [it.text for it in peer.chat.log] == ["一", "二"]


def test_a_refused_message_has_exit_code_1(terminal: Terminal) -> None:
    terminal.login()
    result = terminal("send", "chat-9", "x")
    assert result.exit_code == 1
    assert "CONVERSATION_NOT_FOUND" in result.stderr


def test_chats_and_history_show_names_and_ticks(terminal: Terminal, peer: Peer) -> None:
    terminal.login()
    peer.chat.append("吃了吗？")
    peer.chat.append("吃了 🍜", "user-me")
    peer.chat.reads[YOU] = 2
    table = terminal("chats")
    assert "你" in table.stdout
    assert "吃了 🍜" in table.stdout
    (row,) = [json.loads(it) for it in terminal("chats", "--json").stdout.splitlines()]
    assert (row["unread_count"], row["last_seq"]) == (1, 2)
    shown = terminal("history", CHAT)
    assert "吃了 🍜  ✓✓" in shown.stdout
    rows = [json.loads(it) for it in terminal("history", CHAT, "--json").stdout.splitlines()]
    assert [it["seq"] for it in rows] == [1, 2]


def test_open_prints_the_conversation(terminal: Terminal) -> None:
    terminal.login()
    assert terminal("open", YOU).stdout.strip() == CHAT
    unknown = terminal("open", "nobody")
    assert unknown.exit_code == 1
    assert "no such user" in unknown.stderr


def test_lines_from_a_pipe_are_sent_in_order_until_all_are_stored(
    terminal: Terminal, peer: Peer
) -> None:
    terminal.login()
    result = terminal("chat", YOU, text="一\n\n二\n三\n")
    assert result.exit_code == 0, result.stderr
    assert [it.text for it in peer.chat.log] == ["一", "二", "三"]
    assert peer.gate.goodbyes == 1


def test_watch_prints_events_as_json(terminal: Terminal, peer: Peer) -> None:
    terminal.login()
    peer.chat.append("早")
    result = terminal("watch", "--json", "--seconds", "0.5")
    assert result.exit_code == 0
    events = [json.loads(it) for it in result.stdout.splitlines()]
    added = [it for it in events if it["event"] == "message_added"]
    assert added[0]["message"]["text"] == "早"
    assert "caught_up" in {it["event"] for it in events}


def test_logout_forgets_the_tokens(terminal: Terminal) -> None:
    terminal.login()
    assert terminal("logout").exit_code == 0
    assert terminal("me").exit_code == 3


def test_rpc_falls_back_to_own_descriptions(terminal: Terminal) -> None:
    terminal.login()
    listed = terminal("rpc", "list")
    assert "hongyan.chat.v1.MessageService/List" in listed.stdout
    called = terminal("rpc", "call", "hongyan.verify.v1.AccountService/GetMe")
    assert json.loads(called.stdout)["me"]["email"] == "me@example.org"
    wrong = terminal("rpc", "call", "hongyan.verify.v1.AccountService/GetMe", '{"nothing": 1}')
    assert wrong.exit_code == 2
    assert terminal("rpc", "call", "hongyan.verify.v1.AccountService/Nothing").exit_code == 2
    assert "GetUser" in terminal("rpc", "describe", "hongyan.verify.v1.AccountService").stdout


def test_chinese_is_spoken_when_the_environment_asks_for_it(terminal: Terminal) -> None:
    assert "尚未登录" in terminal("me", LC_ALL="zh_CN.UTF-8").stderr


def test_both_languages_have_the_same_places_for_values() -> None:
    for key, (english, chinese) in TABLE.items():
        places = [{it for it in text.split("{")[1:]} for text in (english, chinese)]
        names = [{it.split("}")[0] for it in place} for place in places]
        assert names[0] == names[1], key


def test_a_message_cannot_steer_the_terminal() -> None:
    assert one_line("\x1b[2Jhello\x07") == " [2Jhello "
    assert one_line("a\u202eb") == "a b"
    assert one_line("👨‍👩‍👧") == "👨‍👩‍👧"
