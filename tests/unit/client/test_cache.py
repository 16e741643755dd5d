"""The cache: windows without holes, cursors that only grow, unread that is computed."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hongyan_client.cache import Cache
from hongyan_client.cache_log import Window
from hongyan_client.cache_outbox import READ, RECEIVED
from hongyan_client.model import (
    Change,
    Conversation,
    ConversationKind,
    Member,
    Message,
    MessageKind,
    MessageState,
    Quote,
    Reactions,
    Settings,
)

C = "c1"


def message(seq: int, sender: str = "you", client_message_id: str = "") -> Message:
    return Message(
        C, seq, sender, client_message_id or f"m{seq}", f"text {seq}",
        datetime.fromtimestamp(1_700_000_000 + seq, UTC),
    )  # fmt: skip


def conversation(last_seq: int, unread: int = 0, read: int = 0) -> Conversation:
    members = (Member("me", read), Member("you", 0))
    return Conversation(C, ConversationKind.DIRECT, members, last_seq, unread)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    it = Cache(tmp_path / "cache.sqlite", "me")
    yield it
    it.close()


def seqs(messages: list[Message]) -> list[int]:
    return [it.seq for it in messages]


def test_what_joins_on_extends_the_window(cache: Cache) -> None:
    cache.restart(C, [message(5), message(6)])
    cache.append(C, [message(7)])
    cache.prepend(C, [message(3), message(4)])
    assert cache.window(C) == Window(3, 7)
    assert seqs(cache.messages(C, 7, 3)) == [4, 5, 6]


def test_what_does_not_join_on_is_refused(cache: Cache) -> None:
    cache.restart(C, [message(5)])
    for wrong in ([message(7)], [message(5)], [message(6), message(8)]):
        with pytest.raises(ValueError, match=r"join|hole"):
            cache.append(C, wrong)
    with pytest.raises(ValueError, match="join"):
        cache.prepend(C, [message(3)])
    assert cache.window(C) == Window(5, 5)
    assert seqs(cache.messages(C, 99, 10)) == [5]


def test_rows_outside_a_new_window_are_ignored_until_they_come_again(cache: Cache) -> None:
    cache.restart(C, [message(1), message(2)])
    cache.restart(C, [message(4)])
    assert seqs(cache.messages(C, 99, 10)) == [4]
    cache.prepend(C, [message(2), message(3)])
    assert seqs(cache.messages(C, 99, 10)) == [2, 3, 4]


def test_an_empty_log_has_a_window_too(cache: Cache) -> None:
    cache.restart(C, [])
    assert cache.window(C) == Window(1, 0)
    cache.append(C, [message(1)])
    assert cache.window(C) == Window(1, 1)


def test_a_failed_transaction_leaves_nothing(cache: Cache) -> None:
    cache.restart(C, [])

    def fail() -> None:
        with cache.transaction():
            cache.append(C, [message(1)])
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fail()
    assert cache.window(C) == Window(1, 0)


def test_cursors_only_move_forward(cache: Cache) -> None:
    assert cache.move_read(C, "you", 5)
    assert not cache.move_read(C, "you", 4)
    cache.put_conversation(conversation(9), 0)
    found = cache.conversation(C)
    assert found is not None
    assert found.read_seq("you") == 5


def test_unread_is_counted_from_the_log_where_it_is_here(cache: Cache) -> None:
    cache.put_conversation(conversation(0), 0)
    cache.restart(C, [message(1), message(2, "me"), message(3)])
    assert cache.conversations()[0].unread_count == 2
    cache.move_read(C, "me", 1)
    assert cache.conversations()[0].unread_count == 1


def test_unread_starts_from_the_servers_count_where_the_log_is_not_here(cache: Cache) -> None:
    cache.put_conversation(conversation(100, unread=60, read=10), 0)
    assert cache.conversations()[0].unread_count == 60
    cache.restart(C, [message(100)])
    cache.append(C, [message(101), message(102, "me")])
    assert cache.conversations()[0].unread_count == 61
    cache.move_read(C, "me", 95)
    assert cache.conversations()[0].unread_count == 6
    cache.move_read(C, "me", 102)
    assert cache.conversations()[0].unread_count == 0


def test_only_described_conversations_are_named_as_heads(cache: Cache) -> None:
    cache.restart(C, [message(1)])
    assert cache.heads() == []
    cache.put_conversation(conversation(1), 0)
    assert cache.heads() == [(C, 1)]


def test_the_outbox_survives_and_leaves_with_the_echo(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c.sqlite", "me")
    waiting = message(0, "me", "mine")
    cache.add_to_outbox(waiting)
    cache.close()
    cache = Cache(tmp_path / "c.sqlite", "me")
    assert [it.state for it in cache.outbox()] == [MessageState.SENDING]
    cache.restart(C, [])
    cache.append(C, [message(1, "me", "mine")])
    assert cache.outbox() == []
    assert cache.own_message("mine") == message(1, "me", "mine")
    cache.close()


def test_a_stored_message_in_a_skipped_part_leaves_the_outbox(cache: Cache) -> None:
    cache.restart(C, [message(1)])
    cache.add_to_outbox(message(0, "me", "mine"))
    cache.set_stored("mine", 50, 0)
    assert [it.state for it in cache.outbox(C)] == [MessageState.STORED]
    cache.restart(C, [message(100)])
    assert cache.outbox() == []


def test_an_unsent_cursor_that_moved_again_is_kept(cache: Cache) -> None:
    cache.put_unsent_cursor(C, READ, 5)
    cache.put_unsent_cursor(C, RECEIVED, 6)
    sent = cache.unsent_cursors()
    cache.put_unsent_cursor(C, READ, 7)
    cache.drop_unsent_cursors(sent)
    assert cache.unsent_cursors() == [(C, READ, 7)]


VERSION_1 = """
CREATE TABLE conversation (conversation_id TEXT PRIMARY KEY, kind TEXT NOT NULL);
CREATE TABLE member (conversation_id TEXT NOT NULL, user_id TEXT NOT NULL);
CREATE TABLE message (conversation_id TEXT NOT NULL, seq INTEGER NOT NULL);
CREATE TABLE user (user_id TEXT PRIMARY KEY);
CREATE TABLE unsent_read (conversation_id TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation_id TEXT NOT NULL, client_message_id TEXT NOT NULL UNIQUE, text TEXT NOT NULL,
  created_at INTEGER NOT NULL, seq INTEGER NOT NULL DEFAULT 0, failure TEXT NOT NULL DEFAULT ''
);
INSERT INTO unsent_read VALUES ('c1', 3);
INSERT INTO outbox (conversation_id, client_message_id, text, created_at)
  VALUES ('c1', 'mine', '没有发出去 😀', 5);
PRAGMA user_version=1;
"""


def test_a_cache_of_version_1_keeps_what_only_it_has(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "c.sqlite")) as old:
        old.executescript(VERSION_1)
    cache = Cache(tmp_path / "c.sqlite", "me")
    assert [(it.text, it.state) for it in cache.outbox()] == [
        ("没有发出去 😀", MessageState.SENDING)
    ]
    assert cache.unsent_cursors() == [(C, READ, 3)]
    assert cache.conversations() == []
    cache.restart(C, [message(1)])
    cache.close()
    cache = Cache(tmp_path / "c.sqlite", "me")
    assert seqs(cache.messages(C, 99, 10)) == [1]
    cache.close()


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_an_older_cache_keeps_what_only_it_has(tmp_path: Path, version: int) -> None:
    path = tmp_path / "old.sqlite"
    old = Cache(path, "me")
    old.restart(C, [message(1)])
    old.put_unsent_cursor(C, READ, 3)
    people = ["contact", "contact_request"] if version < 4 else []
    hidden = ["hidden_ahead"] if version == 2 else []
    for table in (*people, *hidden, "unsent_draft"):
        old._database.execute(f"DROP TABLE {table}")
    old._database.execute(f"PRAGMA user_version={version}")
    old.close()
    new = Cache(path, "me")
    assert new.unsent_cursors() == [(C, READ, 3)]
    assert new.unsent_drafts() == {}
    assert new.window(C) is None
    new.close()


def entry(seq: int, kind: MessageKind, change: Change, sender: str = "you") -> Message:
    return replace(message(seq, sender), text="", kind=kind, change=change)


def test_what_is_more_than_a_text_is_kept_whole(cache: Cache) -> None:
    now = datetime.fromtimestamp(1_700_000_000, UTC)
    rich = replace(
        message(1),
        quote=Quote(3, "me"),
        mentioned=("me", "you"),
        mentions_everybody=True,
        forwarded_from="eve",
        edited_at=now,
        expires_at=now,
        reactions=(Reactions("👍", ("me",)), Reactions("❤️", ("you", "me"))),
    )
    log = [
        rich,
        entry(2, MessageKind.RECALL, Change(1)),
        entry(3, MessageKind.EDIT, Change(1, "x", mentioned=("me",), everybody=True)),
        entry(4, MessageKind.REACTION, Change(1, emoji="👍", removed=True)),
        entry(5, MessageKind.PIN, Change(1, removed=True)),
        entry(6, MessageKind.TIMER, Change(seconds=60)),
        replace(message(7), text="", kind=MessageKind.REMOVED, removed="expired"),
    ]
    cache.restart(C, log)
    assert cache.between(C, 0, 7) == log
    assert seqs(cache.messages(C, 99, 10)) == [1, 5, 6, 7]
    assert cache.conversations()[0].mention_count == 1


def test_entries_change_messages_here_and_in_the_list(cache: Cache) -> None:
    cache.put_conversation(conversation(0), 0)
    cache.restart(C, [message(1, "me"), message(2)])
    edited = cache.apply_entry(entry(3, MessageKind.EDIT, Change(2, "new")))
    assert edited is not None
    assert edited.text == "new"
    last = cache.conversations()[0].last_message
    assert last == edited
    cache.apply_entry(entry(4, MessageKind.PIN, Change(2)))
    assert cache.conversations()[0].pinned_seqs == (2,)
    assert cache.apply_entry(entry(5, MessageKind.EDIT, Change(2, ""))) is None
    gone = cache.apply_entry(entry(6, MessageKind.RECALL, Change(2)))
    assert gone is not None
    assert (gone.kind, gone.removed, gone.text) == (MessageKind.REMOVED, "recalled", "")
    assert cache.apply_entry(entry(7, MessageKind.EDIT, Change(2, "again"))) is None
    assert cache.conversations()[0].pinned_seqs == ()
    assert cache.conversations()[0].unread_count == 0
    assert cache.apply_entry(entry(8, MessageKind.RECALL, Change(99))) is None


def test_what_is_cleared_is_gone_and_the_window_goes_on(cache: Cache) -> None:
    cache.put_conversation(conversation(0), 0)
    cache.restart(C, [message(1), message(2), message(3)])
    assert cache.put_settings(C, Settings(cleared_seq=2))
    assert cache.window(C) == Window(3, 3)
    assert seqs(cache.messages(C, 99, 10)) == [3]
    assert cache.put_settings(C, Settings(cleared_seq=5))
    assert cache.window(C) == Window(6, 5)
    found = cache.conversations()[0]
    assert (found.last_message, found.unread_count) == (None, 0)
    cache.append(C, [message(6)])
    assert cache.conversations()[0].unread_count == 1


def test_what_disappears_goes_when_it_is_due(cache: Cache) -> None:
    due = replace(message(1), expires_at=datetime.fromtimestamp(100, UTC))
    cache.restart(C, [due, message(2)])
    assert cache.next_expiry() == 100_000_000
    assert cache.expire(99_999_999) == []
    assert [(it.seq, it.removed) for it in cache.expire(100_000_000)] == [(1, "expired")]
    assert cache.next_expiry() is None


def test_words_are_found_as_they_are(cache: Cache) -> None:
    texts = ["你好，世界", "100% sure", "under_score", "back\\slash"]
    cache.restart(C, [replace(message(n), text=it) for n, it in enumerate(texts, 1)])
    for words, found in (("世界", [1]), ("0%", [2]), ("r_s", [3]), ("k\\s", [4]), ("_", [3])):
        assert seqs(cache.find(words, "", 10)) == found
    assert cache.find("世界", "another", 10) == []


def test_a_cache_from_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c.sqlite", "me")
    cache._database.execute("PRAGMA user_version=99")
    cache.close()
    with pytest.raises(RuntimeError, match="newer"):
        Cache(tmp_path / "c.sqlite", "me")


def test_the_file_is_private(cache: Cache, tmp_path: Path) -> None:
    assert (tmp_path / "cache.sqlite").stat().st_mode & 0o077 == 0
