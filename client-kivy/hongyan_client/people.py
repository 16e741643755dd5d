"""The client's methods about people: finding them, contacts, and requests; `Client` has them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from grpclib.const import Status
from hongyan.chat.v1 import contact_pb2

from hongyan_client.account import AccountCalls
from hongyan_client.errors import NotFound
from hongyan_client.local import Local
from hongyan_client.model import Contact, ContactCode, ContactRequest, User
from hongyan_client.sync import PEOPLE

ADD_LINK = "hongyan://add/"


class People(ABC):
    """What an account is to others, and others to it."""

    @abstractmethod
    def _open(self) -> Local: ...

    @property
    @abstractmethod
    def account(self) -> AccountCalls:
        """The calls as this profile's session."""

    @property
    @abstractmethod
    def is_started(self) -> bool:
        """Whether there is, or will be again, a live stream."""

    async def find_user(self, query: str) -> User | None:
        """Finds a user by the whole handle or address; None: nobody who is to be found so."""
        return await self.account.find_user(query)

    async def contacts(self) -> list[Contact]:
        """Returns friends, and users whom the account has blocked."""
        await self._know_people()
        return self._open().cache.contacts()

    def contact(self, user_id: str) -> Contact:
        """Returns what the cache knows a user to be to the account."""
        return self._open().cache.contact(user_id)

    async def contact_requests(self) -> list[ContactRequest]:
        """Returns the requests that the account has sent and got, the newest first."""
        await self._know_people()
        return self._open().cache.contact_requests()

    async def _know_people(self) -> None:
        """Sees to it that all contacts are here; without a stream they are asked for anew."""
        local = self._open()
        if not self.is_started or not local.cache.state(PEOPLE):
            await local.sync.fetch_people()

    async def request_contact(
        self,
        user_id: str = "",
        *,
        code: str = "",
        greeting: str = "",
        source: str = "search",
        conversation_id: str = "",
        seq: int = 0,
    ) -> ContactRequest:
        """Asks a user to be friends, by the id or by a code (or the link that holds it).

        `source` is search, group (with conversation_id) or card (with conversation_id and seq).
        """
        return await self._open().contacts.request(
            user_id, code.removeprefix(ADD_LINK), greeting, source, (conversation_id, seq)
        )

    async def request_by_card(
        self, conversation_id: str, seq: int, greeting: str = ""
    ) -> ContactRequest:
        """Asks the user to be friends whose card is in a message; NotFound: it has none."""
        local = self._open()
        message = await local.history.message(conversation_id, seq)
        if message is None or not message.card_user_id:
            raise NotFound(Status.NOT_FOUND.value, "CARD_NOT_FOUND", "no card in that message")
        return await self.request_contact(
            message.card_user_id,
            greeting=greeting,
            source="card",
            conversation_id=conversation_id,
            seq=seq,
        )

    async def accept_contact(self, user_id: str) -> tuple[Contact, str]:
        """Accepts a request; returns the friend and the id of the direct conversation."""
        return await self._open().contacts.accept(user_id)

    async def decline_contact(self, user_id: str) -> None:
        """Declines a request; its sender is not told."""
        await self._open().contacts.decline(user_id)

    async def withdraw_contact(self, user_id: str) -> None:
        """Withdraws an own request."""
        await self._open().contacts.withdraw(user_id)

    async def update_contact(
        self,
        user_id: str,
        *,
        remark: str | None = None,
        tags: Iterable[str] | None = None,
        starred: bool | None = None,
    ) -> Contact:
        """Changes what a friend is to the account alone; None: as it is."""
        contact, fields = contact_pb2.Contact(), []
        if remark is not None:
            contact.remark = remark
            fields.append("remark")
        if tags is not None:
            contact.tags.extend(tags)
            fields.append("tags")
        if starred is not None:
            contact.starred = starred
            fields.append("starred")
        return await self._open().contacts.update(user_id, contact, fields)

    async def delete_contact(self, user_id: str) -> None:
        """Takes a friend out of the contacts; the other keeps the account in theirs."""
        await self._open().contacts.delete(user_id)

    async def block(self, user_id: str) -> Contact:
        """Refuses a user's messages and requests."""
        return await self._open().contacts.block(user_id)

    async def unblock(self, user_id: str) -> Contact:
        """Takes a block back."""
        return await self._open().contacts.unblock(user_id)

    async def create_contact_code(self, lifetime_seconds: int = 0) -> ContactCode:
        """Makes a code by which others can ask; 0: for a week. Its link is ADD_LINK + code."""
        return await self._open().contacts.create_code(lifetime_seconds)

    async def contact_codes(self) -> list[ContactCode]:
        """Returns the codes that work."""
        return await self._open().contacts.codes()

    async def revoke_contact_code(self, code_id: str) -> None:
        """Makes a code work no more."""
        await self._open().contacts.revoke_code(code_id)

    async def resolve_contact_code(self, code: str) -> str:
        """Returns the id of the user whose code, or link, it is."""
        return await self._open().contacts.resolve_code(code.removeprefix(ADD_LINK))
