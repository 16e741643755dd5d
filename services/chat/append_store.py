"""The SQL of a commit: what appends entries, and what entries do to earlier ones."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
import uuid_utils

from services.chat import bodies
from services.chat.committer import Audience, Heads, Key, Locked, News, Row, Sent
from services.chat.group_store import GroupStore
from services.chat.model import EDIT, REMOVED, TEXTS, GroupRules, Guard, Message
from services.chat.notify import HOOK, PUSH, Job, news_row
from services.chat.outbox_store import add
from services.chat.registrations import TOLD_AT_ONCE, TOLD_LATER
from services.chat.search_store import unindex
from services.chat.tables import (
    MESSAGE,
    conversation,
    expiry,
    hidden,
    member,
    mention,
    message,
    pin,
    reaction,
)
from services.common.connections import Connection

# The statements of every commit, built once: building them costs as much as running them.
_AUDIENCES = sa.select(
    member.c.conversation_id,
    member.c.user_id,
    member.c.notify,
    member.c.role,
    member.c.silenced_until,
    member.c.barred,
    member.c.request,
).where(member.c.conversation_id.in_(sa.bindparam("ids", expanding=True)), member.c.leave_seq == 0)
_INSERT = sa.insert(message)
_EXPIRES = sa.insert(expiry)
_IN_LOG = sa.select(*MESSAGE).where(message.c.conversation_id == sa.bindparam("conversation_id"))


@lru_cache(maxsize=1024)
def _lock(count: int) -> sa.Select[Any]:
    """Locks so many conversations: parameters id0, id1, …"""
    return (
        sa.select(
            conversation.c.id,
            conversation.c.last_seq,
            conversation.c.member_version,
            conversation.c.shown_seq,
            conversation.c.disappear_seconds,
        )
        .where(conversation.c.id.in_([sa.bindparam(f"id{place}") for place in range(count)]))
        .order_by(conversation.c.id)
        .with_for_update()
    )


@lru_cache(maxsize=1024)
def _move_heads(count: int, *, shown: bool) -> sa.TextClause:
    """Sets the heads of so many conversations: parameters id0, last0, shown0, id1, …, and now.

    Those in which nothing was shown keep their place in lists.
    """
    ids = ", ".join(f":id{place}" for place in range(count))
    last = " ".join(f"WHEN :id{place} THEN :last{place}" for place in range(count))
    sets = f"last_seq = CASE id {last} END"
    if shown:
        cases = " ".join(f"WHEN :id{place} THEN :shown{place}" for place in range(count))
        sets += f", active_at = :now, shown_seq = CASE id {cases} END"
    return sa.text(f"UPDATE conversation SET {sets} WHERE id IN ({ids})")  # noqa: S608


def _audience(members: Sequence[Any], rules: GroupRules | None) -> Audience:
    """Reads rows of _AUDIENCES of one conversation."""
    users = tuple(it.user_id for it in members)
    later, at_once = (
        frozenset(it.user_id for it in members if it.notify == how)
        for how in (TOLD_LATER, TOLD_AT_ONCE)
    )
    if rules:
        roles = {it.user_id: it.role for it in members}
        silenced = {it.user_id: it.silenced_until for it in members if it.silenced_until}
        return Audience(users, later, at_once, Guard(rules, roles, silenced))
    barred = {it.user_id: it.barred for it in members if it.barred}
    asked = frozenset(it.user_id for it in members if it.request)
    guard = Guard(barred=barred, asked=asked) if barred or asked else None
    return Audience(users, later, at_once, guard)


class AppendStore(GroupStore):
    """What the committer and its changes ask of an open transaction."""

    _connection: Connection

    async def lock(self, ids: Sequence[str]) -> dict[str, Locked]:
        """Locks conversations in the order of their ids: two commits never wait in a ring."""
        values = {f"id{place}": id for place, id in enumerate(ids)}
        rows = await self._connection.fetch(_lock(len(ids)), values)
        return {row[0]: Locked(*row[1:]) for row in rows}

    async def audiences(self, ids: Sequence[str]) -> dict[str, Audience]:
        """Returns the users of each conversation, and whom of them to notify."""
        rows = await self._connection.execute(_AUDIENCES, {"ids": ids})
        found: dict[str, list[Any]] = {}
        for row in rows:
            found.setdefault(row.conversation_id, []).append(row)
        groups = [id for id, members in found.items() if any(it.role for it in members)]
        rules = await self.rules(groups) if groups else {}
        return {id: _audience(members, rules.get(id)) for id, members in found.items()}

    async def take_up(self, conversation_id: str, user_id: str) -> None:
        """Takes a direct conversation out of a member's box of requests."""
        await self._connection.execute(
            sa.update(member)
            .where(member.c.user_id == user_id, member.c.conversation_id == conversation_id)
            .values(request=0)
        )
        await self._connection.execute(
            sa.update(conversation)
            .where(conversation.c.id == conversation_id)
            .values(member_version=conversation.c.member_version + 1)
        )

    async def find_sent(self, keys: Collection[Key]) -> dict[Key, Sent]:
        """Returns what was stored before under the ids of a send."""
        rows = await self._connection.execute(
            sa.select(message.c.content_hash, *MESSAGE).where(
                sa.or_(
                    *(
                        sa.and_(
                            message.c.conversation_id == conversation_id,
                            message.c.sender_id == sender_id,
                            message.c.client_message_id == client_message_id,
                        )
                        for conversation_id, sender_id, client_message_id in keys
                    )
                )
            )
        )
        found = [Sent(Message(*row[1:]), bytes(row[0])) for row in rows]
        return {
            (it.message.conversation_id, it.message.sender_id, it.message.client_message_id): it
            for it in found
        }

    async def append(self, rows: Sequence[Row], heads: Mapping[str, Heads], now: int) -> None:
        """Adds entries and moves the heads of their conversations, which are locked."""
        # They leave with the commit, in one round trip.
        self._connection.write(
            _INSERT,
            [
                {
                    "conversation_id": row.message.conversation_id,
                    "seq": row.message.seq,
                    "sender_id": row.message.sender_id,
                    "client_message_id": row.message.client_message_id,
                    "content_hash": row.content_hash,
                    "kind": row.message.kind,
                    "body": row.message.body,
                    "created_at": row.message.created_at,
                    "expires_at": row.message.expires_at,
                }
                for row in rows
            ],
        )
        if expiring := [row.message for row in rows if row.message.expires_at]:
            self._connection.write(
                _EXPIRES,
                [
                    {
                        "expires_at": it.expires_at,
                        "conversation_id": it.conversation_id,
                        "seq": it.seq,
                    }
                    for it in expiring
                ],
            )
        # One statement for all heads: an executemany would be a round trip for each.
        for shown in (True, False):
            if moving := {id: head for id, head in heads.items() if head.moved == shown}:
                values: dict[str, object] = {"now": now} if shown else {}
                for place, (id, head) in enumerate(moving.items()):
                    values[f"id{place}"], values[f"last{place}"] = id, head.last_seq
                    if shown:
                        values[f"shown{place}"] = head.shown_seq
                self._connection.write(_move_heads(len(moving), shown=shown), [values])

    async def notify(self, news: Sequence[News], now: int) -> None:
        """Leaves word of texts for those who are told of them outside."""
        await add(
            self._connection,
            [
                news_row(
                    uuid_utils.uuid7().hex,
                    kind,
                    Job(it.conversation_id, it.from_seq, it.to_seq),
                    now,
                )
                for it in news
                for kind, wanted in ((PUSH, it.later), (HOOK, it.at_once))
                if wanted
            ],
        )

    # Changes

    async def message(self, conversation_id: str, seq: int) -> Message | None:
        """Returns one entry of a log."""
        rows = await self._connection.execute(
            _IN_LOG.where(message.c.seq == sa.bindparam("seq")),
            {"conversation_id": conversation_id, "seq": seq},
        )
        row = rows.first()
        return Message(*row) if row else None

    async def readable(self, user_id: str, conversation_id: str, seq: int) -> Message | None:
        """Returns one entry of a log to a member who has not cleared or hidden it."""
        rows = await self._connection.execute(
            _IN_LOG.join(member, member.c.conversation_id == message.c.conversation_id).where(
                member.c.user_id == user_id,
                message.c.seq == seq,
                message.c.seq > member.c.cleared_seq,
                sa.or_(
                    member.c.leave_seq == 0,
                    sa.and_(
                        message.c.seq <= member.c.leave_seq,
                        message.c.edited_seq <= member.c.leave_seq,
                    ),
                ),
                ~sa.exists().where(
                    hidden.c.user_id == user_id,
                    hidden.c.conversation_id == conversation_id,
                    hidden.c.seq == seq,
                ),
            ),
            {"conversation_id": conversation_id},
        )
        row = rows.first()
        return Message(*row) if row else None

    async def replace(
        self, conversation_id: str, seq: int, kind: int, body: bytes, edited: tuple[int, int]
    ) -> None:
        """Puts another content in an entry's place; `edited` is (edited_seq, edited_at)."""
        await self._connection.execute(
            sa.update(message)
            .where(message.c.conversation_id == conversation_id, message.c.seq == seq)
            .values(kind=kind, body=body, edited_seq=edited[0], edited_at=edited[1])
        )

    async def unindex(self, conversation_id: str, seq: int) -> None:
        """Makes a message be found no more."""
        await unindex(self._connection, conversation_id, [seq])

    async def add_mentions(self, conversation_id: str, seq: int, users: Collection[str]) -> None:
        """Notes whom a message mentions."""
        await self._connection.execute(
            sa.insert(mention),
            [
                {"conversation_id": conversation_id, "user_id": user_id, "seq": seq}
                for user_id in sorted(users)
            ],
        )

    async def drop_mentions(self, conversation_id: str, seq: int) -> None:
        """Forgets whom a message mentions."""
        await self._connection.execute(
            sa.delete(mention).where(
                mention.c.conversation_id == conversation_id, mention.c.seq == seq
            )
        )

    async def react(
        self, conversation_id: str, seq: int, user_id: str, emoji: str, given_seq: int
    ) -> None:
        """Adds a reaction that is not there."""
        await self._connection.execute(
            sa.insert(reaction).values(
                conversation_id=conversation_id,
                seq=seq,
                user_id=user_id,
                emoji=emoji,
                given_seq=given_seq,
            )
        )
        await self._connection.execute(
            sa.update(message)
            .where(message.c.conversation_id == conversation_id, message.c.seq == seq)
            .values(reacted=1)
        )

    async def unreact(self, conversation_id: str, seq: int, user_id: str, emoji: str) -> None:
        """Takes a reaction away, if it is there."""
        await self._connection.execute(
            sa.delete(reaction).where(
                reaction.c.conversation_id == conversation_id,
                reaction.c.seq == seq,
                reaction.c.user_id == user_id,
                reaction.c.emoji == emoji,
            )
        )

    async def drop_reactions(self, conversation_id: str, seq: int) -> None:
        """Takes all reactions to a message away."""
        await self._connection.execute(
            sa.delete(reaction).where(
                reaction.c.conversation_id == conversation_id, reaction.c.seq == seq
            )
        )

    async def pin(self, conversation_id: str, seq: int, given_seq: int) -> None:
        """Pins a message that is not pinned."""
        await self._connection.execute(
            sa.insert(pin).values(conversation_id=conversation_id, seq=seq, given_seq=given_seq)
        )

    async def unpin(self, conversation_id: str, seq: int) -> None:
        """Takes a message down, if it is pinned."""
        await self._connection.execute(
            sa.delete(pin).where(pin.c.conversation_id == conversation_id, pin.c.seq == seq)
        )

    async def set_timer(self, conversation_id: str, seconds: int) -> None:
        """Sets after how long messages disappear."""
        await self._connection.execute(
            sa.update(conversation)
            .where(conversation.c.id == conversation_id)
            .values(disappear_seconds=seconds)
        )

    # Expiry

    async def due(self, now: int, limit: int) -> list[tuple[int, str, int]]:
        """Returns places of what disappears by now, the earliest first."""
        rows = await self._connection.execute(
            sa.select(expiry.c.expires_at, expiry.c.conversation_id, expiry.c.seq)
            .where(expiry.c.expires_at <= now)
            .order_by(expiry.c.expires_at)
            .limit(limit)
        )
        return [(moment, id, seq) for moment, id, seq in rows]

    async def expire(self, places: Sequence[tuple[int, str, int]]) -> None:
        """Takes the text out of messages, with all that hangs on it, and forgets the places."""
        by_conversation: dict[str, list[int]] = {}
        for _, id, seq in places:
            by_conversation.setdefault(id, []).append(seq)
        # In the order of the ids, as commits lock them: else the two could wait in a ring.
        for id, seqs in sorted(by_conversation.items()):
            await self.lock([id])
            await unindex(self._connection, id, seqs)
            for table in (mention, reaction, pin):
                await self._connection.execute(
                    sa.delete(table).where(table.c.conversation_id == id, table.c.seq.in_(seqs))
                )
            for kinds, kind, body in (
                (TEXTS, REMOVED, bodies.EXPIRED),
                ((EDIT,), EDIT, bodies.edit(0, "")),
            ):
                await self._connection.execute(
                    sa.update(message)
                    .where(
                        message.c.conversation_id == id,
                        message.c.seq.in_(seqs),
                        message.c.kind.in_(kinds),
                    )
                    .values(kind=kind, body=body, edited_at=0, reacted=0)
                )
        await self._connection.execute(
            sa.delete(expiry).where(
                sa.tuple_(expiry.c.expires_at, expiry.c.conversation_id, expiry.c.seq).in_(places)
            )
        )
