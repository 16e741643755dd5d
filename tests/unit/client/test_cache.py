"""The cache: windows without holes, cursors that only grow, unread that is computed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hongyan_client.cache import Cache, Window
from hongyan_client.model import Conversation, ConversationKind, Member, Message, MessageState

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
    cache.put_unsent_read(C, 5)
    sent = cache.unsent_reads()
    cache.put_unsent_read(C, 7)
    cache.drop_unsent_reads(sent)
    assert cache.unsent_reads() == [(C, 7)]


def test_a_cache_from_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c.sqlite", "me")
    cache._database.execute("PRAGMA user_version=99")
    cache.close()
    with pytest.raises(RuntimeError, match="newer"):
        Cache(tmp_path / "c.sqlite", "me")


def test_the_file_is_private(cache: Cache, tmp_path: Path) -> None:
    assert (tmp_path / "cache.sqlite").stat().st_mode & 0o077 == 0
