"""The cache of one account: what the screen shows, and the outbox, in one SQLite file.

Per conversation there is a window, first_seq to head_seq, in which every entry is present.
"""

from typing import Any

from hongyan_client.cache_conversations import ConversationTable
from hongyan_client.cache_outbox import OutboxTable
from hongyan_client.model import User


class Cache(ConversationTable, OutboxTable):
    """The database of one account; the classes that it is made of have the only SQL here."""

    def user(self, user_id: str) -> tuple[User, int] | None:
        """Returns a user and when the profile was fetched, in microseconds."""
        row = self._one(
            "SELECT display_name, handle, signature, region, bot, avatar_id, fetched_at FROM user"
            " WHERE user_id = ?",
            user_id,
        )
        return _user(user_id, row) if row else None

    def put_user(self, user: User, now_micros: int) -> None:
        """Keeps a profile."""
        self._database.execute(
            "INSERT OR REPLACE INTO user (user_id, display_name, handle, signature, region,"
            " bot, avatar_id, fetched_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                user.user_id,
                user.display_name,
                user.handle,
                user.signature,
                user.region,
                int(user.bot),
                user.avatar_id,
                now_micros,
            ),
        )


def _user(user_id: str, row: tuple[Any, ...]) -> tuple[User, int]:
    name, handle, signature, region, bot, avatar_id, fetched_at = row
    return User(user_id, name, handle, signature, region, bool(bot), avatar_id), fetched_at
