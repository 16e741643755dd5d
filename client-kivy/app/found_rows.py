"""The rows of what was found: people, groups and messages, under headings."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kivy.metrics import dp

from app import clock
from app.searching import Searching, snippet
from app.session import Session
from hongyan_client.model import Message

ROW, HEADING, LINE = 62.0, 32.0, 48.0
PERSON, GROUP, MESSAGE, MORE, ALL = "person:", "group:", "message:", "more", "all:"
TABS = ("all", "people", "groups", "messages")
FEW = 3
"""How many of a kind are shown where all kinds are."""


class FoundRows:
    """Makes rows for one moment."""

    def __init__(self, session: Session, faces: Any, words: Any) -> None:
        self._session, self._faces, self._words = session, faces, words
        self._now = datetime.now(UTC)

    def rows(self, found: Searching, tab: str = "all") -> list[dict[str, Any]]:
        """Returns what a tab shows of what was found."""
        data: list[dict[str, Any]] = []
        if tab in ("all", "people") and found.people:
            people = [
                _row(
                    PERSON + it.user_id,
                    it.name,
                    it.note,
                    found.words,
                    texture=self._faces.of_user(it.user_id),
                )
                for it in found.people
            ]
            data += self._part("people", people, tab)
        if tab in ("all", "groups") and found.groups:
            groups = [
                _row(
                    GROUP + it.conversation_id,
                    self._session.title(it),
                    self._words("pick.members", count=it.group.member_count) if it.group else "",
                    found.words,
                    texture=self._faces.of(it),
                )
                for it in found.groups
            ]
            data += self._part("groups", groups, tab)
        if tab in ("all", "messages"):
            data += self._messages(found)
        return data

    def _part(self, name: str, rows: Sequence[dict[str, Any]], tab: str) -> list[dict[str, Any]]:
        some = list(rows) if tab == name else list(rows[:FEW])
        if len(some) < len(rows):
            some.append(_line(ALL + name, self._words("search.all_of", count=len(rows))))
        return [_heading(self._words(f"search.{name}")), *some]

    def _messages(self, found: Searching) -> list[dict[str, Any]]:
        rows = [self._message(it, found) for it in found.messages]
        if found.more:
            rows.append(_line(MORE, self._words("search.more")))
        if rows:
            rows.insert(0, _heading(self._words("search.messages")))
        if found.busy:
            rows.append(_line("", self._words("search.busy")))
        elif found.away:
            rows.append(_line("", self._words("search.away")))
        elif found.indexing:
            rows.append(_line("", self._words("search.indexing")))
        return rows

    def _message(self, message: Message, found: Searching) -> dict[str, Any]:
        session = self._session
        conversation = session.client.conversation(message.conversation_id)
        mine = message.sender_id == session.user_id
        sender = self._words("you") if mine else session.name(message.sender_id) or "…"
        text = snippet(message.text, found.words)
        when = clock.short(message.created_at, self._now, self._words)
        key = f"{MESSAGE}{message.conversation_id}:{message.seq}"
        if found.conversation_id or conversation is None:
            face = self._faces.of_user(message.sender_id)
            return _row(key, sender, text, found.words, trailing=when, texture=face)
        if conversation.group or mine:
            text = self._words("chats.said", name=sender, text=text)
        return _row(
            key,
            session.title(conversation) or "…",
            text,
            found.words,
            trailing=when,
            texture=self._faces.of(conversation),
            plain=True,
        )


def _row(key: str, title: str, note: str, words: str, **values: Any) -> dict[str, Any]:
    shown = {"key": key, "title": title, "note": note, "words": words}
    return {**EMPTY, **shown, **values, "key_size": (None, dp(ROW))}


def _heading(text: str) -> dict[str, Any]:
    return {**EMPTY, "title": text, "kind": "heading", "key_size": (None, dp(HEADING))}


def _line(key: str, text: str) -> dict[str, Any]:
    return {**EMPTY, "key": key, "title": text, "kind": "line", "key_size": (None, dp(LINE))}


# Rows of a list share their widgets: each has every value.
EMPTY: dict[str, Any] = {
    "key": "",
    "kind": "row",
    "title": "",
    "note": "",
    "words": "",
    "trailing": "",
    "plain": False,
    "texture": None,
    "current": False,
}
