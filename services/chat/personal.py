"""What a user does for themself alone: settings of a conversation, clearing it, hiding messages.

Each is a change under the user's next version, so that every device of the user gets it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from services.chat.model import Change, Settings
from services.chat.rules import not_a_member
from services.common.database import Duplicate, LostRace
from services.common.errors import NotFound, Unavailable

ATTEMPTS = 4
# A device that missed more starts anew.
KEPT_CHANGES = 1_000


T = TypeVar("T")


class PersonalStore(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def next_version(self, user_id: str) -> int: ...
    async def add_change(self, user_id: str, change: Change, keep: int) -> None: ...
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


Begin = Callable[[], AbstractAsyncContextManager[PersonalStore]]


class Personal:
    """The personal side of conversations. `on_changed` is called after the commit."""

    def __init__(
        self, begin: Begin, format: ChangeFormat, on_changed: Callable[[str, Change], None]
    ) -> None:
        self._begin = begin
        self._format = format
        self._on_changed = on_changed

    async def update(
        self, user_id: str, conversation_id: str, values: Mapping[str, Any]
    ) -> tuple[Settings, int]:
        """Sets fields of the settings; returns all of them, and the user's version."""

        async def change(store: PersonalStore, version: int) -> tuple[Settings, bytes]:
            settings = await self._settings(store, user_id, conversation_id)
            settings = replace(settings, **values)
            await store.put_settings(user_id, conversation_id, settings)
            return settings, self._format.settings_change(version, conversation_id, settings)

        return await self._run(user_id, change)

    async def unmark(self, user_id: str, conversation_id: str) -> None:
        """Takes the mark away that shows a conversation as unread: the user has read it."""
        await self.update(user_id, conversation_id, {"marked_unread": False})

    async def clear(
        self, user_id: str, conversation_id: str, seq: int, remove: bool
    ) -> tuple[Settings, int]:
        """Clears a log up to a seq, or to its end, for the user; never takes that back."""

        async def change(store: PersonalStore, version: int) -> tuple[Settings, bytes]:
            settings = await self._settings(store, user_id, conversation_id)
            end = await store.end_of(conversation_id)
            settings = replace(
                settings,
                cleared_seq=max(settings.cleared_seq, min(seq or end, end)),
                marked_unread=False,
                removed=remove,
            )
            await store.put_settings(user_id, conversation_id, settings)
            return settings, self._format.settings_change(version, conversation_id, settings)

        return await self._run(user_id, change)

    async def hide(self, user_id: str, conversation_id: str, seqs: Sequence[int]) -> int:
        """Hides messages from the user; returns the user's version."""

        async def change(store: PersonalStore, version: int) -> tuple[None, bytes]:
            await self._settings(store, user_id, conversation_id)
            if max(seqs) > await store.end_of(conversation_id):
                raise NotFound("MESSAGE_NOT_FOUND", "there is no such message")
            before = await store.hidden(user_id, conversation_id, seqs)
            if new := sorted(set(seqs) - before):
                await store.hide(user_id, conversation_id, new)
            return None, self._format.hidden_change(version, conversation_id, sorted(set(seqs)))

        return (await self._run(user_id, change))[1]

    async def _settings(self, store: PersonalStore, user_id: str, conversation_id: str) -> Settings:
        settings = await store.lock_settings(user_id, conversation_id)
        if settings is None:
            raise not_a_member()
        return settings

    async def _run(
        self, user_id: str, change: Callable[[PersonalStore, int], Awaitable[tuple[T, bytes]]]
    ) -> tuple[T, int]:
        for _ in range(ATTEMPTS):
            try:
                async with self._begin() as store:
                    version = await store.next_version(user_id)
                    result, payload = await change(store, version)
                    await store.add_change(user_id, Change(version, payload), KEPT_CHANGES)
            except (LostRace, Duplicate):  # a duplicate: the user's first change, twice at once
                continue
            self._on_changed(user_id, Change(version, payload))
            return result, version
        raise Unavailable("DATABASE_BUSY", "the settings are too busy", retry_seconds=0.5)
