"""What users are to each other: friends, requests to be friends, who is blocked, and codes."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from prometheus_client import Counter

from services.chat.model import BLOCKED, FREE, NOT_FRIENDS
from services.chat.policies import Policy
from services.chat.user_changes import Notes, UserChanges
from services.common.errors import AppError, Denied, Exhausted, Invalid, NotFound, Precondition

MICROS = 1_000_000
CODE_SECONDS = 7 * 86_400
CODES = 20
CONTACTS = 10_000
# Who was declined may ask again after this time; until then it looks as if nobody answered.
DECLINED_MICROS = 86_400 * MICROS

SEARCH, BY_CODE, IN_GROUP, BY_CARD = 1, 2, 3, 4
PENDING, ACCEPTED, DECLINED, EXPIRED, WITHDRAWN = 1, 2, 3, 4, 5

REQUESTS = Counter(
    "hongyan_chat_contact_requests", "Requests to be friends, by what came of them.", ["outcome"]
)


@dataclass(frozen=True, slots=True)
class Contact:
    """What a user is to another. Times are microseconds since 1970 UTC."""

    user_id: str
    other_id: str
    friend: bool = False
    remark: str = ""
    tags: tuple[str, ...] = ()
    starred: bool = False
    blocked: bool = False
    friends_since: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """A request to be friends, as one of the two sees it."""

    user_id: str
    other_id: str
    incoming: bool
    greeting: str
    source: int
    state: int
    created_at: int
    expires_at: int

    def at(self, now: int) -> "Request":
        """Returns it as it stands: one that nobody answered expires."""
        if self.state == PENDING and self.expires_at <= now:
            return replace(self, state=EXPIRED)
        return self


@dataclass(frozen=True, slots=True)
class Code:
    """A code by which others can ask a user; `code` is known only when it is made."""

    id: str
    user_id: str
    created_at: int
    expires_at: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class Approach:
    """Whom a user asks, what they say, and how they say to have come upon the other."""

    other_id: str
    code: str
    greeting: str
    source: int
    conversation_id: str
    seq: int


class Contacts(Protocol):
    """The storage that these rules need, inside one transaction."""

    async def contact(self, user_id: str, other_id: str) -> Contact | None: ...
    async def contacts(self, user_id: str, after: str, limit: int) -> list[Contact]: ...
    async def put_contact(self, contact: Contact) -> None: ...
    async def drop_contact(self, user_id: str, other_id: str) -> None: ...
    async def count_contacts(self, user_id: str) -> int: ...
    async def contact_request(self, user_id: str, other_id: str) -> Request | None: ...
    async def contact_requests(
        self, user_id: str, after: tuple[int, str] | None, limit: int
    ) -> list[Request]: ...
    async def put_request(self, request: Request) -> None: ...
    async def add_code(self, code: Code, code_hash: str) -> None: ...
    async def codes(self, user_id: str, now: int) -> list[Code]: ...
    async def find_code(self, code_hash: str) -> Code | None: ...
    async def drop_code(self, user_id: str, code_id: str) -> bool: ...
    async def share_group(self, conversation_id: str, user_ids: Sequence[str]) -> bool: ...
    async def card_at(self, user_id: str, conversation_id: str, seq: int) -> str: ...
    async def find_direct(self, pair: str) -> str | None: ...
    async def add_direct(
        self, conversation_id: str, pair: str, users: Collection[str], asked: Collection[str]
    ) -> None: ...
    async def bar(self, conversation_id: str, user_id: str, barred: int) -> None: ...
    async def take_up(self, conversation_id: str, user_id: str) -> None: ...


class ContactFormat(Protocol):
    """How changes look when they are stored and sent."""

    def contact_change(self, version: int, contact: Contact) -> bytes: ...
    def request_change(self, version: int, request: Request) -> bytes: ...


Read = Callable[[], AbstractAsyncContextManager[Contacts]]
FindPolicies = Callable[[Collection[str]], Awaitable[Mapping[str, Policy]]]
Befriended = Callable[[str, str], Awaitable[None]]


class ContactRules:
    """The rules of contacts. `on_friends` is awaited with (conversation_id, user_id) after a
    commit that made two users friends."""

    def __init__(
        self,
        changes: UserChanges,
        read: Read,
        format: ContactFormat,
        *,
        find_policies: FindPolicies,
        on_friends: Befriended,
        new_id: Callable[[], str],
        now: Callable[[], int],
        request_days: int,
    ) -> None:
        self._changes = changes
        self._read = read
        self._format = format
        self._find_policies = find_policies
        self._on_friends = on_friends
        self._new_id = new_id
        self._now = now
        self._request_micros = request_days * 86_400 * MICROS

    # Contacts

    async def contacts(self, user_id: str, after: str, limit: int) -> tuple[list[Contact], bool]:
        """Returns a page of contacts in the order of ids, and whether there are more."""
        async with self._read() as store:
            found = await store.contacts(user_id, after, limit + 1)
        return found[:limit], len(found) > limit

    async def contact(self, user_id: str, other_id: str) -> Contact:
        """Returns what a user is to another."""
        async with self._read() as store:
            return await store.contact(user_id, other_id) or Contact(user_id, other_id)

    async def update(
        self, user_id: str, other_id: str, values: Mapping[str, Any]
    ) -> tuple[Contact, int]:
        """Sets fields of a friend; returns the contact and the user's version."""

        async def work(store: Contacts, notes: Notes) -> Contact:
            contact = await self._friend(store, user_id, other_id)
            return await self._put(store, notes, replace(contact, **values))

        contact, versions = await self._changes.run([user_id], work)
        return contact, versions[user_id]

    async def delete(self, user_id: str, other_id: str) -> int:
        """Takes a friend out of a user's contacts; the other may not write any more."""

        async def work(store: Contacts, notes: Notes) -> None:
            contact = await self._friend(store, user_id, other_id)
            await self._put(store, notes, Contact(user_id, other_id, blocked=contact.blocked))
            if not contact.blocked:
                await self._bar(store, user_id, other_id, NOT_FRIENDS)

        return (await self._changes.run([user_id], work))[1][user_id]

    async def block(self, user_id: str, other_id: str, blocked: bool) -> tuple[Contact, int]:
        """Blocks a user, or takes that back."""
        if user_id == other_id:
            raise _self()
        if blocked and other_id not in await self._find_policies([other_id]):
            raise _nobody()

        async def work(store: Contacts, notes: Notes) -> Contact:
            contact = await store.contact(user_id, other_id) or Contact(user_id, other_id)
            if contact.blocked == blocked:
                return contact
            theirs = await store.contact(other_id, user_id)
            ended = not contact.friend and theirs is not None and theirs.friend
            await self._bar(
                store, user_id, other_id, BLOCKED if blocked else NOT_FRIENDS if ended else FREE
            )
            asked = await store.contact_request(user_id, other_id)
            if blocked and asked and asked.state == PENDING:
                if asked.incoming:
                    await self._decline(store, notes, asked)
                else:  # else the other could accept it, and write again
                    await self._withdraw(store, notes, asked)
            return await self._put(store, notes, replace(contact, blocked=blocked))

        contact, versions = await self._changes.run([user_id, other_id], work)
        return contact, versions[user_id]

    # Requests

    async def requests(
        self, user_id: str, after: tuple[int, str] | None, limit: int
    ) -> tuple[list[Request], bool]:
        """Returns a page of requests, the newest first, and whether there are more."""
        async with self._read() as store:
            found = await store.contact_requests(user_id, after, limit + 1)
        now = self._now()
        return [it.at(now) for it in found[:limit]], len(found) > limit

    async def request(self, user_id: str, approach: Approach) -> tuple[Request, int]:
        """Asks somebody to be friends; returns the request and the user's version."""
        other_id, source = await self._find(user_id, approach)
        if other_id == user_id:
            raise _self()
        policy = (await self._find_policies([other_id])).get(other_id)
        if policy is None:
            raise _nobody()

        async def work(store: Contacts, notes: Notes) -> tuple[Request, str]:
            now = self._now()
            asked = Request(
                user_id,
                other_id,
                incoming=False,
                greeting=approach.greeting,
                source=source,
                state=PENDING,
                created_at=now,
                expires_at=now + self._request_micros,
            )
            mine = await store.contact(user_id, other_id)
            theirs = await store.contact(other_id, user_id)
            if mine and mine.blocked:
                raise Precondition("BLOCKED_BY_CALLER", "the caller has blocked the user")
            blocked = theirs is not None and theirs.blocked
            if mine and theirs and mine.friend and theirs.friend:
                return replace(asked, state=ACCEPTED), ""
            before = await store.contact_request(user_id, other_id)
            they_asked = before is not None and before.incoming and before.at(now).state == PENDING
            at_once = policy.takes_at_once(user_id, source)
            if not blocked and (at_once or they_asked or (theirs is not None and theirs.friend)):
                await self._put_requests(store, notes, replace(asked, state=ACCEPTED))
                return replace(asked, state=ACCEPTED), await self._befriend(
                    store, notes, user_id, other_id, endless=other_id if policy.is_bot else ""
                )
            if not policy.lets(source):
                raise Denied("NOT_ADDABLE", "the user does not take requests that come this way")
            there = await store.contact_request(other_id, user_id)
            declined = (
                there is not None
                and there.incoming
                and there.state == DECLINED
                and there.expires_at > now - DECLINED_MICROS
            )
            if blocked or declined:
                await self._answer(store, notes, asked)
            else:
                await self._put_requests(store, notes, asked)
            return asked, ""

        (request, conversation_id), versions = await self._changes.run([user_id, other_id], work)
        REQUESTS.labels("accepted" if request.state == ACCEPTED else "sent").inc()
        if conversation_id:
            await self._on_friends(conversation_id, user_id)
        return request, versions[user_id]

    async def accept(self, user_id: str, other_id: str) -> tuple[Contact, str, int]:
        """Accepts a request; returns the friend, the direct conversation and the version."""

        async def work(store: Contacts, notes: Notes) -> tuple[str, bool]:
            mine = await store.contact(user_id, other_id)
            theirs = await store.contact(other_id, user_id)
            if mine and theirs and mine.friend and theirs.friend:
                return await self._direct(store, user_id, other_id), False
            asked = await self._pending(store, user_id, other_id, incoming=True)
            if mine and mine.blocked:
                raise Precondition("BLOCKED_BY_CALLER", "the caller has blocked the user")
            await self._put_requests(store, notes, replace(asked, state=ACCEPTED))
            return await self._befriend(store, notes, user_id, other_id), True

        (conversation_id, new), versions = await self._changes.run([user_id, other_id], work)
        if new:
            REQUESTS.labels("accepted").inc()
            await self._on_friends(conversation_id, user_id)
        return await self.contact(user_id, other_id), conversation_id, versions[user_id]

    async def decline(self, user_id: str, other_id: str) -> int:
        """Declines a request; the sender is not told."""

        async def work(store: Contacts, notes: Notes) -> None:
            asked = await self._pending(store, user_id, other_id, incoming=True)
            await self._decline(store, notes, asked)

        versions = (await self._changes.run([user_id], work))[1]
        REQUESTS.labels("declined").inc()
        return versions[user_id]

    async def withdraw(self, user_id: str, other_id: str) -> int:
        """Withdraws an own request."""

        async def work(store: Contacts, notes: Notes) -> None:
            asked = await self._pending(store, user_id, other_id, incoming=False)
            await self._withdraw(store, notes, asked)

        versions = (await self._changes.run([user_id, other_id], work))[1]
        REQUESTS.labels("withdrawn").inc()
        return versions[user_id]

    # Codes

    async def create_code(self, user_id: str, seconds: int) -> Code:
        """Makes a code; 0 seconds is a week."""
        now = self._now()
        code = Code(
            self._new_id(),
            user_id,
            now,
            now + (seconds or CODE_SECONDS) * MICROS,
            secrets.token_urlsafe(16),
        )

        async def work(store: Contacts, notes: Notes) -> None:
            if len(await store.codes(user_id, now)) >= CODES:
                raise Exhausted("TOO_MANY_CODES", f"a user has at most {CODES} codes")
            await store.add_code(code, _hash(code.code))

        await self._changes.run([user_id], work)
        return code

    async def codes(self, user_id: str) -> list[Code]:
        """Returns a user's codes that work."""
        async with self._read() as store:
            return await store.codes(user_id, self._now())

    async def revoke_code(self, user_id: str, code_id: str) -> None:
        """Makes a code work no more."""

        async def work(store: Contacts, notes: Notes) -> bool:
            return await store.drop_code(user_id, code_id)

        if not (await self._changes.run([user_id], work))[0]:
            raise _no_code()

    async def resolve(self, code: str) -> str:
        """Returns whose code it is; a wrong and an expired one have the same answer."""
        async with self._read() as store:
            found = await store.find_code(_hash(code))
        if found is None or found.expires_at <= self._now():
            raise _no_code()
        return found.user_id

    # What all of them need

    async def _find(self, user_id: str, approach: Approach) -> tuple[str, int]:
        """Returns whom an approach means, and how the user really came upon them."""
        if approach.code:
            return await self.resolve(approach.code), BY_CODE
        if not approach.other_id:
            problem = "must be set, or code"
            raise Invalid("INVALID_FIELD", f"user_id {problem}", fields={"user_id": problem})
        async with self._read() as store:
            if approach.source == IN_GROUP and await store.share_group(
                approach.conversation_id, (user_id, approach.other_id)
            ):
                return approach.other_id, IN_GROUP
            if approach.source == BY_CARD:
                card = await store.card_at(user_id, approach.conversation_id, approach.seq)
                if card == approach.other_id:
                    return approach.other_id, BY_CARD
        return approach.other_id, SEARCH

    async def _friend(self, store: Contacts, user_id: str, other_id: str) -> Contact:
        contact = await store.contact(user_id, other_id)
        if contact is None or not contact.friend:
            raise NotFound("CONTACT_NOT_FOUND", "the user is not among the caller's friends")
        return contact

    async def _pending(
        self, store: Contacts, user_id: str, other_id: str, *, incoming: bool
    ) -> Request:
        asked = await store.contact_request(user_id, other_id)
        if asked is None or asked.incoming != incoming or asked.at(self._now()).state != PENDING:
            raise NotFound("CONTACT_REQUEST_NOT_FOUND", "there is no such request to answer")
        return asked

    async def _put(self, store: Contacts, notes: Notes, contact: Contact) -> Contact:
        if contact.friend or contact.blocked:
            await store.put_contact(contact)
        else:
            await store.drop_contact(contact.user_id, contact.other_id)
        notes.add(contact.user_id, lambda version: self._format.contact_change(version, contact))
        return contact

    async def _answer(self, store: Contacts, notes: Notes, request: Request) -> None:
        """Puts one side of a request."""
        await store.put_request(request)
        notes.add(request.user_id, lambda version: self._format.request_change(version, request))

    async def _decline(self, store: Contacts, notes: Notes, request: Request) -> None:
        """Declines a request; it ends now, and from now on counts how long the sender waits."""
        await self._answer(store, notes, replace(request, state=DECLINED, expires_at=self._now()))

    async def _withdraw(self, store: Contacts, notes: Notes, request: Request) -> None:
        """Withdraws an own request, also from the other if it reached them."""
        await self._answer(store, notes, replace(request, state=WITHDRAWN))
        there = await store.contact_request(request.other_id, request.user_id)
        if there and there.incoming and there.state == PENDING:
            await self._answer(store, notes, replace(there, state=WITHDRAWN))

    async def _put_requests(self, store: Contacts, notes: Notes, request: Request) -> None:
        """Puts both sides of a request."""
        await self._answer(store, notes, request)
        there = replace(
            request,
            user_id=request.other_id,
            other_id=request.user_id,
            incoming=not request.incoming,
        )
        await self._answer(store, notes, there)

    async def _befriend(
        self, store: Contacts, notes: Notes, user_id: str, other_id: str, *, endless: str = ""
    ) -> str:
        """Makes two users friends; returns their direct conversation.

        Who is `endless` may have any number of contacts.
        """
        now = self._now()
        for one, other in ((user_id, other_id), (other_id, user_id)):
            if one != endless and await store.count_contacts(one) >= CONTACTS:
                raise Exhausted("TOO_MANY_CONTACTS", f"a user has at most {CONTACTS} contacts")
            contact = await store.contact(one, other) or Contact(one, other)
            since = contact.friends_since if contact.friend else now
            await self._put(store, notes, replace(contact, friend=True, friends_since=since))
        conversation_id = await self._direct(store, user_id, other_id)
        for one in (user_id, other_id):
            await store.bar(conversation_id, one, FREE)
            await store.take_up(conversation_id, one)
        return conversation_id

    async def _direct(self, store: Contacts, user_id: str, other_id: str) -> str:
        pair = ":".join(sorted((user_id, other_id)))
        conversation_id = await store.find_direct(pair)
        if conversation_id is None:
            conversation_id = self._new_id()
            await store.add_direct(conversation_id, pair, (user_id, other_id), ())
        return conversation_id

    async def _bar(self, store: Contacts, user_id: str, other_id: str, barred: int) -> None:
        """Sets whether the other may write to a user, and why not."""
        conversation_id = await store.find_direct(":".join(sorted((user_id, other_id))))
        if conversation_id:
            await store.bar(conversation_id, other_id, barred)


class Strangers:
    """What a user may do with somebody who does not have them as a friend."""

    def __init__(self, read: Read, find_policies: FindPolicies) -> None:
        self._read = read
        self._find_policies = find_policies

    async def meet(self, user_id: str, other_id: str) -> bool:
        """Says whether a conversation that a user begins lands in the other's box of requests.

        Raises NotFound for nobody, and Denied when the other wants no strangers.
        """
        policy = (await self._find_policies([other_id])).get(other_id)
        if policy is None:
            raise _nobody()
        async with self._read() as store:
            mine = await store.contact(user_id, other_id)
            theirs = await store.contact(other_id, user_id)
        if mine and mine.blocked:
            raise Precondition("BLOCKED_BY_CALLER", "the caller has blocked the user")
        if theirs and theirs.friend and not theirs.blocked:
            return False
        if policy.refuses_strangers or (theirs and theirs.blocked):
            raise Denied("NOT_FRIENDS", "the user takes messages of friends only")
        return True


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _self() -> AppError:
    problem = "must be another user's id"
    return Invalid("SELF_CONTACT", "one is no contact of oneself", fields={"user_id": problem})


def _nobody() -> AppError:
    return NotFound("USER_NOT_FOUND", "no such user")


def _no_code() -> AppError:
    return NotFound("CODE_NOT_FOUND", "the code does not work, or no more")
