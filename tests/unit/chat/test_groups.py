"""Groups on the real store: who is in them, who may do what, and what each one reads."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from hongyan.chat.v1 import conversation_pb2, message_pb2

from services.chat import wire
from services.chat.changes import Edit, Pin, React, Recall, Rich
from services.chat.group_changes import GroupChanges
from services.chat.groups import GroupService, Plan
from services.chat.model import ADMIN, EVENT, MEMBER, NOTE, OWNER, REMOVED, Change, Message
from services.chat.rules import Caught, Chat, Known, Part
from services.chat.tables import contact
from services.chat.user_changes import UserChanges
from services.common.errors import AppError, Denied, Exhausted, NotFound, Precondition
from tests.unit.chat.world import Pod, World, committing, tick

LIMIT, LARGE = 6, 8


@dataclass
class Hall:
    """The rules of groups, a committer, and the rules of reading."""

    world: World
    pod: Pod
    rules: GroupService
    chat: Chat
    told: list[tuple[str, Change]] = field(default_factory=list)

    async def befriend(self, user: str, *others: str) -> None:
        async with self.world.database.begin() as connection:
            for one, other in [(user, it) for it in others] + [(it, user) for it in others]:
                await connection.execute(
                    sa.insert(contact).values(user_id=one, other_id=other, friend=1)
                )

    async def group(self, *users: str, name: str = "火锅") -> str:
        """Makes a group; the first is its owner, and all others are friends of them."""
        owner, *others = users
        await self.befriend(owner, *others)
        return await self.rules.create(Plan(owner, "mine", name, tuple(others)))

    def waiting(self, user: str) -> list[int]:
        """Returns how many waited, as a user was told one time after the other."""
        changes = [
            conversation_pb2.UserChange.FromString(change.payload)
            for whose, change in self.told
            if whose == user
        ]
        return [it.waiting.waiting_count for it in changes if it.HasField("waiting")]

    async def say(self, id: str, sender: str, text: str) -> Message | AppError:
        return await self.pod.send(id, text, sender=sender)

    async def reads(self, user: str, id: str) -> list[str]:
        """Returns what a user reads of a log: texts, and the names of events."""
        page, _ = await self.chat.history(user, id, 0, None, 200)
        return [_word(it) for it in page]


def _word(message: Message) -> str:
    if message.kind in (EVENT, NOTE):
        return str(message_pb2.Message.FromString(message.body).event.WhichOneof("what"))
    return message.body.decode()


@pytest.fixture
async def hall(world: World, chat: Chat) -> AsyncIterator[Hall]:
    changes = GroupChanges(LIMIT, LARGE)
    async with committing(world.begin, acts=changes) as pod:
        numbers = iter(range(1_000))
        told: list[tuple[str, Change]] = []
        rules = GroupService(
            world.begin,
            world.read,
            append=pod.append,
            changes=changes,
            user_changes=UserChanges(world.begin, lambda *it: told.append(it)),
            format=wire,
            new_id=lambda: f"g{next(numbers)}",
            now=tick,
        )
        yield Hall(world, pod, rules, chat, told)


async def test_a_group_begins_with_its_members_and_a_retry_makes_no_second(hall: Hall) -> None:
    id = await hall.group("ann", "bob", "carl")
    again = await hall.rules.create(Plan("ann", "mine", "火锅", ("bob", "carl")))
    assert again == id
    assert await hall.reads("bob", id) == ["created"]
    seen = await hall.chat.conversation("bob", id)
    assert seen.group is not None
    assert seen.post is not None
    assert (seen.group.rules.name, seen.group.member_count, seen.post.role) == ("火锅", 3, MEMBER)
    assert seen.group.picture == ("ann", "bob", "carl")
    assert [it.user_id for it in seen.members] == ["bob"]
    posts, more, _ = await hall.rules.members("carl", id, None, 2)
    assert [(it.user_id, it.role) for it in posts] == [("ann", OWNER), ("bob", MEMBER)]
    assert more
    last = posts[-1]
    posts, more, _ = await hall.rules.members(
        "carl", id, (last.role, last.joined_at, last.user_id), 2
    )
    assert ([it.user_id for it in posts], more) == (["carl"], False)


async def test_two_calls_at_once_make_one_group(hall: Hall) -> None:
    await hall.befriend("ann", "bob")
    plan = Plan("ann", "mine", "", ("bob",))
    ids = await asyncio.gather(*(hall.rules.create(plan) for _ in range(5)))
    assert len(set(ids)) == 1
    assert await hall.reads("ann", ids[0]) == ["created"]


async def test_only_who_has_one_as_a_friend_can_be_brought_in(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    for call in (
        hall.rules.create(Plan("ann", "other", "", ("bob", "stranger"))),
        hall.rules.invite_friends("bob", id, ["stranger"], ""),
    ):
        with pytest.raises(Denied) as refused:
            await call
        assert refused.value.reason == "NOT_FRIENDS"
    assert await hall.reads("ann", id) == ["created"]


async def test_who_comes_reads_from_there_and_who_goes_up_to_there(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    await hall.befriend("bob", "carl")
    await hall.say(id, "ann", "before")
    assert await hall.rules.invite_friends("bob", id, ["carl"], "") == (("carl",), ())
    await hall.say(id, "ann", "while")
    await hall.rules.remove("ann", id, "carl")
    await hall.say(id, "ann", "after")
    assert await hall.reads("carl", id) == ["joined", "while", "left"]
    assert await hall.reads("bob", id) == ["created", "before", "joined", "while", "left", "after"]
    seen = await hall.chat.conversation("carl", id)
    assert seen.left
    assert (seen.head.last_seq, seen.unread) == (5, 1)
    assert seen.last_message is not None
    assert seen.last_message.seq == 5
    refused = await hall.say(id, "carl", "may I?")
    assert isinstance(refused, Denied)
    assert refused.reason == "NOT_A_MEMBER"
    for seq in (4, 6):
        with pytest.raises(Denied):
            await hall.chat.readers("carl", id, seq)
    with pytest.raises(Denied):
        await hall.rules.members("carl", id, None, 10)
    parts = [it async for it in hall.chat.difference("carl", Known({id: 3}))]
    [missing] = [one for part in parts if isinstance(part, Part) for one in part.conversations]
    assert [it.seq for it in missing.messages] == [4, 5]
    assert isinstance(parts[-1], Caught)
    # Who comes back sees nothing of the time between.
    await hall.rules.invite_friends("bob", id, ["carl"], "")
    await hall.say(id, "ann", "again")
    assert await hall.reads("carl", id) == ["joined", "again"]


async def test_a_group_has_a_limit_and_a_large_one_another(hall: Hall) -> None:
    users = ["ann", *(f"u{n}" for n in range(1, LIMIT))]
    id = await hall.group(*users)
    await hall.befriend("ann", "x", "y", "z")
    with pytest.raises(Exhausted) as full:
        await hall.rules.invite_friends("ann", id, ["x"], "")
    assert full.value.reason == "GROUP_FULL"
    with pytest.raises(Denied):
        await hall.rules.change("u1", id, {"large": True})
    await hall.rules.change("ann", id, {"large": True})
    await hall.rules.invite_friends("ann", id, ["x", "y"], "")
    with pytest.raises(Exhausted):
        await hall.rules.invite_friends("ann", id, ["z"], "")
    with pytest.raises(Precondition):
        await hall.rules.change("ann", id, {"large": False})


async def test_roles_change_hands(hall: Hall) -> None:
    id = await hall.group("ann", "bob", "carl")
    with pytest.raises(Denied):
        await hall.rules.set_role("bob", id, "carl", ADMIN)
    await hall.rules.set_role("ann", id, "bob", ADMIN)
    await hall.rules.set_role("ann", id, "bob", ADMIN)  # twice changes nothing
    with pytest.raises(Denied):
        await hall.rules.remove("bob", id, "ann")
    with pytest.raises(Precondition) as stays:
        await hall.rules.remove("ann", id, "ann")
    assert stays.value.reason == "OWNER_CANNOT_LEAVE"
    await hall.rules.transfer("ann", id, "bob")
    await hall.rules.remove("ann", id, "ann")
    with pytest.raises(NotFound):
        await hall.rules.transfer("bob", id, "ann")
    posts, _, _ = await hall.rules.members("bob", id, None, 10)
    assert [(it.user_id, it.role) for it in posts] == [("bob", OWNER), ("carl", MEMBER)]
    await hall.rules.dissolve("bob", id)
    assert await hall.reads("carl", id) == ["created", "role", "transferred", "left", "dissolved"]
    assert await hall.reads("ann", id) == ["created", "role", "transferred", "left"]
    refused = await hall.say(id, "bob", "anybody?")
    assert isinstance(refused, Denied)
    seen = await hall.chat.conversation("carl", id)
    assert seen.group is not None
    assert seen.group.dissolved


async def test_muted_silenced_and_allowed_again(hall: Hall) -> None:
    id = await hall.group("ann", "bob", "carl")
    await hall.rules.set_role("ann", id, "bob", ADMIN)
    await hall.rules.change("bob", id, {"muted": True})
    assert isinstance(await hall.say(id, "bob", "admins may"), Message)
    refused = await hall.say(id, "carl", "members not")
    assert isinstance(refused, Denied)
    assert refused.reason == "GROUP_MUTED"
    await hall.rules.change("bob", id, {"muted": False})
    await hall.rules.silence("bob", id, "carl", tick() + 10**12)
    refused = await hall.say(id, "carl", "not I")
    assert isinstance(refused, Denied)
    assert refused.reason == "SILENCED"
    await hall.rules.silence("bob", id, "carl", 0)
    assert isinstance(await hall.say(id, "carl", "at last"), Message)
    everybody = await hall.pod.send(
        id, "x", sender="carl", detail=Rich("大家好", 0, (), everybody=True)
    )
    assert isinstance(everybody, Denied)
    assert everybody.reason == "ROLE_TOO_LOW"


async def test_an_announcement_is_an_entry_that_mentions_everybody(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    with pytest.raises(Denied):
        await hall.rules.announce("bob", id, "no")
    seq = await hall.rules.announce("ann", id, "明天七点集合")
    seen = await hall.chat.conversation("bob", id)
    assert seen.group is not None
    assert (seen.group.announcement, seen.group.announcement_seq) == ("明天七点集合", seq)
    assert (seen.unread, seen.mentions) == (0, 1)
    assert await hall.chat.readers("ann", id, seq) == ([], [], ["bob"])
    await hall.rules.announce("ann", id, "")
    seen = await hall.chat.conversation("bob", id)
    assert seen.group is not None
    assert (seen.group.announcement, seen.group.announcement_seq) == ("", 0)


async def test_a_nickname_is_not_shown_as_a_line(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    before = await hall.chat.conversation("ann", id)
    await hall.rules.set_nickname("bob", id, "波波")
    after = await hall.chat.conversation("ann", id)
    assert before.last_message == after.last_message
    assert before.head.active_at == after.head.active_at
    posts, _, version = await hall.rules.members("ann", id, None, 10)
    assert [it.nickname for it in posts] == ["", "波波"]
    assert before.group is not None
    assert version == before.group.member_version + 1


async def test_an_invite_lets_in_so_many(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    invite = await hall.rules.create_invite("bob", id, 0, 1)
    door = await hall.rules.door("dora", invite.code)
    assert (door.invite.conversation_id, door.member, door.member_count) == (id, False, 2)
    assert await hall.rules.join("dora", invite.code, "") == (True, id)
    with pytest.raises(NotFound) as used:
        await hall.rules.join("eve", invite.code, "")
    with pytest.raises(NotFound) as wrong:
        await hall.rules.join("eve", "no-such-code", "")
    assert used.value.message == wrong.value.message
    assert await hall.reads("dora", id) == ["joined"]
    # Admins see all invites, members their own; whose maker has left works no more.
    other = await hall.rules.create_invite("ann", id, 0, 0)
    assert [it.id for it in await hall.rules.invites("bob", id)] == []
    assert [it.id for it in await hall.rules.invites("ann", id)] == [other.id]
    with pytest.raises(NotFound):
        await hall.rules.revoke_invite("bob", id, other.id)
    await hall.rules.revoke_invite("ann", id, other.id)
    with pytest.raises(NotFound):
        await hall.rules.door("eve", other.code)
    last = await hall.rules.create_invite("bob", id, 0, 0)
    await hall.rules.remove("ann", id, "bob")
    with pytest.raises(NotFound):
        await hall.rules.join("eve", last.code, "")


async def test_many_at_one_door_and_only_so_many_come_in(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    invite = await hall.rules.create_invite("ann", id, 0, 2)
    outcomes = await asyncio.gather(
        *(hall.rules.join(f"guest{n}", invite.code, "") for n in range(4)), return_exceptions=True
    )
    assert sum(outcome == (True, id) for outcome in outcomes) == 2
    assert sum(isinstance(outcome, NotFound) for outcome in outcomes) == 2
    # A group that is full gives the use back.
    await hall.befriend("ann", "c", "d")
    await hall.rules.invite_friends("ann", id, ["c", "d"], "")
    invite = await hall.rules.create_invite("ann", id, 0, 1)
    with pytest.raises(Exhausted):
        await hall.rules.join("late", invite.code, "")
    await hall.rules.remove("ann", id, "c")
    assert await hall.rules.join("late", invite.code, "") == (True, id)


async def test_where_approval_is_needed_one_waits(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    await hall.befriend("bob", "carl")
    await hall.rules.change("ann", id, {"approval": True})
    invite = await hall.rules.create_invite("bob", id, 0, 1)
    for _ in range(2):  # who waits already does not use it up again
        assert await hall.rules.join("dora", invite.code, "我是朵拉") == (False, id)
    with pytest.raises(NotFound):
        await hall.rules.join("eve", invite.code, "")
    assert await hall.rules.invite_friends("bob", id, ["carl"], "") == ((), ("carl",))
    with pytest.raises(Denied):
        await hall.rules.join_requests("bob", id)
    waiting = await hall.rules.join_requests("ann", id)
    assert [(it.user_id, it.inviter_id, it.greeting) for it in waiting] == [
        ("dora", "bob", "我是朵拉"),
        ("carl", "bob", ""),
    ]
    assert (await hall.chat.conversation("ann", id)).group.waiting == 2  # type: ignore[union-attr]
    with pytest.raises(Denied):
        await hall.rules.answer("bob", id, "dora", approve=True)
    await hall.rules.answer("ann", id, "dora", approve=True)
    await hall.rules.answer("ann", id, "carl", approve=False)
    assert await hall.rules.join_requests("ann", id) == []
    with pytest.raises(NotFound):
        await hall.rules.answer("ann", id, "carl", approve=True)
    assert await hall.reads("dora", id) == ["joined"]
    with pytest.raises(Denied):
        await hall.reads("carl", id)


async def test_an_admin_takes_back_what_a_member_wrote(hall: Hall) -> None:
    id = await hall.group("ann", "bob", "carl")
    said = await hall.say(id, "bob", "rude")
    assert isinstance(said, Message)
    by_member = await hall.pod.send(id, "r", sender="carl", detail=Recall(said.seq))
    assert isinstance(by_member, Denied)
    by_owner = await hall.pod.send(id, "r", sender="ann", detail=Recall(said.seq))
    assert isinstance(by_owner, Message)
    own = await hall.say(id, "ann", "mine")
    assert isinstance(own, Message)
    upwards = await hall.pod.send(id, "r", sender="bob", detail=Recall(own.seq))
    assert isinstance(upwards, Denied)


async def test_what_is_sent_behind_a_removal_is_not_taken(hall: Hall) -> None:
    """In one go: a word, the removal of its author, another word."""
    id = await hall.group("ann", "bob")
    first = asyncio.create_task(hall.say(id, "bob", "one"))
    removal = asyncio.create_task(hall.rules.remove("ann", id, "bob"))
    second = asyncio.create_task(hall.say(id, "bob", "two"))
    outcomes = await asyncio.gather(first, removal, second)
    assert isinstance(outcomes[0], Message)
    assert isinstance(outcomes[2], Denied)
    assert await hall.reads("ann", id) == ["created", "one", "left"]


async def test_acts_are_refused_outside_of_groups(hall: Hall) -> None:
    await hall.world.add("direct", "ann", "bob")
    for call in (
        hall.rules.change("ann", "direct", {"name": "x"}),
        hall.rules.remove("ann", "direct", "bob"),
        hall.rules.dissolve("ann", "direct"),
        hall.rules.create_invite("ann", "direct", 0, 0),
        hall.rules.members("ann", "direct", None, 10),
    ):
        with pytest.raises(Precondition) as refused:
            await call
        assert refused.value.reason == "NOT_A_GROUP"
    for call in (
        hall.rules.change("eve", "direct", {"name": "x"}),
        hall.rules.members("eve", "direct", None, 10),
        hall.rules.announce("eve", "nowhere", "x"),
    ):
        with pytest.raises(Denied) as denied:
            await call
        assert denied.value.reason == "NOT_A_MEMBER"


async def test_who_lets_others_in_is_told_that_somebody_waits(hall: Hall) -> None:
    id = await hall.group("ann", "bob", "carl")
    await hall.rules.set_role("ann", id, "bob", ADMIN)
    await hall.rules.change("ann", id, {"approval": True})
    invite = await hall.rules.create_invite("carl", id, 0, 0)
    for user in ("dora", "eve"):
        assert await hall.rules.join(user, invite.code, "") == (False, id)
    await hall.rules.answer("bob", id, "dora", approve=True)
    await hall.rules.answer("ann", id, "eve", approve=False)
    for leader in ("ann", "bob"):
        assert hall.waiting(leader) == [1, 2, 1, 0]
    assert hall.waiting("carl") == hall.waiting("dora") == []


async def test_who_has_left_sees_nothing_that_was_done_to_messages_since(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    said = await hall.say(id, "ann", "first words")
    other = await hall.say(id, "ann", "other words")
    assert isinstance(said, Message)
    assert isinstance(other, Message)
    await hall.pod.send(id, "r0", detail=React(other.seq, "👍", removed=False))
    await hall.pod.send(id, "p0", detail=Pin(other.seq, removed=False))
    await hall.rules.remove("ann", id, "bob")
    last = (await hall.chat.conversation("bob", id)).head.last_seq
    for detail in (
        Edit(said.seq, "later words", (), everybody=False),
        React(other.seq, "🎉", removed=False),
        Pin(said.seq, removed=False),
    ):
        assert isinstance(await hall.pod.send(id, type(detail).__name__, detail=detail), Message)
    parts = [it async for it in hall.chat.difference("bob", Known({}))]
    [missing] = [one for part in parts if isinstance(part, Part) for one in part.conversations]
    for page in (
        (await hall.chat.history("bob", id, 0, None, 50))[0],
        (await hall.chat.history("bob", id, None, None, 50))[0],
        missing.messages,
    ):
        seen = {it.seq: it for it in page}
        assert max(seen) == last
        assert (seen[said.seq].kind, seen[said.seq].edited_at) == (REMOVED, 0)
        assert seen[other.seq].reactions == (("👍", "ann"),)
    assert (await hall.chat.conversation("bob", id)).pinned_seqs == (other.seq,)
    # By forwarding it neither, and those who are there see all.
    async with hall.world.read() as store:
        assert await store.readable("bob", id, said.seq) is None
    assert "later words" in await hall.reads("ann", id)
    assert (await hall.chat.conversation("ann", id)).pinned_seqs == (said.seq, other.seq)


async def test_a_new_owner_is_silenced_no_more(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    await hall.rules.silence("ann", id, "bob", tick() + 10**12)
    await hall.rules.transfer("ann", id, "bob")
    # Nobody could allow it to an owner again.
    assert isinstance(await hall.say(id, "bob", "mine now"), Message)


async def test_who_is_silenced_says_nothing_by_an_announcement_or_a_name(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    await hall.rules.change("ann", id, {"may_announce": MEMBER})
    await hall.rules.silence("ann", id, "bob", tick() + 10**12)
    for call in (
        hall.rules.announce("bob", id, "rude"),
        hall.rules.change("bob", id, {"name": "rude"}),
    ):
        with pytest.raises(Denied) as refused:
            await call
        assert refused.value.reason == "SILENCED"
    await hall.rules.silence("ann", id, "bob", 0)
    await hall.rules.announce("bob", id, "kind")
    await hall.rules.change("bob", id, {"name": "kind"})


async def test_who_leaves_and_comes_back_is_still_silenced(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    invite = await hall.rules.create_invite("ann", id, 0, 0)
    await hall.rules.silence("ann", id, "bob", tick() + 10**12)
    await hall.rules.remove("bob", id, "bob")
    assert await hall.rules.join("bob", invite.code, "") == (True, id)
    refused = await hall.say(id, "bob", "here again")
    assert isinstance(refused, Denied)
    assert refused.reason == "SILENCED"


async def test_who_takes_their_friendship_back_while_waiting_is_not_brought_in(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    await hall.befriend("bob", "carl")
    await hall.rules.change("ann", id, {"approval": True})
    await hall.rules.invite_friends("bob", id, ["carl"], "")
    async with hall.world.database.begin() as connection:
        await connection.execute(
            sa.update(contact).where(contact.c.user_id == "carl").values(blocked=1)
        )
    with pytest.raises(Denied) as refused:
        await hall.rules.answer("ann", id, "carl", approve=True)
    assert refused.value.reason == "NOT_FRIENDS"
    assert await hall.rules.join_requests("ann", id) == []
    with pytest.raises(Denied):
        await hall.reads("carl", id)


async def test_one_who_joins_many_times_at_once_uses_an_invite_once(hall: Hall) -> None:
    id = await hall.group("ann")
    invite = await hall.rules.create_invite("ann", id, 0, 5)
    await asyncio.gather(
        *(hall.rules.join("guest", invite.code, "") for _ in range(20)), return_exceptions=True
    )
    [left] = await hall.rules.invites("ann", id)
    assert left.uses_left == 4


async def test_a_newcomer_speaks_of_nothing_that_was_said_before(hall: Hall) -> None:
    id = await hall.group("ann", "bob")
    said = await hall.say(id, "bob", "a secret")
    assert isinstance(said, Message)
    await hall.befriend("ann", "carl")
    await hall.rules.invite_friends("ann", id, ["carl"], "")
    for detail in (
        Rich("what?", said.seq, (), everybody=False),
        React(said.seq, "👍", removed=False),
        Pin(said.seq, removed=False),
    ):
        refused = await hall.pod.send(id, "x", sender="carl", detail=detail)
        assert isinstance(refused, NotFound)
        assert refused.reason == "MESSAGE_NOT_FOUND"


async def test_who_has_left_learns_of_a_group_only_what_it_is_called(hall: Hall) -> None:
    id = await hall.group("ann", "bob", "carl")
    await hall.rules.remove("ann", id, "carl")
    seen = wire.to_conversation(await hall.chat.conversation("carl", id)).group
    assert seen.settings.name == "火锅"
    assert not seen.picture_user_ids
    assert not seen.member_count
