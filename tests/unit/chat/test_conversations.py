"""Opening and listing conversations, and the unread numbers in them."""

import asyncio
import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.chat.cursors import Cursors
from services.chat.rpc import _read_token, _write_token
from services.chat.rules import Chat, Place
from services.common.database import Database
from services.common.errors import Invalid, NotFound, Unavailable
from tests.unit.chat.test_cursors import nobody
from tests.unit.chat.world import World, make_chat, tick


async def test_both_users_get_the_one_conversation(chat: Chat) -> None:
    mine = await chat.open_direct("ann", "bob")
    theirs = await chat.open_direct("bob", "ann")
    assert mine.head.conversation_id == theirs.head.conversation_id
    assert [member.user_id for member in mine.members] == ["ann", "bob"]
    assert (mine.unread, mine.last_message, mine.head.last_seq) == (0, None, 0)


async def test_opening_at_once_from_two_pods_gives_one_conversation(
    chat: Chat, other_chat: Chat
) -> None:
    conversations = await asyncio.gather(
        *(
            side.open_direct(*users)
            for side in (chat, other_chat)
            for users in (("ann", "bob"), ("bob", "ann"))
            for _ in range(4)
        )
    )
    assert len({conversation.head.conversation_id for conversation in conversations}) == 1
    assert {len(conversation.members) for conversation in conversations} == {2}


async def test_a_conversation_with_oneself_is_refused_by_field(chat: Chat) -> None:
    with pytest.raises(Invalid) as refused:
        await chat.open_direct("ann", "ann")
    assert "user_id" in refused.value.fields


async def test_an_unknown_user_is_not_found_and_leaves_nothing(chat: Chat) -> None:
    with pytest.raises(NotFound):
        await chat.open_direct("ann", "nobody")
    assert await chat.conversations("ann", None, 10) == ([], None)


async def test_an_open_conversation_is_found_while_verify_is_away(chat: Chat, world: World) -> None:
    async def away(*_: Any) -> Any:
        raise Unavailable("VERIFY_AWAY", "verify is away")

    opened = await chat.open_direct("ann", "bob")
    without_verify = Chat(world.begin, world.read, away, new_id=lambda: "never", now=tick)
    assert (await without_verify.open_direct("bob", "ann")).head == opened.head
    with pytest.raises(Unavailable):
        await without_verify.open_direct("ann", "carl")


async def test_the_list_is_ordered_by_the_last_message_and_pages_without_gaps(
    chat: Chat, world: World
) -> None:
    ids = [
        (await chat.open_direct("ann", f"user{number}")).head.conversation_id for number in range(7)
    ]
    for number in (3, 1, 5):
        await world.write(ids[number], "hello")
    seen: list[str] = []
    place = None
    while True:
        conversations, place = await chat.conversations("ann", place, 2)
        seen += [conversation.head.conversation_id for conversation in conversations]
        if place is None:
            break
    assert seen[:3] == [ids[5], ids[1], ids[3]]
    assert sorted(seen) == sorted(ids)


async def test_the_last_page_says_that_it_is_the_last(chat: Chat) -> None:
    for number in range(4):
        await chat.open_direct("ann", f"user{number}")
    first, place = await chat.conversations("ann", None, 2)
    second, end = await chat.conversations("ann", place, 2)
    assert (len(first), len(second), end) == (2, 2, None)


async def test_nobody_sees_the_conversations_of_others(chat: Chat) -> None:
    await chat.open_direct("ann", "bob")
    assert await chat.conversations("eve", None, 50) == ([], None)


def test_a_page_token_comes_back_as_it_was() -> None:
    place = Place(1_700_000_000_000_000, "0192-abc_D")
    assert _read_token(_write_token(place)) == place
    assert _read_token("") is None


def forged(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "é",
        "AAAA",
        "////",
        forged("null"),
        forged("{}"),
        forged([1]),
        forged([1, "a", 2]),
        forged(["one", "a"]),
        forged('{"1": 1, "2": 2}'),
        forged('[1e999, "a"]'),
        forged('[NaN, "a"]'),
        forged([10**40, "a"]),
        forged([-(10**40), "a"]),
        forged([1, "\ud800"]),
        forged([1, "鸿雁"]),
        forged([1, None]),
        forged([1, "a' OR 1=1 --"]),
        forged("[" * 100),
        base64.urlsafe_b64encode(b"\xff\xfe\x00\xd8").decode(),
    ],
)
def test_a_forged_page_token_is_refused_by_field(token: str) -> None:
    with pytest.raises(Invalid) as refused:
        _read_token(token)
    assert "page_token" in refused.value.fields


@given(token=st.text(max_size=256) | st.binary(max_size=190).map(lambda b: forged(repr(b))))
def test_no_page_token_is_more_than_refused(token: str) -> None:
    try:
        place = _read_token(token)
    except Invalid:
        return
    assert place is None or (0 <= place.active_at < 2**63 and place.conversation_id)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(["ann", "bob"])),
        st.tuples(st.just("read"), st.sampled_from(["ann", "bob"]), st.integers(0, 12)),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_unread_numbers_and_cursors_obey_the_model(
    migrated: Any, tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    """The model: the list of senders, and for each user the greatest valid seq that was read."""
    file = tmp_path_factory.mktemp("unread") / "chat.db"
    file.write_bytes(migrated.read_bytes())
    asyncio.run(compare_unread(Database(f"sqlite:///{file}", pool=2), steps))


async def compare_unread(database: Database, steps: list[Any]) -> None:
    world = World(database)
    await world.add("c", "ann", "bob")
    moved: list[Any] = []
    cursors = Cursors(world.begin, tick, moved.extend, nobody)
    chat = make_chat(world, "c")
    log: list[str] = []
    read = {"ann": 0, "bob": 0}
    for kind, user, *seq in steps:
        if kind == "write":
            log.append(user)
            await world.write("c", "text", sender=user)
            continue
        wanted = max(read[user], min(seq[0], len(log)))
        assert await cursors.move_one(user, "c", seq[0]) == wanted
        assert [move.now.read_seq for move in moved] == ([wanted] if wanted > read[user] else [])
        moved.clear()
        read[user] = wanted
    for user, cursor in read.items():
        [conversation], _ = await chat.conversations(user, None, 10)
        assert conversation.unread == sum(sender != user for sender in log[cursor:])
        assert conversation.head.last_seq == len(log)
        assert {member.user_id: member.read_seq for member in conversation.members} == read
        last = conversation.last_message
        assert (last.seq if last else 0) == len(log)
    await database.close()
