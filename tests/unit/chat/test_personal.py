"""What a user does for themself: every device of the user gets it, and nobody else."""

from dataclasses import dataclass, field

import pytest
from hongyan.chat.v1 import conversation_pb2, message_pb2

from services.chat import wire
from services.chat.changes import Edit
from services.chat.model import EDIT, Change, Message, Settings
from services.chat.personal import Personal
from services.chat.rules import Caught, Chat, Known, Missing, Part
from services.chat.user_changes import KEPT_CHANGES, UserChanges
from services.chat.wire import to_message
from services.common.errors import Denied, NotFound
from tests.unit.chat.world import World, committing


@dataclass
class Desk:
    """The personal rules, and what they told."""

    personal: Personal
    told: list[tuple[str, Change]] = field(default_factory=list)


@pytest.fixture
def desk(world: World) -> Desk:
    told: list[tuple[str, Change]] = []
    changes = UserChanges(world.begin, lambda *it: told.append(it))
    return Desk(Personal(changes, wire), told)


@pytest.fixture(autouse=True)
async def talk(world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.write("c", *map(str, range(1, 6)), sender="bob")


async def difference(chat: Chat, known: Known) -> tuple[list[Missing], list[Change], Caught | None]:
    found = [it async for it in chat.difference("ann", known)]
    parts = [it for it in found if isinstance(it, Part)]
    caught = found[-1] if isinstance(found[-1], Caught) else None
    return (
        [missing for part in parts for missing in part.conversations],
        [change for part in parts for change in part.changes],
        caught,
    )


def read(change: Change) -> conversation_pb2.UserChange:
    return conversation_pb2.UserChange.FromString(change.payload)


async def test_settings_change_field_by_field_under_versions(desk: Desk, chat: Chat) -> None:
    settings, version = await desk.personal.update("ann", "c", {"pinned": True})
    assert (settings, version) == (Settings(pinned=True), 1)
    settings, version = await desk.personal.update("ann", "c", {"draft": "草稿", "archived": True})
    assert (settings, version) == (Settings(pinned=True, archived=True, draft="草稿"), 2)
    assert [(user, read(it).version) for user, it in desk.told] == [("ann", 1), ("ann", 2)]
    assert read(desk.told[1][1]).settings.settings.draft == "草稿"
    assert (await chat.conversation("ann", "c")).settings == settings
    assert (await chat.conversation("bob", "c")).settings == Settings()


async def test_strangers_and_unknown_conversations_get_one_answer(desk: Desk) -> None:
    answers = set()
    for id in ("c", "nowhere"):
        for call in (
            desk.personal.update("eve", id, {"pinned": True}),
            desk.personal.clear("eve", id, 0, remove=True),
            desk.personal.hide("eve", id, [1]),
        ):
            with pytest.raises(Denied) as refused:
                await call
            answers.add((refused.value.reason, refused.value.message))
    assert len(answers) == 1
    assert desk.told == []


async def test_a_cleared_history_is_gone_for_the_user_alone(
    desk: Desk, chat: Chat, world: World
) -> None:
    settings, _ = await desk.personal.clear("ann", "c", 3, remove=False)
    assert settings.cleared_seq == 3
    assert (await desk.personal.clear("ann", "c", 1, remove=False))[0].cleared_seq == 3
    page, seat = await chat.history("ann", "c", 0, None, 50)
    assert ([it.seq for it in page], seat.cleared_seq) == ([4, 5], 3)
    page, _ = await chat.history("ann", "c", None, 5, 50)
    assert [it.seq for it in page] == [4]
    assert len((await chat.history("bob", "c", 0, None, 50))[0]) == 5
    assert (await chat.conversation("ann", "c")).unread == 2
    await desk.personal.hide("ann", "c", [5])
    # All of it, and out of the list, until somebody says something.
    await desk.personal.clear("ann", "c", 0, remove=True)
    conversation = await chat.conversation("ann", "c")
    assert (conversation.settings.removed, conversation.unread) == (True, 0)
    assert conversation.last_message is None
    assert (await chat.history("ann", "c", None, None, 50))[0] == []
    await world.write("c", "again", sender="bob")
    assert not (await chat.conversation("ann", "c")).settings.removed
    [missing], _, _ = await difference(chat, Known({}))
    assert ([it.seq for it in missing.messages], missing.joined) == ([6], True)


async def test_a_hidden_message_keeps_its_place_for_the_user_and_its_text_for_others(
    desk: Desk, chat: Chat
) -> None:
    assert await desk.personal.hide("ann", "c", [5, 2, 2]) == 1
    assert await desk.personal.hide("ann", "c", [2]) == 2
    with pytest.raises(NotFound):
        await desk.personal.hide("ann", "c", [6])
    page = [to_message(it) for it in (await chat.history("ann", "c", 0, None, 50))[0]]
    assert [it.seq for it in page] == [1, 2, 3, 4, 5]
    gone = [it.seq for it in page if it.removed.reason == message_pb2.REMOVED_REASON_HIDDEN]
    assert gone == [2, 5]
    last = (await chat.conversation("ann", "c")).last_message
    assert last is not None
    assert not to_message(last).text
    assert [it.text for it in map(to_message, (await chat.history("bob", "c", 0, None, 50))[0])][
        1
    ] == "2"
    [missing], _, _ = await difference(chat, Known({"c": 3}))
    assert [it.WhichOneof("content") for it in map(to_message, missing.messages)] == [
        "text",
        "removed",
    ]


async def test_a_device_gets_the_changes_that_it_lacks(desk: Desk, chat: Chat) -> None:
    for number in range(3):
        await desk.personal.update("ann", "c", {"draft": f"{number}"})
    _, changes, caught = await difference(chat, Known({"c": 5}, user_version=1))
    assert [(it.version, read(it).version) for it in changes] == [(2, 2), (3, 3)]
    assert caught is not None
    assert caught.user_version == 3
    _, changes, _ = await difference(chat, Known({"c": 5}, user_version=3))
    assert changes == []
    # A device that has nothing gets the settings with the conversations.
    [missing], changes, caught = await difference(chat, Known({}))
    assert (changes, missing.conversation.settings.draft) == ([], "2")
    assert caught is not None
    assert caught.user_version == 3


async def test_a_device_that_is_too_old_or_too_new_starts_anew(desk: Desk, chat: Chat) -> None:
    for number in range(KEPT_CHANGES + 2):
        await desk.personal.update("ann", "c", {"draft": f"{number}"})
    for version in (1, KEPT_CHANGES + 3):
        found = [it async for it in chat.difference("ann", Known({"c": 5}, user_version=version))]
        assert found == [Part(reset=True)]
    _, changes, _ = await difference(chat, Known({"c": 5}, user_version=2))
    assert len(changes) == KEPT_CHANGES


async def test_cursors_that_moved_while_a_device_was_away_come_with_the_difference(
    chat: Chat, world: World
) -> None:
    for number in range(30):
        await world.add(f"d{number}", "ann", f"user{number}")
        await world.write(f"d{number}", "hello")
    known = {"c": 5} | {f"d{number}": 1 for number in range(30)}
    _, _, caught = await difference(chat, Known(known))
    assert caught is not None
    later = caught.synced_at + 120_000_000
    missing, _, _ = await difference(chat, Known(known, synced_at=later))
    assert len(missing) == 20
    async with world.begin() as store:
        [(key, cursor)] = (await store.cursors([("bob", "c")])).items()
        await store.move({key: cursor._replace(read_seq=5)}, later)
    missing, _, _ = await difference(chat, Known(known, synced_at=later))
    assert [it.conversation.head.conversation_id for it in missing][20:] == ["c"]
    assert missing[20].conversation.members[1].read_seq == 5


async def test_what_is_hidden_is_not_unread_and_what_changes_others_stays(
    desk: Desk, chat: Chat, world: World
) -> None:
    before = (await chat.conversation("ann", "c")).unread
    others = [
        it for it in (await chat.history("ann", "c", 0, None, 50))[0] if it.sender_id != "ann"
    ]
    await desk.personal.hide("ann", "c", [others[-1].seq])
    assert (await chat.conversation("ann", "c")).unread == before - 1
    async with committing(world.begin) as pod:
        edited = await pod.send(
            "c", "new", sender=others[0].sender_id, detail=Edit(others[0].seq, "new", (), False)
        )
    assert isinstance(edited, Message)
    await desk.personal.hide("ann", "c", [edited.seq])
    last = (await chat.history("ann", "c", None, None, 1))[0][0]
    assert (last.seq, last.kind) == (edited.seq, EDIT)
