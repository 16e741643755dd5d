"""The SQL of what belongs to one user: cursors, settings, what is hidden, and the versions."""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from services.chat.cursors import Cursor, Key
from services.chat.model import Change, Settings
from services.chat.read_store import SETTINGS, to_settings
from services.chat.tables import conversation, hidden, member, user_change, user_state
from services.common.connections import Connection

_MOVE = (
    sa.update(member)
    .where(
        member.c.user_id == sa.bindparam("user"),
        member.c.conversation_id == sa.bindparam("conversation"),
    )
    .values(
        read_seq=sa.bindparam("read"),
        received_seq=sa.bindparam("received"),
        moved_at=sa.bindparam("moved"),
    )
)
_row = mysql.insert(member)
# One statement of many rows, where the driver would send one UPDATE after the other. The rows
# are there and locked, so nothing is ever inserted.
_MOVE_MANY = _row.on_duplicate_key_update(
    read_seq=_row.inserted.read_seq,
    received_seq=_row.inserted.received_seq,
    moved_at=_row.inserted.moved_at,
)


class PersonalStore:
    """What cursors and personal settings ask of an open transaction."""

    _connection: Connection

    # Cursors

    async def cursors(self, keys: Iterable[Key]) -> dict[Key, Cursor]:
        """Returns the cursors of each member there is; locks the members."""
        rows = await self._connection.execute(
            sa.select(
                member.c.user_id,
                member.c.conversation_id,
                member.c.read_seq,
                member.c.received_seq,
                sa.case(
                    (member.c.leave_seq > 0, member.c.leave_seq),
                    else_=sa.select(conversation.c.last_seq)
                    .where(conversation.c.id == member.c.conversation_id)
                    .scalar_subquery(),
                ),
                member.c.marked_unread,
            )
            .where(
                sa.or_(
                    *(
                        sa.and_(member.c.user_id == user_id, member.c.conversation_id == id)
                        for user_id, id in keys
                    )
                )
            )
            .order_by(member.c.user_id, member.c.conversation_id)
            .with_for_update(of=member)
        )
        return {(user_id, id): Cursor(*columns) for user_id, id, *columns in rows}

    async def move(self, targets: Mapping[Key, Cursor], now: int) -> None:
        """Sets cursors of members that are locked."""
        if self._connection.dialect.name == "sqlite":
            await self._connection.execute(
                _MOVE,
                [
                    {
                        "user": user_id,
                        "conversation": id,
                        "read": cursor.read_seq,
                        "received": cursor.received_seq,
                        "moved": now,
                    }
                    for (user_id, id), cursor in targets.items()
                ],
            )
            return
        await self._connection.execute(
            _MOVE_MANY,
            [
                {
                    "user_id": user_id,
                    "conversation_id": id,
                    "read_seq": cursor.read_seq,
                    "received_seq": cursor.received_seq,
                    "moved_at": now,
                }
                for (user_id, id), cursor in targets.items()
            ],
        )

    async def watchers(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Returns who is to know of moved cursors: the two of each direct conversation."""
        rows = await self._connection.execute(
            sa.select(member.c.conversation_id, member.c.user_id).where(
                member.c.conversation_id.in_(ids), member.c.role == 0, member.c.leave_seq == 0
            )
        )
        found: dict[str, list[str]] = {}
        for conversation_id, user_id in rows:
            found.setdefault(conversation_id, []).append(user_id)
        return {id: tuple(users) for id, users in found.items()}

    # What a conversation is to a user

    async def lock_settings(self, user_id: str, conversation_id: str) -> Settings | None:
        """Returns what a conversation is to a member and locks it; None to others."""
        rows = await self._connection.execute(
            sa.select(*SETTINGS)
            .where(member.c.user_id == user_id, member.c.conversation_id == conversation_id)
            .with_for_update()
        )
        row = rows.first()
        return to_settings(row) if row else None

    async def put_settings(self, user_id: str, conversation_id: str, settings: Settings) -> None:
        """Sets what a conversation is to a member."""
        await self._connection.execute(
            sa.update(member)
            .where(member.c.user_id == user_id, member.c.conversation_id == conversation_id)
            .values(
                pinned=int(settings.pinned),
                muted_until=settings.muted_until,
                archived=int(settings.archived),
                marked_unread=int(settings.marked_unread),
                draft=settings.draft.encode() or None,
                cleared_seq=settings.cleared_seq,
                removed=int(settings.removed),
            )
        )

    async def end_of(self, conversation_id: str) -> int:
        """Returns the newest seq of a conversation."""
        return (
            await self._connection.scalar(
                sa.select(conversation.c.last_seq).where(conversation.c.id == conversation_id)
            )
            or 0
        )

    async def hide(self, user_id: str, conversation_id: str, seqs: Sequence[int]) -> None:
        """Hides messages that are not hidden yet; the member is locked."""
        await self._connection.execute(
            sa.insert(hidden),
            [{"user_id": user_id, "conversation_id": conversation_id, "seq": seq} for seq in seqs],
        )
        await self._connection.execute(
            sa.update(member)
            .where(member.c.user_id == user_id, member.c.conversation_id == conversation_id)
            .values(hides=member.c.hides + len(seqs))
        )

    # Versions

    async def lock_version(self, user_id: str) -> int:
        """Returns a user's version and locks it until the end."""
        version = await self._connection.scalar(
            sa.select(user_state.c.version).where(user_state.c.user_id == user_id).with_for_update()
        )
        if version is None:
            await self._connection.execute(sa.insert(user_state).values(user_id=user_id, version=0))
        return int(version or 0)

    async def set_version(self, user_id: str, version: int) -> None:
        """Sets a user's version, which is locked."""
        await self._connection.execute(
            sa.update(user_state).where(user_state.c.user_id == user_id).values(version=version)
        )

    async def add_change(self, user_id: str, change: Change, keep: int) -> None:
        """Adds a change, and forgets all but the newest `keep`."""
        await self._connection.execute(
            sa.insert(user_change).values(
                user_id=user_id, version=change.version, payload=change.payload
            )
        )
        await self._connection.execute(
            sa.delete(user_change).where(
                user_change.c.user_id == user_id, user_change.c.version <= change.version - keep
            )
        )

    async def version(self, user_id: str) -> int:
        """Returns a user's version."""
        return (
            await self._connection.scalar(
                sa.select(user_state.c.version).where(user_state.c.user_id == user_id)
            )
            or 0
        )

    async def changes_after(self, user_id: str, version: int) -> list[Change]:
        """Returns the changes of a user after a version that are kept."""
        rows = await self._connection.execute(
            sa.select(user_change.c.version, user_change.c.payload)
            .where(user_change.c.user_id == user_id, user_change.c.version > version)
            .order_by(user_change.c.version)
        )
        return [Change(version, bytes(payload)) for version, payload in rows]
