"""Searching: who finds what, in which order, and how much is made ready at once."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hongyan.chat.v1 import message_pb2

from services.chat.grams import grams
from services.chat.model import PIN, REACTION, REMOVED, TIMER, Message
from services.chat.search import BATCH_MESSAGES, INDEX_MESSAGES, Found
from services.chat.tables import member
from services.common.database import Database
from services.common.errors import Denied, Invalid
from tests.unit.chat.library import NOW, Library
from tests.unit.chat.world import World


@pytest.fixture
async def library(database_file: Path) -> AsyncIterator[Library]:
    """Conversations: ann and ben in one, ben and cat in another."""
    database = Database(f"sqlite:///{database_file}", pool=8)
    library = Library(database)
    await library.add("ab", "ann", "ben")
    await library.add("bc", "ben", "cat")
    yield library
    await database.close()


async def test_words_are_found_in_any_order_and_the_newest_first(library: Library) -> None:
    texts = ("明天下午三点开会", "Bring the REPORT", "会议取消，the report 也是", "好")
    await library.write("ab", *texts)
    assert await library.find("开会") == ["明天下午三点开会"]
    assert await library.find("会") == ["会议取消，the report 也是", "明天下午三点开会"]
    assert await library.find("report") == ["会议取消，the report 也是", "Bring the REPORT"]
    assert await library.find("rep") == ["会议取消，the report 也是", "Bring the REPORT"]
    assert await library.find("ＲＥＰＯＲＴ 取消") == ["会议取消，the report 也是"]
    assert await library.find("report bring") == ["Bring the REPORT"]
    assert await library.find("三点会") == []
    assert await library.find("lunch") == []


@pytest.mark.parametrize(
    "text",
    ["+report -lunch", "rep*", '"the report"', "(report)", "report @10", "%", "'; --", "\\", "<>~"],
)
async def test_operators_of_databases_mean_nothing(library: Library, text: str) -> None:
    await library.write("ab", "10 reports", "lunch 100%", "the report @10 -lunch")
    if not grams(text):
        with pytest.raises(Invalid):
            await library.find(text)
        return
    found = await library.find(text)
    assert found[0] == "the report @10 -lunch"
    assert "lunch 100%" not in found


async def test_emoji_are_found(library: Library) -> None:
    await library.write("ab", "好👍🏽", "好")
    assert await library.find("👍") == ["好👍🏽"]
    assert await library.find("👍 好") == ["好👍🏽"]
    assert await library.find("👎") == []


@pytest.mark.parametrize("text", [" ", '+-*"()', "。，！？", "\u200d"])
async def test_a_query_without_words_is_refused(library: Library, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        await library.page(text)
    assert caught.value.fields.keys() == {"query"}


async def test_only_members_find(library: Library) -> None:
    await library.write("ab", "secret of ann")
    await library.write("bc", "secret of cat")
    assert await library.find("secret") == ["secret of ann"]
    assert sorted(await library.find("secret", "ben")) == ["secret of ann", "secret of cat"]
    assert await library.find("secret", "ben", at="bc") == ["secret of cat"]
    assert await library.find("secret", "dan") == []
    for id in ("bc", "nowhere"):
        with pytest.raises(Denied) as caught:
            await library.page("secret", at=id)
        assert caught.value.reason == "NOT_A_MEMBER"


async def test_an_edited_text_is_found_by_its_new_words_only(library: Library) -> None:
    await library.write("ab", "lunch at noon", "dinner")
    assert await library.find("noon") == ["lunch at noon"]
    await library.edit("ab", 1, "lunch at one")
    assert await library.find("noon") == []
    assert await library.find("one") == ["lunch at one"]
    assert ("noon", 1) not in await library.grams("ab")
    await library.edit("ab", 1, "lunch at two")
    await library.edit("ab", 1, "lunch at three")
    assert await library.find("three") == ["lunch at three"]


async def test_who_has_left_does_not_find_what_was_edited_since(library: Library) -> None:
    await library.write("ab", "lunch at noon", "dinner at noon")
    async with library.database.begin() as connection:
        await connection.execute(
            sa.update(member)
            .where(member.c.user_id == "ann", member.c.conversation_id == "ab")
            .values(leave_seq=2)
        )
    await library.edit("ab", 1, "lunch at one")
    assert await library.find("one") == []
    assert await library.find("noon") == ["dinner at noon"]
    assert await library.find("one", "ben") == ["lunch at one"]


async def test_what_was_edited_before_anybody_searched(library: Library) -> None:
    await library.write("ab", "lunch at noon")
    await library.edit("ab", 1, "lunch at one")
    assert await library.find("noon") == []
    assert await library.find("one") == ["lunch at one"]


async def test_a_recalled_text_is_gone_from_the_index(library: Library) -> None:
    await library.write("ab", "wrong window", "right")
    assert await library.find("wrong") == ["wrong window"]
    await library.recall("ab", 1)
    assert await library.find("wrong") == []
    assert {seq for _, seq in await library.grams("ab")} == {2}
    await library.recall("ab", 2)
    assert await library.find("right") == []
    assert await library.grams("ab") == []


async def test_an_edit_and_its_recall_in_one_go(library: Library) -> None:
    await library.write("ab", "first", "second")
    assert await library.find("first") == ["first"]
    await library.edit("ab", 1, "third")
    await library.recall("ab", 1)
    await library.write("ab", "fourth")
    await library.edit("ab", 5, "fifth")
    assert await library.find("third") == []
    assert await library.find("fourth") == []
    assert await library.find("fifth") == ["fifth"]
    assert await library.find("second") == ["second"]


async def test_answers_are_found_and_other_entries_are_not(library: Library) -> None:
    await library.write("ab", "report")
    await library.write_rich("ab", "which report?")
    for kind, content in (
        (REACTION, message_pb2.Message(reaction=message_pb2.Reaction(seq=1, emoji="report"))),
        (PIN, message_pb2.Message(pin=message_pb2.Pin(seq=1))),
        (TIMER, message_pb2.Message(timer=message_pb2.Timer(seconds=60))),
        (REMOVED, message_pb2.Message(removed=message_pb2.Removed(reason=2))),
    ):
        await library.refer("ab", kind, content)
    assert sorted(await library.find("report")) == ["report", "which report?"]
    assert {seq for _, seq in await library.grams("ab")} == {1, 2}


async def test_hidden_cleared_and_expired_messages_are_not_found(library: Library) -> None:
    await library.write("ab", "note one", "note two", "note three", "note four")
    await library.write("ab", "note gone", expires_at=NOW)
    await library.write("ab", "note stays", expires_at=NOW + 1)
    await library.clear("ann", "ab", 1)
    await library.hide("ann", "ab", 3)
    await library.hide("ben", "ab", 4)
    assert sorted(await library.find("note")) == ["note four", "note stays", "note two"]
    assert sorted(await library.find("note", "ben")) == [
        "note one",
        "note stays",
        "note three",
        "note two",
    ]


async def test_a_message_that_changed_a_moment_ago_is_not_found(library: Library) -> None:
    await library.write("ab", "lunch at noon", "noon")
    assert len(await library.find("noon")) == 2
    search = library.search_with(itertools.count(step=2).__next__)
    await library.edit("ab", 1, "lunch at one")
    page = await search.search("ann", "noon", "", None, 50)
    assert page.indexing
    assert [message.seq for message in page.messages] == [2]


async def test_grams_only_say_where_to_look(library: Library) -> None:
    await library.write("ab", "开会，会议", *["开会议"] * 3, *["开会，会议"] * 120)
    page = await library.page("开会议", size=2)
    assert [message.seq for message in page.messages] == []
    seqs: list[int] = []
    for _ in range(100):
        assert page.following is not None
        page = await library.page("开会议", size=2, after=page.following)
        seqs += [message.seq for message in page.messages]
        if page.following is None:
            break
    assert seqs == [4, 3, 2]


async def pages(library: Library, text: str, size: int, user: str) -> list[Message]:
    """Returns what all pages have."""
    found: list[Message] = []
    after: Found | None = None
    while True:
        page = await library.page(text, user, after=after, size=size)
        assert len(page.messages) <= size
        found += page.messages
        after = page.following
        if after is None:
            return found
        assert len(page.messages) == size


@pytest.mark.parametrize("text", ["note", "not", "note 开会", "会 no"])
async def test_pages_have_every_message_once(library: Library, text: str) -> None:
    for number in range(12):
        # Messages of one commit have the same time.
        for id in ("ab", "bc"):
            await library.write(id, f"note {number} 开会 noted", at=NOW - 100 + number // 3)
    for size in (1, 5, 24, 50):
        found = await pages(library, text, size, "ben")
        places = [(-one.created_at, one.conversation_id, -one.seq) for one in found]
        assert places == sorted(places)
        assert len(set(places)) == len(places) == 24


async def test_new_messages_between_pages_change_nothing(library: Library) -> None:
    await library.write("ab", *(f"note {number}" for number in range(6)), at=NOW - 100)
    first = await library.page("note", size=3)
    await library.write("ab", "note 6")
    second = await library.page("note", size=3, after=first.following)
    assert [message.seq for message in (*first.messages, *second.messages)] == [6, 5, 4, 3, 2, 1]


async def test_one_search_makes_a_part_ready_the_newest_first(library: Library) -> None:
    count = INDEX_MESSAGES + BATCH_MESSAGES
    await library.write("ab", *(f"note {number}" for number in range(count)))
    await library.write("bc", "note in bc", at=NOW + count)
    page = await library.page("note", "ben")
    assert page.indexing
    assert page.messages[0].conversation_id == "bc"
    assert page.messages[1].seq == count
    assert (await library.page("note 0", "ben")).indexing is False
    assert len(await library.find("0", "ben", at="ab")) == 1
    assert len({seq for _, seq in await library.grams("ab")}) == count


async def test_an_edit_of_what_is_not_ready_yet(library: Library) -> None:
    await library.write("ab", *(f"note {number}" for number in range(INDEX_MESSAGES + 10)))
    assert (await library.page("note")).indexing
    await library.edit("ab", 3, "edited early")
    await library.recall("ab", 4)
    assert await library.find("early") == ["edited early"]
    seqs = {seq for _, seq in await library.grams("ab")}
    assert seqs == set(range(1, INDEX_MESSAGES + 11)) - {4}


async def test_a_search_ends_when_its_time_is_over(library: Library) -> None:
    await library.write("ab", *(f"note {number}" for number in range(3 * BATCH_MESSAGES)))
    clock = itertools.count(step=0.6).__next__
    search = library.search_with(clock)
    page = await search.search("ann", "note", "", None, 10)
    assert page.indexing
    assert [message.seq for message in page.messages][:1] == [3 * BATCH_MESSAGES]
    assert len({seq for _, seq in await library.grams("ab")}) == BATCH_MESSAGES


async def test_long_texts_make_small_transactions(library: Library) -> None:
    words = " ".join(f"w{number}" for number in range(2_500))
    assert 13_000 < len(words) <= 16_384
    await library.write("ab", *(f"{words} n{number}" for number in range(12)))
    clock = itertools.count(step=0.6).__next__
    assert (await library.search_with(clock).search("ann", "w7", "", None, 10)).indexing
    assert 1 <= len({seq for _, seq in await library.grams("ab")}) < 12
    assert len(await library.find("w2499 n3")) == 1


async def test_two_searches_at_once_index_everything_once(
    library: Library, other_pod: World
) -> None:
    texts = [f"note {number} 开会" for number in range(1_000)]
    await library.write("ab", *texts)
    await library.write("bc", *texts)
    other = Library(other_pod.database)
    results = await asyncio.gather(
        *(one.page("note", "ben") for one in (library, other, library, other))
    )
    assert all(page.messages for page in results)
    assert len(await pages(library, "note", 50, "ben")) == 2_000
    for id in ("ab", "bc"):
        expected = [(gram, seq) for seq, text in enumerate(texts, 1) for gram in grams(text)]
        assert sorted(await library.grams(id)) == sorted(expected)
