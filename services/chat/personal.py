"""What a user does for themself alone: settings of a conversation, clearing it, hiding messages.

Each is a change under the user's next version, so that every device of the user gets it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from services.chat.model import Settings
from services.chat.rules import not_a_member
from services.chat.user_changes import Notes, UserChanges
from services.common.errors import NotFound


class PersonalStore(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def lock_settings(self, user_id: str, conversation_id: str) -> Settings | None: ...
    async def put_settings(
        self, user_id: str, conversation_id: str, settings: Settings
    ) -> None: ...
    async def end_of(self, conversation_id: str) -> int: ...
    async def hidden(self, user_id: str, conversation_id: str, seqs: Sequence[int]) -> set[int]: ...
    async def hide(self, user_id: str, conversation_id: str, seqs: Sequence[int]) -> None: ...


class ChangeFormat(Protocol):
    """How changes look when they are stored and sent."""

    def settings_change(self, version: int, conversation_id: str, settings: Settings) -> bytes: ...
    def hidden_change(self, version: int, conversation_id: str, seqs: Sequence[int]) -> bytes: ...


class Personal:
    """The personal side of conversations."""

    def __init__(self, changes: UserChanges, format: ChangeFormat) -> None:
        self._changes = changes
        self._format = format

    async def update(
        self, user_id: str, conversation_id: str, values: Mapping[str, Any]
    ) -> tuple[Settings, int]:
        """Sets fields of the settings; returns all of them, and the user's version."""

        async def change(store: PersonalStore, notes: Notes) -> Settings:
            settings = await self._settings(store, user_id, conversation_id)
            settings = replace(settings, **values)
            await store.put_settings(user_id, conversation_id, settings)
            self._note(notes, user_id, conversation_id, settings)
            return settings

        settings, versions = await self._changes.run([user_id], change)
        return settings, versions[user_id]

    async def unmark(self, user_id: str, conversation_id: str) -> None:
        """Takes the mark away that shows a conversation as unread: the user has read it."""
        await self.update(user_id, conversation_id, {"marked_unread": False})

    async def clear(
        self, user_id: str, conversation_id: str, seq: int, remove: bool
    ) -> tuple[Settings, int]:
        """Clears a log up to a seq, or to its end, for the user; never takes that back."""

        async def change(store: PersonalStore, notes: Notes) -> Settings:
            settings = await self._settings(store, user_id, conversation_id)
            end = await store.end_of(conversation_id)
            settings = replace(
                settings,
                cleared_seq=max(settings.cleared_seq, min(seq or end, end)),
                marked_unread=False,
                removed=remove,
            )
            await store.put_settings(user_id, conversation_id, settings)
            self._note(notes, user_id, conversation_id, settings)
            return settings

        settings, versions = await self._changes.run([user_id], change)
        return settings, versions[user_id]

    async def hide(self, user_id: str, conversation_id: str, seqs: Sequence[int]) -> int:
        """Hides messages from the user; returns the user's version."""

        async def change(store: PersonalStore, notes: Notes) -> None:
            await self._settings(store, user_id, conversation_id)
            if max(seqs) > await store.end_of(conversation_id):
                raise NotFound("MESSAGE_NOT_FOUND", "there is no such message")
            before = await store.hidden(user_id, conversation_id, seqs)
            if new := sorted(set(seqs) - before):
                await store.hide(user_id, conversation_id, new)
            notes.add(
                user_id,
                lambda version: self._format.hidden_change(
                    version, conversation_id, sorted(set(seqs))
                ),
            )

        return (await self._changes.run([user_id], change))[1][user_id]

    def _note(self, notes: Notes, user_id: str, conversation_id: str, settings: Settings) -> None:
        notes.add(
            user_id,
            lambda version: self._format.settings_change(version, conversation_id, settings),
        )

    async def _settings(self, store: PersonalStore, user_id: str, conversation_id: str) -> Settings:
        settings = await store.lock_settings(user_id, conversation_id)
        if settings is None:
            raise not_a_member()
        return settings
