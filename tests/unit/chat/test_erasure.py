"""A deleted user is forgotten, and what they said to others is not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from services.chat import wire
from services.chat.contacts import Contact
from services.chat.erasure import Erasure
from services.chat.group_changes import GroupChanges
from services.chat.groups import GroupService, Plan
from services.chat.model import OWNER, Message
from services.chat.tables import metadata
from services.common.errors import AppError, Denied
from tests.unit.chat.test_contacts import Town
from tests.unit.chat.world import World, committing, tick

# What is said to others stays, and a place in their conversations.
KEPT = {"message", "member", "mention", "reaction", "conversation", "chat_group"}


@dataclass
class Life:
    """A town with groups, and what forgets its people."""

    town: Town
    groups: GroupService
    erasure: Erasure

    async def group(self, name: str, owner: str, *others: str) -> str:
        return await self.groups.create(Plan(owner, name, name, others))


@pytest.fixture
async def life(world: World) -> AsyncIterator[Life]:
    async with committing(world.begin) as pod:
        town = Town(world, pod)
        numbers = iter(range(1_000))
        groups = GroupService(
            world.begin,
            world.read,
            append=pod.append,
            changes=GroupChanges(50, 100),
            user_changes=town.changes,
            format=wire,
            new_id=lambda: f"g{next(numbers)}",
            now=tick,
        )
        yield Life(town, groups, Erasure(world.begin, town.changes, wire, pod.append))


async def rows_of(world: World, user: str) -> set[str]:
    """Returns the tables that name a user in any column."""
    found = set()
    async with world.database.read() as connection:
        for table in metadata.sorted_tables:
            texts = [it for it in table.c if isinstance(it.type, sa.String)]
            if texts and await connection.scalar(
                sa.select(sa.func.count())
                .select_from(table)
                .where(sa.or_(*(it == user for it in texts)))
            ):
                found.add(table.name)
    return found


async def test_all_that_was_theirs_is_gone_and_what_they_said_is_there(
    life: Life, world: World
) -> None:
    town = life.town
    direct = await town.befriend("ann", "bob")
    await town.befriend("ann", "carl")
    await town.ask("dora", "ann", "hello")
    await town.rules.create_code("ann", 0)
    said = await town.say(direct, "ann", "remember me")
    assert isinstance(said, Message)
    shared = await life.group("shared", "ann", "bob", "carl")
    alone = await life.group("alone", "ann")
    theirs = await life.group("theirs", "bob", "ann")
    await life.groups.create_invite("ann", theirs, 0, 0)
    await life.groups.set_role("ann", shared, "carl", 2)
    for _ in range(2):  # again: it was not known whether it was done
        await life.erasure.erase("ann")
    assert await rows_of(world, "ann") <= KEPT
    # The group has an owner: the admin.
    posts, _, _ = await life.groups.members("bob", shared, None, 10)
    assert [(it.user_id, it.role) for it in posts] == [("carl", OWNER), ("bob", 1)]
    posts, _, _ = await life.groups.members("bob", theirs, None, 10)
    assert [it.user_id for it in posts] == ["bob"]
    seen = await town.chat.conversation("ann", alone)
    assert seen.group is not None
    assert seen.group.dissolved
    # The others know that they have lost a friend, and cannot write there any more.
    assert await town.rules.contact("bob", "ann") == Contact("bob", "ann")
    [*_, gone] = [it.contact for it in town.changes_of("bob") if it.HasField("contact")]
    assert (gone.user_id, gone.friend) == ("ann", False)
    assert await town.states("dora") == {}
    assert town.changes_of("dora")[-1].contact_request.user_id == "ann"
    refused = await town.say(direct, "bob", "where are you?")
    assert isinstance(refused, Denied)
    assert refused.reason == "NOT_FRIENDS"
    page, _ = await town.chat.history("bob", direct, 0, None, 10)
    assert [it.body for it in page][-1] == b"remember me"


async def test_it_goes_on_where_it_died(life: Life, world: World) -> None:
    for name in ("one", "two"):
        await life.town.befriend("ann", f"friend-{name}")
        await life.group(name, f"friend-{name}", "ann")
    appends = 0

    async def dying(send: object) -> Message:
        nonlocal appends
        appends += 1
        if appends == 2:
            raise AppError("DIED", "in the middle")
        return await life.town.pod.append(send)  # type: ignore[arg-type]

    erasure = Erasure(world.begin, life.town.changes, wire, dying)
    with pytest.raises(AppError):
        await erasure.erase("ann")
    await erasure.erase("ann")
    assert await rows_of(world, "ann") <= KEPT


async def test_who_was_never_there_is_forgotten_too(life: Life, world: World) -> None:
    await life.erasure.erase("stranger")
    assert await rows_of(world, "stranger") == set()
