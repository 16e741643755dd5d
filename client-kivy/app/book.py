"""The address book: friends in order, and found by what one remembers of their names."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from app import finding
from app.session import Session
from hongyan_client import sorting
from hongyan_client.model import Contact, User


@dataclass(frozen=True, slots=True)
class Friend:
    """A friend as the book shows one."""

    contact: Contact
    name: str
    """What the account calls the friend: the remark, else the name."""
    user: User | None

    @property
    def user_id(self) -> str:
        """The user."""
        return self.contact.user_id

    @property
    def letter(self) -> str:
        """Under which letter the friend stands: A to Z, or # for what has none."""
        return _initial(self.name)

    def is_found_by(self, words: str) -> bool:
        """Returns whether the words are a part of the friend's name, remark or handle, or of
        how the names are said, whole (wangwei) or by first letters (ww)."""
        names = {self.name, self.user.display_name if self.user else ""}
        return is_found(words, names, self.user.handle if self.user else "")


def is_found(words: str, names: Iterable[str], handle: str = "") -> bool:
    """Returns whether the words are a part of a handle, or of one of the names as it is written
    or said, whole (wangwei) or by first letters (ww)."""
    words = "".join(words.casefold().split())
    return words in handle.casefold() or any(finding.means(words, it) for it in names)


async def friends(session: Session) -> list[Friend]:
    """Returns the friends who are not blocked, those with a star first, then by pinyin."""
    found = [
        Friend(it, session.name(it.user_id) or "…", session.user(it.user_id))
        for it in await session.client.contacts()
        if it.friend and not it.blocked
    ]
    return sorted(found, key=lambda it: (not it.contact.starred, _place(it.name)))


def tags(contacts: Iterable[Contact]) -> dict[str, list[str]]:
    """Returns the tags in the order of pinyin, each with the ids of the friends who have it."""
    found: dict[str, list[str]] = {}
    for it in contacts:
        if it.friend and not it.blocked:
            for tag in it.tags:
                found.setdefault(tag, []).append(it.user_id)
    return dict(sorted(found.items(), key=lambda it: _place(it[0])))


@lru_cache(maxsize=20_000)
def _place(name: str) -> tuple[bool, str, str]:
    return sorting.place(name)


@lru_cache(maxsize=20_000)
def _initial(name: str) -> str:
    return sorting.initial(name)
