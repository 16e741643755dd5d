"""What one may do with groups: make them, change them, and come in by an invite."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from services.chat.changes import GroupAct
from services.chat.committer import Send
from services.chat.group_changes import (
    Admit,
    Announce,
    Begin,
    Change,
    Dissolve,
    GroupChanges,
    Nickname,
    Remove,
    SetRole,
    Silence,
    Transfer,
    Unchanged,
)
from services.chat.guard import role_too_low
from services.chat.model import GroupRules, Message, Post
from services.chat.permissions import Act, may
from services.chat.rules import ATTEMPTS, not_a_member
from services.chat.user_changes import Notes, UserChanges
from services.common.database import Duplicate, LostRace
from services.common.errors import (
    AppError,
    Denied,
    Exhausted,
    NotFound,
    Precondition,
    Unavailable,
)

MICROS = 1_000_000
INVITE_SECONDS = 7 * 86_400
INVITES = 50
WAITING = 200
# How many of those who let others in are told who waits.
LEADERS = 100
# The first entry of a group has this id, by which a retry finds it.
FIRST = "group-created"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plan:
    """A group that a user wants to make, under an id of theirs."""

    creator_id: str
    client_group_id: str
    name: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Invite:
    """A way into a group; `uses_left` is ANY for any number."""

    id: str
    conversation_id: str
    inviter_id: str
    created_at: int
    expires_at: int
    uses_left: int
    code: str = ""


ANY = -1


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody who waits to be let in."""

    user_id: str
    inviter_id: str
    by_invite: bool
    greeting: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Door:
    """What an invite leads to."""

    invite: Invite
    rules: GroupRules
    member_count: int
    member: bool
    waiting: bool


class Groups(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def find_group(self, creator_id: str, client_group_id: str) -> str | None: ...
    async def add_group(
        self, conversation_id: str, plan: Plan, rules: GroupRules, now: int
    ) -> None: ...
    async def rules(self, ids: Sequence[str]) -> dict[str, GroupRules]: ...
    async def own_posts(self, user_id: str, ids: Sequence[str]) -> dict[str, Post]: ...
    async def posts(
        self, conversation_id: str, after: tuple[int, int, str] | None, limit: int
    ) -> list[Post]: ...
    async def list_version(self, conversation_id: str) -> tuple[int, int]: ...
    async def friends(self, user_id: str, others: Collection[str]) -> set[str]: ...
    async def add_invite(self, invite: Invite, code_hash: str) -> None: ...
    async def invites(self, conversation_id: str, now: int) -> list[Invite]: ...
    async def find_invite(self, code_hash: str) -> Invite | None: ...
    async def use_invite(self, invite_id: str) -> bool: ...
    async def return_invite(self, invite_id: str) -> None: ...
    async def drop_invite(self, invite_id: str) -> None: ...
    async def join_requests(self, conversation_id: str) -> list[Waiting]: ...
    async def add_join_requests(self, conversation_id: str, them: Sequence[Waiting]) -> None: ...
    async def drop_join_requests(self, conversation_id: str, user_ids: Collection[str]) -> None: ...


class GroupFormat(Protocol):
    """How changes look when they are stored and sent."""

    def waiting_change(self, version: int, conversation_id: str, count: int) -> bytes: ...


Open = Callable[[], AbstractAsyncContextManager[Groups]]
Append = Callable[[Send], Awaitable[Message]]


class GroupService:
    """The rules of groups. `append` commits an act and returns its entry, or raises.

    `user_changes` takes to those who let others in how many wait.
    """

    def __init__(
        self,
        begin: Open,
        read: Open,
        append: Append,
        changes: GroupChanges,
        *,
        user_changes: UserChanges,
        format: GroupFormat,
        new_id: Callable[[], str],
        now: Callable[[], int],
    ) -> None:
        self._begin = begin
        self._read = read
        self._append = append
        self._changes = changes
        self._user_changes = user_changes
        self._format = format
        self._new_id = new_id
        self._now = now

    # A group and its members

    async def create(self, plan: Plan) -> str:
        """Makes a group of the creator and friends; returns its id, in a retry the same."""
        rules = GroupRules(name=plan.name)
        others = tuple(dict.fromkeys(user for user in plan.others if user != plan.creator_id))
        if 1 + len(others) > self._changes.most(rules):
            raise _full(self._changes.most(rules))
        async with self._read() as store:
            conversation_id = await store.find_group(plan.creator_id, plan.client_group_id)
            friends = await store.friends(plan.creator_id, others)
        if conversation_id is None:
            _only(friends, others)
            conversation_id = await self._add(
                Plan(plan.creator_id, plan.client_group_id, plan.name, others), rules
            )
        await self._append(_send(conversation_id, plan.creator_id, Begin(), FIRST))
        return conversation_id

    async def _add(self, plan: Plan, rules: GroupRules) -> str:
        for _ in range(ATTEMPTS):
            conversation_id = self._new_id()
            try:
                async with self._begin() as store:
                    await store.add_group(conversation_id, plan, rules, self._now())
            except Duplicate:  # the same call, twice at once
                async with self._read() as store:
                    found = await store.find_group(plan.creator_id, plan.client_group_id)
                assert found is not None
                return found
            except LostRace:
                continue
            return conversation_id
        raise Unavailable("DATABASE_BUSY", "the group is too busy", retry_seconds=0.5)

    async def members(
        self,
        user_id: str,
        conversation_id: str,
        after: tuple[int, int, str] | None,
        limit: int,
    ) -> tuple[list[Post], bool, int]:
        """Returns a page of members, whether there are more, and the version of the list."""
        async with self._read() as store:
            await self._post(store, user_id, conversation_id, Act.LIST)
            _, version = await store.list_version(conversation_id)
            page = await store.posts(conversation_id, after, limit + 1)
        return page[:limit], len(page) > limit, version

    async def invite_friends(
        self, user_id: str, conversation_id: str, user_ids: Sequence[str], greeting: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Lets friends of a member in, or lets them wait; returns (who came, who waits)."""
        wanted = tuple(dict.fromkeys(user_ids))
        async with self._read() as store:
            post, rules = await self._post(store, user_id, conversation_id, Act.INVITE)
            _only(await store.friends(user_id, wanted), wanted)
        if rules.approval and not may(Act.APPROVE, post.role, rules):
            await self._wait(
                conversation_id,
                [Waiting(it, user_id, False, greeting, self._now()) for it in wanted],
            )
            return (), wanted
        await self._act(user_id, conversation_id, Admit(wanted, user_id))
        return wanted, ()

    async def change(self, user_id: str, conversation_id: str, values: Mapping[str, Any]) -> None:
        """Changes fields of GroupRules."""
        await self._act(user_id, conversation_id, Change(values))

    async def remove(self, user_id: str, conversation_id: str, other_id: str) -> None:
        """Removes a member; a user who removes themself leaves."""
        await self._act(user_id, conversation_id, Remove(other_id))

    async def set_role(self, user_id: str, conversation_id: str, other_id: str, role: int) -> None:
        """Makes a member an admin, or an admin a member."""
        await self._act(user_id, conversation_id, SetRole(other_id, role))

    async def transfer(self, user_id: str, conversation_id: str, other_id: str) -> None:
        """Makes another member the owner."""
        await self._act(user_id, conversation_id, Transfer(other_id))

    async def dissolve(self, user_id: str, conversation_id: str) -> None:
        """Ends a group."""
        await self._act(user_id, conversation_id, Dissolve())

    async def silence(self, user_id: str, conversation_id: str, other_id: str, until: int) -> None:
        """Forbids a member to write until a moment in microseconds; 0 allows it."""
        await self._act(user_id, conversation_id, Silence(other_id, until))

    async def set_nickname(self, user_id: str, conversation_id: str, nickname: str) -> None:
        """Sets a member's own name in a group."""
        await self._act(user_id, conversation_id, Nickname(nickname))

    async def announce(self, user_id: str, conversation_id: str, text: str) -> int:
        """Announces; returns the seq of the entry."""
        return (await self._append(_send(conversation_id, user_id, Announce(text)))).seq

    async def _act(self, user_id: str, conversation_id: str, act: GroupAct) -> None:
        with suppress(Unchanged):
            await self._append(_send(conversation_id, user_id, act))

    # Invites

    async def create_invite(
        self, user_id: str, conversation_id: str, seconds: int, uses: int
    ) -> Invite:
        """Makes an invite; 0 seconds is a week, 0 uses any number. Its code is shown once."""
        now = self._now()
        invite = Invite(
            self._new_id(),
            conversation_id,
            user_id,
            now,
            now + (seconds or INVITE_SECONDS) * MICROS,
            uses or ANY,
            secrets.token_urlsafe(16),
        )
        async with self._begin() as store:
            await self._post(store, user_id, conversation_id, Act.INVITE)
            if len(await store.invites(conversation_id, now)) >= INVITES:
                raise Exhausted("TOO_MANY_INVITES", f"a group has at most {INVITES} invites")
            await store.add_invite(invite, code_hash(invite.code))
        return invite

    async def invites(self, user_id: str, conversation_id: str) -> list[Invite]:
        """Returns the invites that work: all to who may see them, else the user's own."""
        async with self._read() as store:
            post, rules = await self._post(store, user_id, conversation_id, Act.LIST)
            found = await store.invites(conversation_id, self._now())
        if may(Act.INVITES, post.role, rules):
            return found
        return [invite for invite in found if invite.inviter_id == user_id]

    async def revoke_invite(self, user_id: str, conversation_id: str, invite_id: str) -> None:
        """Makes an invite work no more."""
        for invite in await self.invites(user_id, conversation_id):
            if invite.id == invite_id:
                async with self._begin() as store:
                    await store.drop_invite(invite_id)
                return
        raise NotFound("INVITE_NOT_FOUND", "there is no such invite")

    async def door(self, user_id: str, code: str) -> Door:
        """Says where an invite leads."""
        async with self._read() as store:
            return await self._door(store, user_id, code)

    async def _door(self, store: Groups, user_id: str, code: str) -> Door:
        """Looks behind a code; a wrong, an expired and a used one have the same answer."""
        invite = await store.find_invite(code_hash(code))
        if invite is None or invite.expires_at <= self._now():
            raise _no_invite()
        id = invite.conversation_id
        rules = (await store.rules([id]))[id]
        inviter = (await store.own_posts(invite.inviter_id, [id])).get(id)
        if inviter is None or not may(Act.INVITE, inviter.role, rules):
            raise _no_invite()
        member = bool(await store.own_posts(user_id, [id]))
        waiting = any(it.user_id == user_id for it in await store.join_requests(id))
        if invite.uses_left == 0 and not member and not waiting:
            raise _no_invite()
        count, _ = await store.list_version(id)
        return Door(invite, rules, count, member, waiting)

    async def join(self, user_id: str, code: str, greeting: str) -> tuple[bool, str]:
        """Comes in by an invite; returns whether the user is a member now, and of what."""
        async with self._begin() as store:
            door = await self._door(store, user_id, code)
            id = door.invite.conversation_id
            if door.member:
                return True, id
            if door.waiting and door.rules.approval:
                return False, id
            if not door.waiting and not await store.use_invite(door.invite.id):
                raise _no_invite()
        inviter = door.invite.inviter_id
        if door.rules.approval:
            await self._wait(id, [Waiting(user_id, inviter, True, greeting, self._now())])
            return False, id
        try:
            await self._append(_send(id, user_id, Admit((user_id,), inviter, by_invite=True)))
        except AppError as error:
            if not door.waiting:
                async with self._begin() as store:
                    await store.return_invite(door.invite.id)
            if not isinstance(error, Unchanged):  # else another call of theirs was quicker
                raise
        return True, id

    # Who waits

    async def _wait(self, conversation_id: str, them: Sequence[Waiting]) -> None:
        for _ in range(ATTEMPTS):
            try:
                await self._put_waiting(conversation_id, them)
            except (Duplicate, LostRace):  # the same user twice at once: both wait once
                continue
            await self._tell_waiting(conversation_id)
            return
        raise Unavailable("DATABASE_BUSY", "the group is too busy", retry_seconds=0.5)

    async def _put_waiting(self, conversation_id: str, them: Sequence[Waiting]) -> None:
        async with self._begin() as store:
            waiting = await store.join_requests(conversation_id)
            if len(waiting) + len(them) > WAITING:
                raise Exhausted("TOO_MANY_WAIT", f"at most {WAITING} wait", retry_seconds=3600)
            posts = [it for it in them if not await store.own_posts(it.user_id, [conversation_id])]
            await store.drop_join_requests(conversation_id, [it.user_id for it in posts])
            await store.add_join_requests(conversation_id, posts)

    async def _tell_waiting(self, conversation_id: str) -> None:
        """Tells those who let others in how many wait; who misses it sees it with the group."""
        async with self._read() as store:
            rules = (await store.rules([conversation_id])).get(conversation_id)
            posts = await store.posts(conversation_id, None, LEADERS)
        leaders = [it.user_id for it in posts if rules and may(Act.APPROVE, it.role, rules)]

        async def work(store: Groups, notes: Notes) -> None:
            count = len(await store.join_requests(conversation_id))
            for user_id in leaders:
                notes.add(
                    user_id,
                    lambda version: self._format.waiting_change(version, conversation_id, count),
                )

        try:
            await self._user_changes.run(leaders, work)
        except AppError as error:  # who waits, waits all the same
            log.warning("group.waiting_not_told", reason=error.reason)

    async def join_requests(self, user_id: str, conversation_id: str) -> list[Waiting]:
        """Returns who waits to be let in."""
        async with self._read() as store:
            await self._post(store, user_id, conversation_id, Act.APPROVE)
            return await store.join_requests(conversation_id)

    async def answer(
        self, user_id: str, conversation_id: str, other_id: str, approve: bool
    ) -> None:
        """Lets somebody in who waits, or not."""
        waiting = {it.user_id: it for it in await self.join_requests(user_id, conversation_id)}
        if other_id not in waiting:
            raise NotFound("JOIN_REQUEST_NOT_FOUND", "the user does not wait to be let in")
        one = waiting[other_id]
        async with self._read() as store:
            friends = await store.friends(one.inviter_id, [other_id])
        # Who was invited by a friend did not ask, and may have ended the friendship since.
        willing = one.by_invite or other_id in friends
        if approve and willing:
            await self._act(user_id, conversation_id, Admit((other_id,), one.inviter_id))
        async with self._begin() as store:
            await store.drop_join_requests(conversation_id, [other_id])
        await self._tell_waiting(conversation_id)
        if approve and not willing:
            _only(friends, [other_id])

    async def _post(
        self, store: Groups, user_id: str, conversation_id: str, act: Act
    ) -> tuple[Post, GroupRules]:
        """Returns what a member is and the group's rules; raises Denied if they may not act."""
        post = (await store.own_posts(user_id, [conversation_id])).get(conversation_id)
        if post is None:
            raise not_a_member()
        rules = (await store.rules([conversation_id])).get(conversation_id)
        if rules is None:
            raise Precondition("NOT_A_GROUP", "the conversation is not a group")
        if not may(act, post.role, rules):
            raise role_too_low()
        return post, rules


def code_hash(code: str) -> str:
    """Returns what is kept of a code."""
    return hashlib.sha256(code.encode()).hexdigest()


def _send(conversation_id: str, user_id: str, act: GroupAct, client_message_id: str = "") -> Send:
    id = client_message_id or f"act-{secrets.token_hex(12)}"
    return Send(conversation_id, user_id, id, type(act).__name__.encode(), act)


def _only(friends: Collection[str], wanted: Collection[str]) -> None:
    if strangers := [user for user in wanted if user not in friends]:
        raise Denied(
            "NOT_FRIENDS",
            "only users who have the caller among their friends can be brought into a group",
            fields={"user_ids": ", ".join(strangers)},
        )


def _no_invite() -> AppError:
    return NotFound("INVITE_NOT_FOUND", "the invite does not work, or no more")


def _full(most: int) -> AppError:
    return Exhausted("GROUP_FULL", f"a group has at most {most} members")
