"""What a device lacks: nothing is unreachable, whatever it had and however large it is."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.chat import rules
from services.chat.rules import Chat, Known, Missing, Part
from services.chat.wire import to_difference
from services.common.database import Database
from tests.unit.chat.world import World, make_chat


async def parts(chat: Chat, known: Known, user: str = "ann") -> list[Part]:
    """Returns the parts of a difference, which ends with what the device says next time."""
    found = [part async for part in chat.difference(user, known)]
    if isinstance(found[-1], Part):
        assert found[-1].reset
    return [part for part in found if isinstance(part, Part)]


async def ask(chat: Chat, heads: dict[str, int], user: str = "ann") -> list[Missing]:
    found = await parts(chat, Known(heads), user)
    return [missing for part in found for missing in part.conversations]


def seqs(missing: Missing) -> list[int]:
    return [message.seq for message in missing.messages]


async def test_a_new_device_gets_the_newest_page(chat: Chat, world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.write("c", *map(str, range(60)))
    [missing] = await ask(chat, {})
    assert seqs(missing) == list(range(11, 61))
    assert not missing.joined
    assert missing.conversation.head.last_seq == 60
    assert missing.conversation.last_message is None


async def test_a_short_log_comes_whole_and_joined(chat: Chat, world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.write("c", "a", "b")
    [missing] = await ask(chat, {})
    assert (seqs(missing), missing.joined) == ([1, 2], True)


async def test_a_device_that_fell_behind_gets_what_joins_on(chat: Chat, world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.write("c", *map(str, range(250)))
    for known, expected in ((249, [250]), (240, list(range(241, 251))), (250, []), (300, [])):
        [missing] = await ask(chat, {"c": known})
        assert (seqs(missing), missing.joined) == (expected, True)
    [missing] = await ask(chat, {"c": 20})
    assert (seqs(missing), missing.joined) == (list(range(21, 121)), True)
    assert missing.conversation.head.last_seq == 250


async def test_a_device_too_far_behind_starts_again_from_the_newest_page(
    chat: Chat, world: World
) -> None:
    await world.add("c", "ann", "bob")
    await world.write("c", *map(str, range(1_002)))
    [missing] = await ask(chat, {"c": 1})
    assert (seqs(missing), missing.joined) == (list(range(953, 1_003)), False)
    [missing] = await ask(chat, {"c": 2})
    assert (seqs(missing), missing.joined) == (list(range(3, 103)), True)


async def test_the_newest_conversations_always_come_and_others_with_news(
    chat: Chat, world: World
) -> None:
    for number in range(45):
        await world.add(f"c{number}", "ann", f"user{number}")
        await world.write(f"c{number}", "hello")
    known = {f"c{number}": 1 for number in range(45)}
    known["c3"] = 0
    del known["c7"]
    found = await ask(chat, known)
    ids = [missing.conversation.head.conversation_id for missing in found]
    assert ids == [f"c{number}" for number in range(44, 24, -1)] + ["c7", "c3"]
    assert [seqs(missing) for missing in found][-2:] == [[1], [1]]


async def test_an_empty_conversation_comes_too(chat: Chat, world: World) -> None:
    await world.add("c", "ann", "bob")
    [missing] = await ask(chat, {})
    assert (seqs(missing), missing.joined) == ([], True)


async def test_nothing_of_others_comes_even_when_it_is_named(chat: Chat, world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.write("c", "secret")
    assert await ask(chat, {"c": 0}, user="eve") == []


@pytest.mark.parametrize("known", [{}, {"c": 0}, {"c": 5}])
async def test_a_part_is_small_even_when_messages_are_large(
    chat: Chat, world: World, known: dict[str, int]
) -> None:
    for number in range(6):
        await world.add(f"d{number}", "ann", f"user{number}")
        await world.write(f"d{number}", *(["字" * 5_461] * 4))
    await world.add("c", "ann", "bob")
    await world.write("c", *(["字" * 5_461] * 30))
    for part in await parts(chat, Known(known)):
        assert len(to_difference(part)) < 256 * 1024


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sizes=st.lists(st.integers(1, 400), max_size=40),
    known=st.none() | st.integers(0, 45),
    limits=st.tuples(
        st.integers(1, 12), st.integers(1, 30), st.integers(50, 1_000), st.sampled_from([0, 2**20])
    ),
)
def test_every_message_is_reached_by_difference_and_list(
    sizes: list[int],
    known: int | None,
    limits: tuple[int, int, int, int],
    migrated: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path_factory.mktemp("difference") / "chat.db"
    file.write_bytes(migrated.read_bytes())
    asyncio.run(reach_everything(Database(f"sqlite:///{file}", pool=2), sizes, known, limits))


async def reach_everything(
    database: Database, sizes: list[int], known: int | None, limits: tuple[int, int, int, int]
) -> None:
    """Plays a device that follows the contract: it keeps a run, and lists what is left."""
    world = World(database)
    chat = make_chat(world, "c")
    await world.add("c", "ann", "bob")
    if sizes:
        await world.write("c", *("x" * size for size in sizes))
    with pytest.MonkeyPatch.context() as patch:
        names = (
            "DIFFERENCE_MESSAGES",
            "JOIN_AT_MOST",
            "DIFFERENCE_BYTES",
            "DIFFERENCE_TOTAL_BYTES",
        )
        for name, value in zip(names, limits, strict=True):
            patch.setattr(rules, name, value)
        [missing] = await ask(chat, {} if known is None else {"c": known})
    have = set(range(1, (known or 0) + 1)) & set(range(1, len(sizes) + 1))
    new = seqs(missing)
    assert new == list(range(new[0], new[-1] + 1)) if new else True
    if missing.joined and new:
        assert new[0] == (known or 0) + 1
    last_seq = missing.conversation.head.last_seq
    # A run that does not join on begins the device's log anew; it lists backwards from there.
    have = have | set(new) if missing.joined else set(new)
    while missing.joined and max(have, default=0) < last_seq:
        page, _ = await chat.history("ann", "c", max(have, default=0), None, 7)
        assert page
        have |= {message.seq for message in page}
    while not missing.joined and 1 not in have:
        page, _ = await chat.history("ann", "c", None, min(have, default=last_seq + 1), 7)
        assert page
        have |= {message.seq for message in page}
    assert have == set(range(1, len(sizes) + 1))
    await database.close()
