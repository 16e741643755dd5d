"""The SQL of groups: what they are set to, who is a member, and the ways into them."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from services.chat.groups import Invite, Plan, Waiting
from services.chat.model import GROUP, MEMBER, OWNER, Group, GroupRules, Post
from services.chat.registration_store import note_registered
from services.chat.tables import chat_group, contact, conversation, join_request, member
from services.chat.tables import invite as invite_table
from services.common.connections import Connection

PICTURE = 9
# One statement of so many ids at most.
CHUNK = 500

_RULES = (
    chat_group.c.name,
    chat_group.c.may_invite,
    chat_group.c.may_edit,
    chat_group.c.may_announce,
    chat_group.c.approval,
    chat_group.c.muted,
    chat_group.c.large,
)
_INVITE = (
    invite_table.c.id,
    invite_table.c.conversation_id,
    invite_table.c.inviter_id,
    invite_table.c.created_at,
    invite_table.c.expires_at,
    invite_table.c.uses_left,
)
_POST = (
    member.c.user_id,
    member.c.role,
    member.c.nickname,
    member.c.silenced_until,
    member.c.joined_at,
)


class GroupStore:
    """What groups ask of an open transaction."""

    _connection: Connection

    # Groups

    async def find_group(self, creator_id: str, client_group_id: str) -> str | None:
        """Returns the group that a user made under an id of theirs."""
        return await self._connection.scalar(
            sa.select(chat_group.c.conversation_id).where(
                chat_group.c.creator_id == creator_id,
                chat_group.c.client_group_id == client_group_id,
            )
        )

    async def add_group(
        self, conversation_id: str, plan: Plan, rules: GroupRules, now: int
    ) -> None:
        """Adds a group; raises Duplicate when the creator has made one under this id."""
        creator_id, others = plan.creator_id, plan.others
        await self._connection.execute(
            sa.insert(conversation).values(
                id=conversation_id, kind=GROUP, last_seq=0, member_version=1, active_at=now
            )
        )
        await self._connection.execute(
            sa.insert(chat_group).values(
                conversation_id=conversation_id,
                creator_id=creator_id,
                client_group_id=plan.client_group_id,
                created_at=now,
                member_count=1 + len(others),
                **_columns(rules),
            )
        )
        await self._connection.execute(
            sa.insert(member),
            [
                {
                    "user_id": user_id,
                    "conversation_id": conversation_id,
                    "read_seq": 0,
                    "role": OWNER if user_id == creator_id else MEMBER,
                    "joined_at": now,
                }
                for user_id in (creator_id, *others)
            ],
        )
        await note_registered(self._connection, conversation_id, (creator_id, *others))

    async def rules(self, ids: Sequence[str]) -> dict[str, GroupRules]:
        """Returns what groups are set to; ids of other conversations are left out."""
        rows = await self._connection.execute(
            sa.select(chat_group.c.conversation_id, *_RULES).where(
                chat_group.c.conversation_id.in_(ids)
            )
        )
        return {row[0]: _to_rules(row[1:]) for row in rows}

    async def groups(self, ids: Sequence[str]) -> dict[str, Group]:
        """Returns groups as their members see them; ids of other conversations are left out."""
        rows = await self._connection.execute(
            sa.select(
                chat_group.c.conversation_id,
                chat_group.c.member_count,
                chat_group.c.announcement,
                chat_group.c.announcement_seq,
                chat_group.c.dissolved,
                conversation.c.member_version,
                sa.select(sa.func.count())
                .where(join_request.c.conversation_id == chat_group.c.conversation_id)
                .scalar_subquery(),
                *_RULES,
            )
            .join(conversation, conversation.c.id == chat_group.c.conversation_id)
            .where(chat_group.c.conversation_id.in_(ids))
        )
        found = {}
        for id, count, announcement, announcement_seq, dissolved, version, waiting, *rules in rows:
            picture = tuple(it.user_id for it in await self.posts(id, None, PICTURE))
            found[id] = Group(
                _to_rules(rules),
                count,
                version,
                bytes(announcement or b"").decode(),
                announcement_seq,
                bool(dissolved),
                picture,
                waiting,
            )
        return found

    async def posts(
        self, conversation_id: str, after: tuple[int, int, str] | None, limit: int
    ) -> list[Post]:
        """Returns members by (role, joined_at, user_id), the greatest role first."""
        statement = (
            sa.select(*_POST)
            .where(member.c.conversation_id == conversation_id, member.c.leave_seq == 0)
            .order_by(member.c.role.desc(), member.c.joined_at, member.c.user_id)
            .limit(limit)
        )
        if after:
            role, joined_at, user_id = after
            statement = statement.where(
                sa.or_(
                    member.c.role < role,
                    sa.and_(
                        member.c.role == role,
                        sa.or_(
                            member.c.joined_at > joined_at,
                            sa.and_(member.c.joined_at == joined_at, member.c.user_id > user_id),
                        ),
                    ),
                )
            )
        return [Post(*row) for row in await self._connection.execute(statement)]

    async def own_posts(self, user_id: str, ids: Sequence[str]) -> dict[str, Post]:
        """Returns what a user is in conversations, in those that the user has not left."""
        rows = await self._connection.execute(
            sa.select(member.c.conversation_id, *_POST).where(
                member.c.user_id == user_id,
                member.c.conversation_id.in_(ids),
                member.c.leave_seq == 0,
            )
        )
        return {row[0]: Post(*row[1:]) for row in rows}

    async def friends(self, user_id: str, others: Collection[str]) -> set[str]:
        """Returns which of some users have a user among their contacts and not blocked."""
        rows = await self._connection.scalars(
            sa.select(contact.c.user_id).where(
                contact.c.user_id.in_(sorted(others)),
                contact.c.other_id == user_id,
                contact.c.friend == 1,
                contact.c.blocked == 0,
            )
        )
        return set(rows)

    # Acts, with the conversation locked

    async def beginning(self, conversation_id: str) -> tuple[str, tuple[str, ...]]:
        """Returns a group's name, and its members besides who made it."""
        rows = await self._connection.execute(
            sa.select(chat_group.c.name, member.c.user_id)
            .join(member, member.c.conversation_id == chat_group.c.conversation_id)
            .where(chat_group.c.conversation_id == conversation_id)
            .order_by(member.c.role.desc(), member.c.user_id)
        )
        found = rows.all()
        return found[0][0], tuple(user_id for _, user_id in found[1:])

    async def admit(
        self, conversation_id: str, user_ids: Collection[str], seq: int, now: int
    ) -> None:
        """Makes users members from an entry on; they see nothing before it."""
        fresh = {
            "role": MEMBER,
            "nickname": "",
            "joined_at": now,
            "leave_seq": 0,
            "left_at": 0,
            "cleared_seq": seq - 1,
            "read_seq": seq - 1,
            "received_seq": seq - 1,
            "moved_at": now,
            "removed": 0,
        }
        known = set(
            await self._connection.scalars(
                sa.select(member.c.user_id).where(
                    member.c.conversation_id == conversation_id,
                    member.c.user_id.in_(sorted(user_ids)),
                )
            )
        )
        if known:
            await self._connection.execute(
                sa.update(member)
                .where(
                    member.c.conversation_id == conversation_id, member.c.user_id.in_(sorted(known))
                )
                .values(**fresh)
            )
        if new := [user_id for user_id in user_ids if user_id not in known]:
            await self._connection.execute(
                sa.insert(member),
                [
                    {"user_id": user_id, "conversation_id": conversation_id, **fresh}
                    for user_id in new
                ],
            )
        await note_registered(self._connection, conversation_id, user_ids)

    async def dismiss(
        self, conversation_id: str, user_ids: Collection[str], seq: int, now: int
    ) -> None:
        """Lets users be members no more; an entry is the last that they see.

        Who is silenced still is when they come back.
        """
        everybody = sorted(user_ids)
        for start in range(0, len(everybody), CHUNK):
            await self._connection.execute(
                sa.update(member)
                .where(
                    member.c.conversation_id == conversation_id,
                    member.c.user_id.in_(everybody[start : start + CHUNK]),
                )
                .values(leave_seq=seq, left_at=now, role=0, nickname="")
            )

    async def set_role(self, conversation_id: str, user_id: str, role: int) -> None:
        """Sets a member's role."""
        await self._set_member(conversation_id, user_id, role=role)

    async def silence(self, conversation_id: str, user_id: str, until: int) -> None:
        """Sets until when a member may not write."""
        await self._set_member(conversation_id, user_id, silenced_until=until)

    async def nickname(self, conversation_id: str, user_id: str) -> str:
        """Returns a member's own name in a group."""
        return (
            await self._connection.scalar(
                sa.select(member.c.nickname).where(
                    member.c.user_id == user_id, member.c.conversation_id == conversation_id
                )
            )
            or ""
        )

    async def set_nickname(self, conversation_id: str, user_id: str, nickname: str) -> None:
        """Sets a member's own name in a group."""
        await self._set_member(conversation_id, user_id, nickname=nickname)

    async def _set_member(self, conversation_id: str, user_id: str, **values: int | str) -> None:
        await self._connection.execute(
            sa.update(member)
            .where(member.c.user_id == user_id, member.c.conversation_id == conversation_id)
            .values(**values)
        )

    async def set_rules(self, conversation_id: str, rules: GroupRules) -> None:
        """Sets what a group is set to."""
        await self._set_group(conversation_id, **_columns(rules))

    async def set_announcement(self, conversation_id: str, seq: int, text: str) -> None:
        """Sets what is announced."""
        await self._set_group(
            conversation_id, announcement_seq=seq, announcement=text.encode() or None
        )

    async def dissolve(self, conversation_id: str) -> None:
        """Notes that a group has ended."""
        await self._set_group(conversation_id, dissolved=1)
        await self._connection.execute(
            sa.delete(join_request).where(join_request.c.conversation_id == conversation_id)
        )

    async def members_changed(self, conversation_id: str) -> int:
        """Counts the members, and the version of their list up; returns how many they are."""
        count = await self._connection.scalar(
            sa.select(sa.func.count()).where(
                member.c.conversation_id == conversation_id, member.c.leave_seq == 0
            )
        )
        await self._set_group(conversation_id, member_count=count or 0)
        await self._connection.execute(
            sa.update(conversation)
            .where(conversation.c.id == conversation_id)
            .values(member_version=conversation.c.member_version + 1)
        )
        return count or 0

    async def _set_group(self, conversation_id: str, **values: int | str | bytes | None) -> None:
        await self._connection.execute(
            sa.update(chat_group)
            .where(chat_group.c.conversation_id == conversation_id)
            .values(**values)
        )

    async def list_version(self, conversation_id: str) -> tuple[int, int]:
        """Returns how many members a group has, and the version of their list."""
        rows = await self._connection.execute(
            sa.select(chat_group.c.member_count, conversation.c.member_version)
            .join(conversation, conversation.c.id == chat_group.c.conversation_id)
            .where(chat_group.c.conversation_id == conversation_id)
        )
        count, version = rows.one()
        return count, version

    # Ways in

    async def add_invite(self, invite: Invite, code_hash: str) -> None:
        """Adds an invite."""
        values = asdict(invite)
        del values["code"]
        await self._connection.execute(
            sa.insert(invite_table).values(code_hash=code_hash, **values)
        )

    async def invites(self, conversation_id: str, now: int) -> list[Invite]:
        """Returns a group's invites that work, the newest first."""
        rows = await self._connection.execute(
            sa.select(*_INVITE)
            .where(
                invite_table.c.conversation_id == conversation_id,
                invite_table.c.expires_at > now,
                invite_table.c.uses_left != 0,
            )
            .order_by(invite_table.c.created_at.desc(), invite_table.c.id)
        )
        return [Invite(*row) for row in rows]

    async def find_invite(self, code_hash: str) -> Invite | None:
        """Returns an invite by its code."""
        rows = await self._connection.execute(
            sa.select(*_INVITE).where(invite_table.c.code_hash == code_hash)
        )
        row = rows.first()
        return Invite(*row) if row else None

    async def use_invite(self, invite_id: str) -> bool:
        """Takes one of the uses that are left; says whether there was one."""
        taken = await self._connection.execute(
            sa.update(invite_table)
            .where(invite_table.c.id == invite_id, invite_table.c.uses_left != 0)
            .values(
                uses_left=sa.case(
                    (invite_table.c.uses_left > 0, invite_table.c.uses_left - 1),
                    else_=invite_table.c.uses_left,
                )
            )
        )
        left = await self._connection.scalar(
            sa.select(invite_table.c.id).where(invite_table.c.id == invite_id)
        )
        return left is not None and taken.rowcount != 0

    async def return_invite(self, invite_id: str) -> None:
        """Gives a use back that led nowhere."""
        await self._connection.execute(
            sa.update(invite_table)
            .where(invite_table.c.id == invite_id, invite_table.c.uses_left >= 0)
            .values(uses_left=invite_table.c.uses_left + 1)
        )

    async def drop_invite(self, invite_id: str) -> None:
        """Forgets an invite."""
        await self._connection.execute(
            sa.delete(invite_table).where(invite_table.c.id == invite_id)
        )

    async def join_requests(self, conversation_id: str) -> list[Waiting]:
        """Returns who waits to be let in, the oldest first."""
        rows = await self._connection.execute(
            sa.select(
                join_request.c.user_id,
                join_request.c.inviter_id,
                join_request.c.by_invite,
                join_request.c.greeting,
                join_request.c.created_at,
            )
            .where(join_request.c.conversation_id == conversation_id)
            .order_by(join_request.c.created_at, join_request.c.user_id)
        )
        return [
            Waiting(user_id, inviter_id, bool(by_invite), greeting, created_at)
            for user_id, inviter_id, by_invite, greeting, created_at in rows
        ]

    async def add_join_requests(self, conversation_id: str, them: Sequence[Waiting]) -> None:
        """Lets users wait."""
        if them:
            await self._connection.execute(
                sa.insert(join_request),
                [
                    {
                        **asdict(it),
                        "by_invite": int(it.by_invite),
                        "conversation_id": conversation_id,
                    }
                    for it in them
                ],
            )

    async def drop_join_requests(self, conversation_id: str, user_ids: Collection[str]) -> None:
        """Forgets who waits."""
        await self._connection.execute(
            sa.delete(join_request).where(
                join_request.c.conversation_id == conversation_id,
                join_request.c.user_id.in_(sorted(user_ids)),
            )
        )


def _to_rules(row: Sequence[Any]) -> GroupRules:
    name, invite, edit, announce, approval, muted, large = row
    return GroupRules(name, invite, edit, announce, bool(approval), bool(muted), bool(large))


def _columns(rules: GroupRules) -> dict[str, int | str]:
    return {
        "name": rules.name,
        "may_invite": rules.may_invite,
        "may_edit": rules.may_edit,
        "may_announce": rules.may_announce,
        "approval": int(rules.approval),
        "muted": int(rules.muted),
        "large": int(rules.large),
    }
