"""Contacts on the real store: asked, accepted, deleted, blocked, and in sync for both."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hongyan.chat.v1 import conversation_pb2

from services.chat import contacts, wire
from services.chat.changes import Rich
from services.chat.committer import greet_by
from services.chat.contacts import (
    ACCEPTED,
    BY_CARD,
    DECLINED,
    EXPIRED,
    IN_GROUP,
    MICROS,
    PENDING,
    SEARCH,
    Approach,
    ContactRules,
    Strangers,
)
from services.chat.model import Change, Message
from services.chat.policies import Policy
from services.chat.rules import Chat
from services.chat.store import Store
from services.chat.user_changes import UserChanges
from services.common.database import Duplicate
from services.common.errors import AppError, Denied, Exhausted, Invalid, NotFound, Precondition
from tests.unit.chat.world import Pod, World, committing

OPEN = Policy(frozenset((1, 2, 3, 4)), False, False)
BOT = replace(OPEN, is_bot=True, owner_id="ann")
DAY = 86_400 * MICROS


@dataclass
class Town:
    """The rules of contacts, what they told, and what verify would say."""

    world: World
    pod: Pod
    now: int = 1_700_000_000 * MICROS
    told: list[tuple[str, Change]] = field(default_factory=list)
    policies: dict[str, Policy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = iter(range(10_000))
        self.changes = UserChanges(self.world.begin, lambda *it: self.told.append(it))
        self.rules = ContactRules(
            self.changes,
            self.world.read,
            wire,
            find_policies=self.find,
            on_friends=greet_by(self.pod.committer),
            new_id=lambda: f"id{next(numbers)}",
            now=lambda: self.now,
            request_days=7,
        )
        self.chat = Chat(
            self.world.begin,
            self.world.read,
            Strangers(self.world.read, self.find).meet,
            lambda: f"c{next(numbers)}",
            lambda: self.now,
        )

    async def find(self, user_ids: Collection[str]) -> dict[str, Policy]:
        there = [it for it in user_ids if not it.startswith("nobody")]
        return {user_id: self.policies.get(user_id, OPEN) for user_id in there}

    async def ask(self, user: str, other: str, greeting: str = "", **how: Any) -> int:
        asked, _ = await self.rules.request(
            user,
            Approach(
                other,
                how.get("code", ""),
                greeting,
                how.get("source", SEARCH),
                how.get("conversation_id", ""),
                how.get("seq", 0),
            ),
        )
        return asked.state

    async def befriend(self, user: str, other: str) -> str:
        await self.ask(user, other)
        return (await self.rules.accept(other, user))[1]

    async def states(self, user: str) -> dict[str, tuple[bool, int]]:
        found, _ = await self.rules.requests(user, None, 100)
        return {it.other_id: (it.incoming, it.state) for it in found}

    async def friends(self, user: str) -> list[str]:
        found, _ = await self.rules.contacts(user, "", 100)
        return [it.other_id for it in found if it.friend]

    async def say(self, id: str, sender: str, text: str = "hi") -> Message | AppError:
        return await self.pod.send(id, text, sender=sender)

    def changes_of(self, user: str) -> list[conversation_pb2.UserChange]:
        return [
            conversation_pb2.UserChange.FromString(change.payload)
            for whose, change in self.told
            if whose == user
        ]


@pytest.fixture
async def town(world: World) -> AsyncIterator[Town]:
    async with committing(world.begin) as pod:
        yield Town(world, pod)


async def test_asked_and_accepted_they_are_friends_and_have_a_conversation(town: Town) -> None:
    assert await town.ask("ann", "bob", "我是安") == PENDING
    assert await town.states("ann") == {"bob": (False, PENDING)}
    assert await town.states("bob") == {"ann": (True, PENDING)}
    [asked] = (await town.rules.requests("bob", None, 10))[0]
    assert asked.greeting == "我是安"
    contact, id, version = await town.rules.accept("bob", "ann")
    assert (contact.friend, version) == (True, 3)
    assert (await town.friends("ann"), await town.friends("bob")) == (["bob"], ["ann"])
    assert (await town.chat.open_direct("ann", "bob")).head.conversation_id == id
    page, _ = await town.chat.history("ann", id, 0, None, 10)
    assert [wire.to_message(it).event.WhichOneof("what") for it in page] == ["friends"]
    # Both had every change, under versions without holes.
    for user in ("ann", "bob"):
        changes = town.changes_of(user)
        assert [it.version for it in changes] == [1, 2, 3]
        assert changes[-1].contact.friend or changes[-2].contact.friend
    again = await town.rules.accept("bob", "ann")
    assert again[1] == id
    assert await town.ask("ann", "bob") == ACCEPTED


async def test_who_asks_whom_asked_already_is_a_friend_at_once(town: Town) -> None:
    await town.ask("ann", "bob")
    assert await town.ask("bob", "ann") == ACCEPTED
    assert await town.friends("ann") == ["bob"]
    await town.befriend("carl", "dora")
    outcomes = await asyncio.gather(town.ask("eve", "fred"), town.ask("fred", "eve"))
    assert sorted(outcomes) == [PENDING, ACCEPTED]
    assert await town.friends("eve") == ["fred"]


async def test_declined_withdrawn_expired(town: Town) -> None:
    await town.ask("ann", "bob")
    await town.rules.decline("bob", "ann")
    assert await town.states("bob") == {"ann": (True, DECLINED)}
    # The sender is not told, and asking again reaches nobody for a day.
    assert await town.states("ann") == {"bob": (False, PENDING)}
    assert await town.ask("ann", "bob", "please") == PENDING
    assert await town.states("bob") == {"ann": (True, DECLINED)}
    town.now += DAY + 1
    await town.ask("ann", "bob", "please")
    assert await town.states("bob") == {"ann": (True, PENDING)}
    await town.rules.withdraw("ann", "bob")
    for call in (town.rules.accept("bob", "ann"), town.rules.decline("bob", "ann")):
        with pytest.raises(NotFound):
            await call
    await town.ask("ann", "bob")
    town.now += 7 * DAY
    assert await town.states("bob") == {"ann": (True, EXPIRED)}
    with pytest.raises(NotFound):
        await town.rules.accept("bob", "ann")
    with pytest.raises(NotFound):
        await town.rules.accept("ann", "bob")


async def test_deleting_is_one_sided_and_the_other_sees_it_when_they_write(town: Town) -> None:
    id = await town.befriend("ann", "bob")
    await town.rules.update(
        "ann", "bob", {"remark": "波波", "tags": ("同事", "饭友"), "starred": True}
    )
    before = await town.rules.contact("ann", "bob")
    assert (before.remark, before.tags, before.starred) == ("波波", ("同事", "饭友"), True)
    await town.rules.delete("ann", "bob")
    assert (await town.friends("ann"), await town.friends("bob")) == ([], ["ann"])
    refused = await town.say(id, "bob")
    assert isinstance(refused, Denied)
    assert refused.reason == "NOT_FRIENDS"
    assert isinstance(await town.say(id, "ann"), Message)
    with pytest.raises(NotFound):
        await town.rules.delete("ann", "bob")
    # Who was deleted is asked again: the other still has them, so they are friends at once.
    assert await town.ask("ann", "bob") == ACCEPTED
    assert isinstance(await town.say(id, "bob"), Message)
    assert (await town.rules.contact("ann", "bob")).remark == ""


async def test_who_is_blocked_cannot_write_and_is_not_told(town: Town) -> None:
    id = await town.befriend("ann", "bob")
    contact, _ = await town.rules.block("ann", "bob", blocked=True)
    assert (contact.friend, contact.blocked) == (True, True)
    refused = await town.say(id, "bob")
    assert isinstance(refused, Denied)
    assert refused.reason == "BLOCKED"
    await town.rules.block("ann", "bob", blocked=False)
    assert isinstance(await town.say(id, "bob"), Message)
    # A stranger who is blocked asks in vain, with the same answer.
    await town.rules.block("ann", "mallory", blocked=True)
    assert await town.ask("mallory", "ann") == PENDING
    assert await town.states("ann") == {"bob": (False, ACCEPTED)}
    with pytest.raises(Denied) as closed:
        await town.chat.open_direct("mallory", "ann")
    assert closed.value.reason == "NOT_FRIENDS"
    with pytest.raises(Precondition):
        await town.ask("ann", "mallory")
    with pytest.raises(NotFound):
        await town.rules.block("ann", "nobody", blocked=True)


async def test_a_deleted_friend_who_is_unblocked_is_still_no_friend(town: Town) -> None:
    id = await town.befriend("ann", "bob")
    await town.rules.block("ann", "bob", blocked=True)
    await town.rules.delete("ann", "bob")
    await town.rules.block("ann", "bob", blocked=False)
    refused = await town.say(id, "bob")
    assert isinstance(refused, Denied)
    assert refused.reason == "NOT_FRIENDS"
    assert (await town.rules.contacts("ann", "", 10))[0] == []


async def test_strangers_land_in_the_box_or_are_refused(town: Town) -> None:
    opened = await town.chat.open_direct("ann", "bob")
    id = opened.head.conversation_id
    assert not opened.request
    assert isinstance(await town.say(id, "ann", "我们认识吗"), Message)
    assert (await town.chat.conversation("bob", id)).request
    assert isinstance(await town.say(id, "bob", "认识"), Message)
    assert not (await town.chat.conversation("bob", id)).request
    town.policies["carl"] = Policy(
        frozenset((1,)), refuses_strangers=True, hides_read_receipts=False
    )
    with pytest.raises(Denied) as refused:
        await town.chat.open_direct("ann", "carl")
    assert refused.value.reason == "NOT_FRIENDS"
    with pytest.raises(NotFound):
        await town.chat.open_direct("ann", "nobody")
    id = await town.befriend("ann", "carl")
    assert isinstance(await town.say(id, "ann"), Message)


async def test_how_one_may_come_near(town: Town) -> None:
    town.policies["bob"] = Policy(frozenset((2, 3, 4)), False, False)
    with pytest.raises(Denied) as refused:
        await town.ask("ann", "bob")
    assert refused.value.reason == "NOT_ADDABLE"
    # A group or a card that is not there counts as a search.
    for source in (IN_GROUP, BY_CARD):
        with pytest.raises(Denied):
            await town.ask("ann", "bob", source=source, conversation_id="made up", seq=1)
    code = await town.rules.create_code("bob", 0)
    assert await town.rules.resolve(code.code) == "bob"
    assert await town.ask("ann", "", code=code.code) == PENDING
    await town.befriend("carl", "dora")
    card = await town.pod.send(
        (await town.chat.open_direct("carl", "dora")).head.conversation_id,
        "card",
        sender="carl",
        detail=Rich("名片", 0, (), everybody=False, card_user_id="bob"),
    )
    assert isinstance(card, Message)
    how = {"source": BY_CARD, "conversation_id": card.conversation_id, "seq": card.seq}
    assert await town.ask("dora", "bob", **how) == PENDING
    with pytest.raises(Denied):
        await town.ask("eve", "bob", **how)


async def test_codes_expire_and_are_revoked(town: Town) -> None:
    first = await town.rules.create_code("bob", 60)
    second = await town.rules.create_code("bob", 0)
    listed = await town.rules.codes("bob")
    assert {it.id for it in listed} == {first.id, second.id}
    assert all(it.code == "" for it in listed)
    with pytest.raises(NotFound) as others:
        await town.rules.revoke_code("ann", second.id)
    await town.rules.revoke_code("bob", second.id)
    town.now += 61 * MICROS
    messages = {others.value.message}
    for code in (first.code, second.code, "made up"):
        with pytest.raises(NotFound) as gone:
            await town.rules.resolve(code)
        messages.add(gone.value.message)
    assert len(messages) == 1


async def test_one_is_no_contact_of_oneself_and_nobody_is_none(town: Town) -> None:
    with pytest.raises(Invalid):
        await town.ask("ann", "ann")
    with pytest.raises(Invalid):
        await town.rules.block("ann", "ann", blocked=True)
    with pytest.raises(Invalid):
        await town.ask("ann", "")
    with pytest.raises(NotFound):
        await town.ask("ann", "nobody")
    with pytest.raises(NotFound):
        await town.rules.update("ann", "bob", {"starred": True})


async def test_lists_come_in_pages(town: Town) -> None:
    for number in range(5):
        town.now += 1
        await town.befriend("ann", f"friend{number}")
    page, more = await town.rules.contacts("ann", "", 3)
    rest, end = await town.rules.contacts("ann", page[-1].other_id, 3)
    assert [it.other_id for it in (*page, *rest)] == [f"friend{n}" for n in range(5)]
    assert (more, end) == (True, False)
    asked, more = await town.rules.requests("ann", None, 2)
    last = asked[-1]
    rest, end = await town.rules.requests("ann", (last.created_at, last.other_id), 10)
    assert [it.other_id for it in (*asked, *rest)] == [f"friend{n}" for n in (4, 3, 2, 1, 0)]
    assert (more, end) == (True, False)


async def test_both_at_once_end_the_same_for_both(town: Town) -> None:
    """Two people ask, accept, delete and block each other at the same time."""
    await town.befriend("ann", "bob")
    for _ in range(10):
        await asyncio.gather(
            town.rules.delete("ann", "bob"),
            town.rules.delete("bob", "ann"),
            return_exceptions=True,
        )
        assert (await town.friends("ann"), await town.friends("bob")) == ([], [])
        await asyncio.gather(town.ask("ann", "bob"), town.ask("bob", "ann"))
        assert (await town.friends("ann"), await town.friends("bob")) == (["bob"], ["ann"])
    for user in ("ann", "bob"):
        versions = [it.version for it in town.changes_of(user)]
        assert versions == list(range(1, len(versions) + 1))


async def test_who_is_blocked_cannot_accept_what_was_asked_before(town: Town) -> None:
    await town.ask("ann", "bob")
    await town.rules.block("ann", "bob", blocked=True)
    with pytest.raises(NotFound):
        await town.rules.accept("bob", "ann")
    assert await town.friends("ann") == []


async def test_who_has_blocked_somebody_opens_no_conversation_with_them(town: Town) -> None:
    await town.rules.block("ann", "bob", blocked=True)
    with pytest.raises(Precondition) as refused:
        await town.chat.open_direct("ann", "bob")
    assert refused.value.reason == "BLOCKED_BY_CALLER"


async def test_a_late_decline_holds_the_sender_off_for_a_day_too(town: Town) -> None:
    await town.ask("ann", "bob")
    town.now += 2 * DAY
    await town.rules.decline("bob", "ann")
    await town.ask("ann", "bob", "again")
    assert await town.states("bob") == {"ann": (True, DECLINED)}


async def test_a_user_has_so_many_codes(town: Town) -> None:
    for _ in range(20):
        await town.rules.create_code("bob", 60)
    with pytest.raises(Exhausted):
        await town.rules.create_code("bob", 60)


async def test_of_accepting_and_withdrawing_at_once_one_wins_for_both(town: Town) -> None:
    for number in range(10):
        ann, bob = f"ann{number}", f"bob{number}"
        await town.ask(ann, bob)
        outcomes = await asyncio.gather(
            town.rules.accept(bob, ann), town.rules.withdraw(ann, bob), return_exceptions=True
        )
        won = [not isinstance(it, BaseException) for it in outcomes]
        assert sum(won) == 1, outcomes
        assert (await town.friends(ann) == [bob]) == won[0] == (await town.friends(bob) == [ann])


async def test_who_adds_a_bot_has_it_as_a_friend_at_once(town: Town) -> None:
    town.policies["bot"] = BOT
    assert await town.ask("bob", "bot") == ACCEPTED
    assert (await town.friends("bob"), await town.friends("bot")) == (["bot"], ["bob"])


async def test_only_whose_bot_it_is_adds_one_that_is_not_public(town: Town) -> None:
    town.policies["bot"] = replace(BOT, sources=frozenset())
    with pytest.raises(Denied) as refused:
        await town.ask("bob", "bot")
    assert refused.value.reason == "NOT_ADDABLE"
    assert await town.ask("ann", "bot") == ACCEPTED


async def test_a_bot_may_have_any_number_of_contacts_and_a_person_may_not(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "CONTACTS", 1)
    town.policies |= {"bot": BOT, "botany": BOT}
    for person in ("ann", "bob"):
        assert await town.ask(person, "bot") == ACCEPTED
    with pytest.raises(Exhausted) as refused:
        await town.ask("ann", "botany")
    assert refused.value.reason == "TOO_MANY_CONTACTS"


async def test_a_bot_that_was_deleted_writes_no_more(town: Town) -> None:
    town.policies["bot"] = BOT
    await town.ask("ann", "bot")
    id = (await town.chat.open_direct("ann", "bot")).head.conversation_id
    assert isinstance(await town.say(id, "bot"), Message)
    await town.rules.delete("ann", "bot")
    refused = await town.say(id, "bot", "hello?")
    assert isinstance(refused, Denied)
    assert refused.reason == "NOT_FRIENDS"


async def test_a_conversation_that_is_opened_while_one_blocks_is_closed_to_the_blocked(
    town: Town,
) -> None:
    for number in range(10):
        ann, bob = f"ann{number}", f"bob{number}"
        results = await asyncio.gather(
            town.chat.open_direct(bob, ann),
            town.rules.block(ann, bob, True),
            return_exceptions=True,
        )
        if isinstance(results[0], Exception):
            assert isinstance(results[0], Denied)
            continue
        refused = await town.say(results[0].head.conversation_id, bob)
        assert isinstance(refused, Denied)
        assert refused.reason == "BLOCKED"


async def test_who_was_blocked_between_the_look_and_the_opening_may_not_write(
    town: Town,
) -> None:
    await town.rules.block("ann", "bob", True)
    # As if the look had been before the block.
    id = await town.chat._add_direct("ann:bob", ("bob", "ann"), ("ann",))
    refused = await town.say(id, "bob")
    assert isinstance(refused, Denied)
    assert refused.reason == "BLOCKED"


async def test_a_first_version_that_another_call_makes_too_is_no_conversation(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = iter([True])
    lock = Store.lock_version

    async def once_taken(self: Store, user_id: str) -> int:
        if next(taken, False):
            raise Duplicate("DUPLICATE", "it is there already")
        return await lock(self, user_id)

    monkeypatch.setattr(Store, "lock_version", once_taken)
    opened = await town.chat.open_direct("bob", "ann")
    assert isinstance(await town.say(opened.head.conversation_id, "bob"), Message)
