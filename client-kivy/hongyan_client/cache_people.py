"""The people in the cache: contacts and requests, and what events do to a group."""

from collections.abc import Collection
from dataclasses import replace

from hongyan.chat.v1 import contact_pb2, conversation_pb2

from hongyan_client.cache_base import CacheBase
from hongyan_client.convert_people import from_group, to_contact, to_contact_request, to_group
from hongyan_client.model import Contact, ContactRequest, Group, GroupEvent, Message

# A picture of a group shows so many at most.
PICTURED = 9


class PeopleTable(CacheBase):
    """Contacts, requests to be friends, and groups."""

    # Contacts

    def put_contact(self, contact: contact_pb2.Contact) -> Contact:
        """Takes over what a user is to the account; one that is nothing is forgotten."""
        if contact.friend or contact.blocked:
            self._database.execute(
                "INSERT OR REPLACE INTO contact VALUES (?, ?)",
                (contact.user_id, contact.SerializeToString()),
            )
        else:
            self._database.execute("DELETE FROM contact WHERE user_id = ?", (contact.user_id,))
        return to_contact(contact)

    def contact(self, user_id: str) -> Contact:
        """Returns what a user is to the account."""
        row = self._one("SELECT data FROM contact WHERE user_id = ?", user_id)
        if row is None:
            return Contact(user_id)
        return to_contact(contact_pb2.Contact.FromString(row[0]))

    def contacts(self) -> list[Contact]:
        """Returns friends, and users whom the account has blocked."""
        rows = self._database.execute("SELECT data FROM contact ORDER BY user_id")
        return [to_contact(contact_pb2.Contact.FromString(data)) for (data,) in rows]

    def put_contact_request(self, request: contact_pb2.ContactRequest) -> ContactRequest:
        """Takes over a request to be friends."""
        self._database.execute(
            "INSERT OR REPLACE INTO contact_request VALUES (?, ?)",
            (request.user_id, request.SerializeToString()),
        )
        return to_contact_request(request)

    def contact_requests(self) -> list[ContactRequest]:
        """Returns the requests that the account has sent and got, the newest first."""
        rows = self._database.execute("SELECT data FROM contact_request")
        found = [
            to_contact_request(contact_pb2.ContactRequest.FromString(data)) for (data,) in rows
        ]
        return sorted(found, key=lambda it: it.created_at, reverse=True)

    def keep_people(self, contacts: Collection[str], requests: Collection[str]) -> list[Contact]:
        """Forgets the contacts and requests of all others; returns what became of contacts."""
        gone = [Contact(it.user_id) for it in self.contacts() if it.user_id not in contacts]
        for it in gone:
            self._database.execute("DELETE FROM contact WHERE user_id = ?", (it.user_id,))
        for asked in self.contact_requests():
            if asked.user_id not in requests:
                self._database.execute(
                    "DELETE FROM contact_request WHERE user_id = ?", (asked.user_id,)
                )
        return gone

    # Groups

    def put_group(self, conversation_id: str, group: Group, *, newer: bool = False) -> None:
        """Takes over what a group is; `newer` keeps what is here when its list is newer."""
        known = self.group(conversation_id)
        if newer and known and known.member_version > group.member_version and group.role:
            return
        self._database.execute(
            "UPDATE conversation SET group_data = ? WHERE conversation_id = ?",
            (from_group(group).SerializeToString(), conversation_id),
        )

    def put_waiting(self, conversation_id: str, count: int) -> None:
        """Takes over how many wait to be let into a group."""
        if known := self.group(conversation_id):
            self.put_group(conversation_id, replace(known, waiting_count=count))

    def group(self, conversation_id: str) -> Group | None:
        """Returns what a group is, None when that is not known."""
        row = self._one(
            "SELECT group_data FROM conversation WHERE conversation_id = ?", conversation_id
        )
        if row is None or row[0] is None:
            return None
        return to_group(conversation_pb2.Group.FromString(row[0]))

    def apply_event(self, message: Message) -> None:
        """Does to a group what an event says; one that is older than what is here does nothing."""
        event, group = message.event, self.group(message.conversation_id)
        if event is None or group is None or event.member_version <= group.member_version:
            return
        me = self.user_id
        group = replace(
            group,
            member_count=event.member_count,
            member_version=event.member_version,
            picture_user_ids=_pictured(group, event),
        )
        match event.what:
            case "joined" if me in event.user_ids:
                group = replace(group, role="member")
            case "left" if me in event.user_ids:
                group = replace(group, role="", member_count=0)
            case "role" if me in event.user_ids:
                group = replace(group, role=event.role)
            case "transferred" if me in event.user_ids:
                group = replace(group, role="owner")
            case "transferred" if message.sender_id == me:
                group = replace(group, role="admin")
            case "changed" if event.settings:
                group = replace(group, settings=event.settings)
            case "announced":
                seq = message.seq if event.text else 0
                group = replace(group, announcement=event.text, announcement_seq=seq)
            case "silenced" if me in event.user_ids:
                group = replace(group, silenced_until=event.until)
            case "nickname" if message.sender_id == me:
                group = replace(group, nickname=event.text)
            case "dissolved":
                group = replace(group, role="", dissolved=True, member_count=0)
        self.put_group(message.conversation_id, group)

    def end_request(self, conversation_id: str) -> None:
        """Takes a conversation out of the box of requests: the account has answered."""
        self._database.execute(
            "UPDATE conversation SET request = 0 WHERE conversation_id = ?", (conversation_id,)
        )


def _pictured(group: Group, event: GroupEvent) -> tuple[str, ...]:
    """Returns who is in a group's picture after an event; the server's order comes with the
    group when it is fetched the next time."""
    known = group.picture_user_ids
    if event.what == "left":
        return tuple(it for it in known if it not in event.user_ids)
    if event.what == "joined":
        return (*known, *(it for it in event.user_ids if it not in known))[:PICTURED]
    return () if event.what == "dissolved" else known
