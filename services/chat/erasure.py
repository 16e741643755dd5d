"""Forgetting a user whose account is deleted: everything but what they said to others."""

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Protocol

from services.chat.changes import GroupAct
from services.chat.committer import Send
from services.chat.contacts import WITHDRAWN, Contact, ContactFormat, Request
from services.chat.group_changes import Dissolve, Remove, Transfer
from services.chat.model import NOT_FRIENDS, OWNER, Message, Post
from services.chat.user_changes import Notes, UserChanges
from services.common.errors import Denied


class ErasureStore(Protocol):
    """The storage that forgetting needs, inside one transaction."""

    async def groups_of(self, user_id: str) -> list[str]: ...
    async def posts(
        self, conversation_id: str, after: tuple[int, int, str] | None, limit: int
    ) -> list[Post]: ...
    async def acquaintances(self, user_id: str) -> list[str]: ...
    async def drop_contact(self, user_id: str, other_id: str) -> None: ...
    async def contact_request(self, user_id: str, other_id: str) -> Request | None: ...
    async def drop_request(self, user_id: str, other_id: str) -> None: ...
    async def directs_of(self, user_id: str) -> list[tuple[str, str]]: ...
    async def bar(self, conversation_id: str, user_id: str, barred: int) -> None: ...
    async def forget(self, user_id: str) -> None: ...


Begin = Callable[[], AbstractAsyncContextManager[ErasureStore]]


class Erasure:
    """The rules of forgetting. `append` commits an act and returns its entry, or raises."""

    def __init__(
        self,
        begin: Begin,
        changes: UserChanges,
        format: ContactFormat,
        append: Callable[[Send], Awaitable[Message]],
    ) -> None:
        self._begin = begin
        self._changes = changes
        self._format = format
        self._append = append

    async def erase(self, user_id: str) -> None:
        """Forgets a user; each step finds what an earlier call has left."""
        async with self._begin() as store:
            groups = await store.groups_of(user_id)
        for conversation_id in groups:
            await self._leave(user_id, conversation_id)
        async with self._begin() as store:
            others = await store.acquaintances(user_id)
        for other_id in others:
            await self._part(user_id, other_id)
        async with self._begin() as store:
            directs = await store.directs_of(user_id)
        for conversation_id, other_id in directs:
            async with self._begin() as store:
                await store.bar(conversation_id, other_id, NOT_FRIENDS)
        async with self._begin() as store:
            await store.forget(user_id)

    async def _leave(self, user_id: str, conversation_id: str) -> None:
        """Leaves a group; an owner hands it on, to an admin if there is one, or ends it."""
        async with self._begin() as store:
            first: Sequence[Post] = await store.posts(conversation_id, None, 2)
        acts: list[GroupAct] = [Remove(user_id)]
        if first and first[0].user_id == user_id and first[0].role == OWNER:
            acts = [Transfer(first[1].user_id), *acts] if len(first) > 1 else [Dissolve()]
        # Denied: the user is no member any more, by somebody else's doing.
        with contextlib.suppress(Denied):
            for act in acts:
                id = f"erased-{secrets.token_hex(12)}"
                name = type(act).__name__.encode()
                await self._append(Send(conversation_id, user_id, id, name, act))

    async def _part(self, user_id: str, other_id: str) -> None:
        """Takes a user out of another's contacts and requests; the other's devices learn it."""

        async def work(store: Any, notes: Notes) -> None:
            await store.drop_contact(other_id, user_id)
            gone = Contact(other_id, user_id)
            notes.add(other_id, lambda version: self._format.contact_change(version, gone))
            asked = await store.contact_request(other_id, user_id)
            if asked:
                ended = replace(asked, state=WITHDRAWN, greeting="")
                await store.drop_request(other_id, user_id)
                notes.add(other_id, lambda version: self._format.request_change(version, ended))

        await self._changes.run([other_id], work)
