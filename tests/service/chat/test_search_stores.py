"""The SQL of search on the servers that run it: MariaDB, and MySQL where there is one."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from loadtest.servers import mariadb, mysql_database
from services.chat.grams import grams
from services.chat.model import Message
from services.chat.search import BATCH_MESSAGES, Found
from services.common import migrations
from services.common.database import Database
from services.common.errors import Denied
from tests.unit.chat.library import NOW, Library

MYSQL = os.environ.get("HONGYAN_TEST_MYSQL_URL", "")
SERVERS = ("mariadb", *(["mysql"] if MYSQL else []))

pytestmark = pytest.mark.asyncio(loop_scope="module")

Open = Callable[[], Library]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVERS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The URL of a server on which databases can be made."""
    if request.param == "mysql":
        yield MYSQL
        return
    async with mariadb() as running:
        yield running.url


@pytest_asyncio.fixture(loop_scope="module")
async def open_library(server: str) -> AsyncIterator[Open]:
    """Opens pods on one fresh database."""
    opened: list[Database] = []

    def open_one(url: str) -> Library:
        opened.append(Database(url, pool=8))
        return Library(opened[-1])

    with mysql_database(server) as url:
        await asyncio.to_thread(migrations.upgrade, "chat", url)
        yield lambda: open_one(url)
        for database in opened:
            await database.close()


@pytest_asyncio.fixture(loop_scope="module")
async def library(open_library: Open) -> Library:
    """Conversations: ann and ben in one, ben and cat in another."""
    library = open_library()
    await library.add("ab", "ann", "ben")
    await library.add("bc", "ben", "cat")
    return library


async def test_words_in_any_script(library: Library) -> None:
    texts = (
        "明天下午三点开会",
        "Bring the REPORT 👍🏽",
        "会议取消，the report 也是",
        "𠮷野家 café",
    )
    await library.write("ab", *texts)
    assert await library.find("开会") == [texts[0]]
    assert await library.find("会") == [texts[2], texts[0]]
    assert await library.find("ＲＥＰ") == [texts[2], texts[1]]
    assert await library.find("report 取消") == [texts[2]]
    assert await library.find("the 👍") == [texts[1]]
    assert await library.find("𠮷") == [texts[3]]
    assert await library.find("CAFÉ") == [texts[3]]
    assert await library.find("cafe") == []
    assert await library.find("+report -lunch*") == []
    assert await library.find("三点会") == []


async def test_edits_and_recalls(library: Library) -> None:
    await library.write("ab", "lunch at noon", "wrong window")
    assert await library.find("noon") == ["lunch at noon"]
    await library.edit("ab", 1, "lunch at one")
    await library.recall("ab", 2)
    assert await library.find("noon") == await library.find("wrong") == []
    assert await library.find("one") == ["lunch at one"]
    assert {seq for _, seq in await library.grams("ab")} == {1}


async def test_who_may_read_what(library: Library) -> None:
    await library.write("ab", "note one", "note two", "note three")
    await library.write("ab", "note gone", expires_at=NOW)
    await library.write_rich("ab", "note rich")
    await library.write("bc", "note of cat")
    await library.clear("ann", "ab", 1)
    await library.hide("ann", "ab", 3)
    assert sorted(await library.find("note")) == ["note rich", "note two"]
    assert len(await library.find("note", "ben")) == 5
    assert await library.find("note", "dan") == []
    with pytest.raises(Denied):
        await library.page("note", at="bc")


@pytest.mark.parametrize("text", ["note", "not", "note 开会", "会 no"])
async def test_pages_have_every_message_once(library: Library, text: str) -> None:
    for number in range(8):
        for id in ("ab", "bc"):
            await library.write(id, f"note {number} 开会 noted", at=NOW - 100 + number // 3)
    found: list[Message] = []
    after: Found | None = None
    while True:
        page = await library.page(text, "ben", after=after, size=5)
        found += page.messages
        after = page.following
        if after is None:
            break
    places = [(-one.created_at, one.conversation_id, -one.seq) for one in found]
    assert places == sorted(places)
    assert len(set(places)) == len(places) == 16


async def test_searches_at_once_index_everything_once(library: Library, open_library: Open) -> None:
    texts = [f"note {number} 开会" for number in range(2 * BATCH_MESSAGES + 10)]
    for id in ("ab", "bc"):
        await library.write(id, *texts)
    pods = [library, open_library(), library, open_library()]
    pages = await asyncio.gather(*(pod.page("note", "ben") for pod in pods))
    assert all(page.messages for page in pages)
    await library.edit("ab", 1, "changed")
    pages = await asyncio.gather(*(pod.page("changed", "ben") for pod in pods))
    assert all(len(page.messages) == 1 for page in pages)
    expected = {
        id: sorted((gram, seq) for seq, text in enumerate(texts, 1) for gram in grams(text))
        for id in ("ab", "bc")
    }
    expected["ab"] = sorted(
        [("changed", 1), *((gram, seq) for gram, seq in expected["ab"] if seq > 1)]
    )
    for id in ("ab", "bc"):
        assert sorted(await library.grams(id)) == expected[id]


async def test_the_longest_text(library: Library) -> None:
    text = "".join(chr(0x4E00 + number) for number in range(5_461))
    assert len(text.encode()) == 16_383
    await library.write("ab", text)
    page = await library.page(text[2_000:2_100])
    assert [message.seq for message in page.messages] == [1]
    await library.recall("ab", 1)
    assert (await library.page(text[:2])).messages == ()
    assert await library.grams("ab") == []
