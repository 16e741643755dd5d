"""What entries do to earlier ones: who reads anew sees the same as who applies them one by one."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hongyan.chat.v1 import message_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.chat import wire
from services.chat.changes import (
    Detail,
    Edit,
    Forward,
    Pin,
    React,
    Recall,
    Rich,
    SetTimer,
)
from services.chat.expiry import Expiry
from services.chat.model import Message
from services.chat.personal import Personal
from services.chat.rules import Chat
from services.chat.user_changes import UserChanges
from services.chat.wire import to_message
from services.common.database import Database
from services.common.errors import AppError, Denied, Exhausted, Invalid, NotFound, Precondition
from tests.unit.chat.world import Pod, World, committing, make_chat

MINUTE = 60_000_000
DAY = 1440 * MINUTE


class Clock:
    """Microseconds that move when they are told."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


async def say(pod: Pod, detail: Detail, sender: str = "ann", id: str = "") -> Message:
    """Stores an entry; raises what refused it."""
    outcome = await pod.send("c", repr(detail), sender=sender, id=id, detail=detail)
    if isinstance(outcome, AppError):
        raise outcome
    return outcome


async def look(chat: Chat, user: str = "ann", conversation_id: str = "c") -> list[Any]:
    """Reads a whole log as the wire has it."""
    page, _ = await chat.history(user, conversation_id, 0, None, 200)
    return [to_message(message) for message in page]


@pytest.fixture
async def talk(world: World) -> None:
    await world.add("c", "ann", "bob")
    await world.write("c", "你好", "hello", sender="ann")
    await world.write("c", "hi", sender="bob")


@pytest.mark.usefixtures("talk")
async def test_a_recalled_message_is_gone_everywhere_and_its_place_stays(
    chat: Chat, world: World
) -> None:
    clock = Clock()
    clock.now = 1_700_000_000_000_000 + MINUTE
    async with committing(world.begin, now=clock) as pod:
        await say(pod, React(1, "👍", removed=False), sender="bob")
        await say(pod, Pin(1, removed=False), sender="bob")
        await say(pod, Edit(1, "您好 @bob", ("bob",), everybody=False))
        entry = await say(pod, Recall(1))
    assert to_message(entry).recall.seq == 1
    log = await look(chat)
    assert [message.seq for message in log] == list(range(1, 8))
    assert log[0].removed.reason == message_pb2.REMOVED_REASON_RECALLED
    assert not log[0].text
    assert not log[0].reactions
    assert not log[0].HasField("edited_at")
    # Nor is its text in the entry of the edit.
    assert log[5].edit.seq == 1
    assert not log[5].edit.text
    conversation = await chat.conversation("bob", "c")
    assert (conversation.pinned_seqs, conversation.mentions, conversation.unread) == ((), 0, 1)


@pytest.mark.usefixtures("talk")
async def test_an_edit_is_read_back_and_only_the_newest_has_the_text(
    chat: Chat, world: World
) -> None:
    async with committing(world.begin) as pod:
        await say(pod, Edit(2, "hallo", (), everybody=False))
        await say(pod, Edit(2, "hello!", (), everybody=False))
    log = await look(chat, "bob")
    assert (log[1].text, log[1].HasField("edited_at")) == ("hello!", True)
    assert [(entry.edit.seq, entry.edit.text) for entry in log[3:]] == [(2, ""), (2, "hello!")]
    assert (await chat.conversation("bob", "c")).unread == 2


@pytest.mark.usefixtures("talk")
async def test_an_edit_keeps_the_quote_and_changes_the_mentions(chat: Chat, world: World) -> None:
    async with committing(world.begin) as pod:
        sent = await say(pod, Rich("@bob 看", 3, ("bob", "eve"), everybody=False))
        assert (await chat.conversation("bob", "c")).mentions == 1
        await say(pod, Edit(sent.seq, "看", (), everybody=False))
    message = (await look(chat))[3]
    assert (message.text, message.quote.seq, message.quote.sender_id) == ("看", 3, "bob")
    assert not message.HasField("mentions")
    assert (await chat.conversation("bob", "c")).mentions == 0


@pytest.mark.usefixtures("talk")
async def test_only_the_sender_changes_a_message_and_not_for_ever(world: World) -> None:
    clock = Clock()
    async with committing(world.begin, now=clock) as pod:
        text = await pod.send("c", "a")
        assert isinstance(text, Message)
        for detail in (Recall(text.seq), Edit(text.seq, "b", (), everybody=False)):
            with pytest.raises(Denied) as refused:
                await say(pod, detail, sender="bob")
            assert refused.value.reason == "NOT_THE_SENDER"
        clock.now += 3 * MINUTE
        with pytest.raises(Precondition) as late:
            await say(pod, Recall(text.seq))
        assert late.value.reason == "TOO_LATE"
        await say(pod, Edit(text.seq, "b", (), everybody=False))
        clock.now += DAY
        with pytest.raises(Precondition):
            await say(pod, Edit(text.seq, "c", (), everybody=False))


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize(
    "detail",
    [
        Recall(99),
        Edit(99, "x", (), everybody=False),
        React(99, "👍", removed=False),
        Pin(99, removed=False),
        Rich("x", 99, (), everybody=False),
        Forward("c", 99),
        Forward("elsewhere", 1),
    ],
    ids=lambda it: type(it).__name__,
)
async def test_what_refers_to_nothing_is_refused_and_leaves_no_entry(
    world: World, detail: Detail
) -> None:
    async with committing(world.begin) as pod:
        with pytest.raises(NotFound) as refused:
            await say(pod, detail)
    assert refused.value.reason == "MESSAGE_NOT_FOUND"
    assert await world.last_seq("c") == 3


@pytest.mark.usefixtures("talk")
async def test_entries_refer_to_texts_only(world: World) -> None:
    async with committing(world.begin) as pod:
        entry = await say(pod, React(1, "👍", removed=False))
        with pytest.raises(NotFound):
            await say(pod, React(entry.seq, "👍", removed=False))
        own = await pod.send("c", "x")
        assert isinstance(own, Message)
        await say(pod, Recall(own.seq))
        for detail in (Recall(own.seq), React(own.seq, "👍", removed=False)):
            with pytest.raises(Precondition) as refused:
                await say(pod, detail)
            assert refused.value.reason == "MESSAGE_REMOVED"


@pytest.mark.usefixtures("talk")
async def test_a_retry_of_a_change_gets_its_first_place(world: World) -> None:
    """Even when, as things stand now, the change would be refused."""
    async with committing(world.begin) as pod:
        own = await pod.send("c", "x")
        assert isinstance(own, Message)
        first = await say(pod, Recall(own.seq), id="once")
    async with committing(world.begin) as pod:
        assert (await say(pod, Recall(own.seq), id="once")).seq == first.seq
    assert await world.last_seq("c") == first.seq


@pytest.mark.usefixtures("talk")
async def test_reactions_are_a_set_and_have_a_bound(chat: Chat, world: World) -> None:
    async with committing(world.begin) as pod:
        for sender, emoji, removed in (
            ("ann", "👍", False),
            ("bob", "❤️", False),
            ("bob", "👍", False),
            ("bob", "👍", False),
            ("ann", "👍", True),
            ("ann", "👍", True),
        ):
            await say(pod, React(3, emoji, removed=removed), sender=sender)
        reactions = (await look(chat))[2].reactions
        assert [(it.emoji, list(it.user_ids)) for it in reactions] == [
            ("❤️", ["bob"]),
            ("👍", ["bob"]),
        ]
        for number in range(18):
            await say(pod, React(3, f"e{number}", removed=False))
        with pytest.raises(Exhausted):
            await say(pod, React(3, "one more", removed=False))
        await say(pod, React(3, "👍", removed=False))


@pytest.mark.usefixtures("talk")
async def test_a_forward_copies_what_the_sender_can_read(chat: Chat, world: World) -> None:
    await world.add("d", "ann", "eve")
    [theirs] = await world.write("d", "原文", sender="eve")
    async with committing(world.begin) as pod:
        copy = await say(pod, Forward("d", theirs.seq))
        with pytest.raises(NotFound):
            await say(pod, Forward("d", theirs.seq), sender="bob")
        again = await say(pod, Forward("c", copy.seq), sender="bob")
    for message in (to_message(copy), to_message(again)):
        assert (message.text, message.forwarded.sender_id) == ("原文", "eve")
    assert (await chat.conversation("bob", "c")).unread == 3


@pytest.mark.usefixtures("talk")
async def test_mentions_of_everybody_count_for_all_but_the_sender(chat: Chat, world: World) -> None:
    async with committing(world.begin) as pod:
        await say(pod, Rich("@all", 0, ("bob",), everybody=True))
    assert (await chat.conversation("bob", "c")).mentions == 1
    assert (await chat.conversation("ann", "c")).mentions == 0


@pytest.mark.usefixtures("talk")
async def test_changes_move_no_conversation_up_and_are_not_shown_in_lists(
    chat: Chat, world: World
) -> None:
    await world.add("d", "ann", "eve")
    await world.write("d", "later")
    async with committing(world.begin) as pod:
        await say(pod, React(3, "👍", removed=False))
    conversations, _ = await chat.conversations("ann", None, 10)
    assert [it.head.conversation_id for it in conversations] == ["d", "c"]
    last = conversations[1].last_message
    assert last is not None
    assert (last.seq, conversations[1].head.last_seq) == (3, 4)


@pytest.mark.usefixtures("talk")
async def test_pins_are_listed_newest_first_and_have_a_bound(chat: Chat, world: World) -> None:
    async with committing(world.begin) as pod:
        for seq in (1, 3, 2, 1):
            await say(pod, Pin(seq, removed=False))
        await say(pod, Pin(3, removed=True))
        assert (await chat.conversation("bob", "c")).pinned_seqs == (1, 2)
        for _ in range(48):
            text = await pod.send("c", "x")
            assert isinstance(text, Message)
            await say(pod, Pin(text.seq, removed=False))
        with pytest.raises(Exhausted):
            await say(pod, Pin(3, removed=False))
    assert len((await chat.conversation("bob", "c")).pinned_seqs) == 50


@pytest.mark.usefixtures("talk")
async def test_what_disappears_is_gone_for_readers_at_once_and_from_the_disk_after_a_sweep(
    world: World,
) -> None:
    clock = Clock()
    chat = Chat(world.begin, world.read, lambda _: asyncio.sleep(0, ()), lambda: "", clock)
    async with committing(world.begin, now=clock) as pod:
        with pytest.raises(Invalid) as wrong:
            await say(pod, SetTimer(2))
        assert list(wrong.value.fields) == ["timer.seconds"]
        with pytest.raises(Invalid) as wrong:
            await say(pod, Edit(1, "", (), everybody=False))
        assert list(wrong.value.fields) == ["edit.text"]
        await say(pod, SetTimer(60))
        secret = await pod.send("c", "secret")
        assert isinstance(secret, Message)
        await say(pod, Edit(secret.seq, "the secret", (), everybody=False))
        with pytest.raises(NotFound):
            await say(pod, Forward("c", secret.seq), sender="bob")
        await say(pod, SetTimer(0))
        stays = await pod.send("c", "stays")
        assert isinstance(stays, Message)
        assert (await chat.conversation("ann", "c")).head.disappear_seconds == 0
        log = await look(chat)
        assert log[secret.seq - 1].text == "the secret"
        assert log[secret.seq - 1].expires_at.ToMicroseconds() == secret.expires_at
        clock.now += 2 * MINUTE
        log = await look(chat)
        assert log[secret.seq - 1].removed.reason == message_pb2.REMOVED_REASON_EXPIRED
        assert (await chat.conversation("bob", "c")).last_message == stays
        expiry = Expiry(world.begin, clock)
        assert await expiry.sweep() == 2
        assert await expiry.sweep() == 0
        assert not any("secret" in text for _, _, text in await world.log("c"))
        with pytest.raises(Precondition):
            await say(pod, React(secret.seq, "👍", removed=False))
        assert (await chat.conversation("bob", "c")).unread == 3


# What a device shows that had the log and applies each entry as it comes.


class Cached:
    """A device's cache of one log."""

    def __init__(self) -> None:
        self.texts: dict[int, str | None] = {}
        self.reactions: dict[int, set[tuple[str, str]]] = {}

    def apply(self, entry: Any) -> None:
        kind = entry.WhichOneof("content")
        if kind == "text":
            self.texts[entry.seq] = entry.text
            self.reactions[entry.seq] = {
                (it.emoji, user_id) for it in entry.reactions for user_id in it.user_ids
            }
        elif kind == "removed":
            self.texts[entry.seq], self.reactions[entry.seq] = None, set()
        elif kind == "recall":
            self.texts[entry.recall.seq], self.reactions[entry.recall.seq] = None, set()
        elif kind == "edit" and entry.edit.text and self.texts.get(entry.edit.seq) is not None:
            self.texts[entry.edit.seq] = entry.edit.text
        elif kind == "reaction" and self.texts.get(entry.reaction.seq) is not None:
            given = self.reactions[entry.reaction.seq]
            pair = (entry.reaction.emoji, entry.sender_id)
            given.discard(pair) if entry.reaction.removed else given.add(pair)


seqs = st.integers(1, 6)
details: st.SearchStrategy[Detail | None] = st.one_of(
    st.none(),
    st.builds(Recall, seqs),
    st.builds(Edit, seqs, st.text(min_size=1, max_size=3), st.just(()), st.just(False)),
    st.builds(React, seqs, st.sampled_from("👍❤"), st.booleans()),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.tuples(details, st.sampled_from(["ann", "bob"])), max_size=14),
    cut=st.integers(0, 20),
)
def test_who_applies_entries_sees_what_who_reads_anew_sees(
    steps: list[tuple[Detail | None, str]],
    cut: int,
    migrated: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path_factory.mktemp("changes") / "chat.db"
    file.write_bytes(migrated.read_bytes())
    asyncio.run(compare_readers(Database(f"sqlite:///{file}", pool=2), steps, cut))


async def compare_readers(
    database: Database, steps: list[tuple[Detail | None, str]], cut: int
) -> None:
    world = World(database)
    chat = make_chat(world, "c")
    await world.add("c", "ann", "bob")
    entries: list[Any] = []
    async with committing(world.begin) as pod:
        for detail, sender in steps:
            outcome = await pod.send("c", repr(detail), sender=sender, detail=detail)
            if isinstance(outcome, Message):
                entries.append(to_message(outcome))
    live, late, anew = Cached(), Cached(), Cached()
    for entry in entries:
        live.apply(entry)
    log = await look(chat)
    # A device that had a part of the log, reads the state of all of it now, and is then told
    # of entries that the state has already.
    for entry in (*entries[:cut], *log, *log[cut:]):
        late.apply(entry)
    for entry in log:
        anew.apply(entry)
    assert [entry.seq for entry in log] == list(range(1, len(entries) + 1))
    assert live.texts == anew.texts == late.texts
    assert live.reactions == anew.reactions == late.reactions
    unread = sum(
        text is not None and log[seq - 1].sender_id == "bob" for seq, text in live.texts.items()
    )
    assert (await chat.conversation("ann", "c")).unread == unread
    await database.close()


@pytest.mark.usefixtures("talk")
async def test_nobody_puts_words_into_the_mouth_of_who_was_forwarded(world: World) -> None:
    async with committing(world.begin) as pod:
        copy = await say(pod, Forward("c", 1), sender="bob")
        with pytest.raises(Denied) as refused:
            await say(pod, Edit(copy.seq, "I owe 1000", (), everybody=False), sender="bob")
        assert refused.value.reason == "NOT_THE_AUTHOR"
        # What one wrote oneself and forwarded is one's own.
        own = await say(pod, Forward("c", 1), sender="ann")
        await say(pod, Edit(own.seq, "better", (), everybody=False), sender="ann")


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize(
    ("emoji", "good"),
    [
        ("👍", True),
        ("👨‍👩‍👧‍👦", True),
        ("👋🏽", True),
        ("1️⃣", True),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", True),
        ("+1", True),
        ("好", True),
        ("\x1b[31m", False),
        ("a\nb", False),
        (" ", False),
        ("\u200b", False),
        ("\u202ea", False),
    ],
)
async def test_a_reaction_is_something_to_see(world: World, emoji: str, good: bool) -> None:
    async with committing(world.begin) as pod:
        if good:
            await say(pod, React(1, emoji, removed=False))
        else:
            with pytest.raises(Invalid) as refused:
                await say(pod, React(1, emoji, removed=False))
            assert "reaction.emoji" in refused.value.fields


@pytest.mark.usefixtures("talk")
async def test_what_was_taken_away_does_not_come_back_by_an_edit(chat: Chat, world: World) -> None:
    personal = Personal(UserChanges(world.begin, lambda *_: None), wire)
    await personal.clear("bob", "c", 1, remove=False)
    await personal.hide("bob", "c", [2])
    async with committing(world.begin) as pod:
        for seq in (1, 2):
            await say(pod, Edit(seq, f"edited {seq}", (), everybody=False))
    texts = {it.seq: it.edit.text for it in await look(chat, "bob") if it.HasField("edit")}
    assert texts == {4: "", 5: ""}
    texts = {it.seq: it.edit.text for it in await look(chat, "ann") if it.HasField("edit")}
    assert texts == {4: "edited 1", 5: "edited 2"}


@pytest.mark.usefixtures("talk")
async def test_what_has_expired_is_not_unread_even_before_it_is_swept(world: World) -> None:
    clock = Clock()
    chat = Chat(world.begin, world.read, nobody_there, new_id=lambda: "x", now=clock)
    async with committing(world.begin, now=clock) as pod:
        await say(pod, SetTimer(5))
        await pod.send("c", "gone soon", sender="ann")
    assert (await chat.conversation("bob", "c")).unread == 3
    clock.now += 6_000_000
    assert (await chat.conversation("bob", "c")).unread == 2


async def nobody_there(*_: Any) -> Any:
    raise AssertionError("nobody is looked for")
