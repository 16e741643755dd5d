"""How the terminal client shows things: data on stdout, words on stderr, JSON for scripts."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hongyan_client.model import Conversation, Event
from hongyan_client.plain import to_json
from hongyan_client.terminal.strings import text


def event_json(event: Event) -> dict[str, Any]:
    """Turns an event into JSON, with its kind, such as "message_added", first."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    return {"event": kind, **to_json(event)}


def moment(when: datetime, now: datetime | None = None) -> str:
    """Shows a time as short as it stays clear: 14:03, yesterday 14:03, Mon 14:03, a date."""
    local = when.astimezone()
    today = (now or datetime.now().astimezone()).date()
    clock = local.strftime("%H:%M")
    days = (today - local.date()).days
    if days == 0:
        return clock
    if days == 1:
        return f"{text('yesterday')} {clock}"
    if 1 < days < 7:
        return f"{text('weekdays').split()[local.weekday()]} {clock}"
    return f"{local.strftime('%Y-%m-%d')} {clock}"


def separates(before: datetime | None, after: datetime) -> bool:
    """Returns whether a time stands between two messages: five minutes or more apart."""
    return before is None or after - before >= timedelta(minutes=5)


def one_line(words: str) -> str:
    """Takes control characters out: a message must not be able to steer the terminal.

    What joins emoji stays; what turns the direction of writing does not.
    """
    return "".join(it if it.isprintable() or _joins(it) else " " for it in words)


def _joins(character: str) -> bool:
    """Returns whether a character that shows nothing belongs to an emoji or a script."""
    return character in "\u200c\u200d" or "\U000e0020" <= character <= "\U000e007f"


def printable(words: str) -> str:
    """Like one_line, but keeps line breaks."""
    return "\n".join(one_line(line) for line in words.split("\n"))


class Output:
    """Prints for people, or for scripts when `json` is on."""

    def __init__(self, *, json_lines: bool) -> None:
        self.json = json_lines
        self.console = Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())
        self.errors = Console(file=sys.stderr, highlight=False, soft_wrap=True)

    def data(self, value: Any) -> None:
        """Prints one JSON document on a line of its own."""
        print(json.dumps(to_json(value), ensure_ascii=False), flush=True)  # noqa: T201

    def say(self, words: str, style: str = "") -> None:
        """Says something to a person, on stderr."""
        self.errors.print(Text(words, style=style))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Prints a table; columns are keys of the strings table."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            name = text(f"column.{column}")
            numeric = column == "unread"
            table.add_column(name, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*[escape(one_line(it)) for it in row])
        self.console.print(table)


def conversation_json(conversation: Conversation, names: Mapping[str, str]) -> dict[str, Any]:
    """Returns a conversation's JSON, with its members' names."""
    document: dict[str, Any] = to_json(conversation)
    for member in document["members"]:
        member["display_name"] = names.get(member["user_id"], "")
    return document
