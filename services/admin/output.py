"""What the operator sees: tables for people, JSON for scripts, nothing that steers a terminal."""

import json
import sys
from collections.abc import Sequence
from typing import Any
from unicodedata import east_asian_width

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

WIDEST = 60


def write(text: str) -> None:
    """Writes a line to standard output."""
    sys.stdout.write(text + "\n")


def as_json(value: Message | Sequence[Message]) -> str:
    """Returns messages as JSON, with the names of the contract and without what is empty."""
    content = _plain(value) if isinstance(value, Message) else [_plain(one) for one in value]
    return json.dumps(content, ensure_ascii=False, indent=2)


def _plain(message: Message) -> Any:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table; what somebody else wrote is shown in one line, and cut."""
    cells = [list(headings), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(_width(row[place]) for row in cells) for place in range(len(headings))]

    def line(row: Sequence[str]) -> str:
        padded = zip(row, widths, strict=True)
        return "  ".join(cell + " " * (width - _width(cell)) for cell, width in padded).rstrip()

    return "\n".join(line(row) for row in cells)


def clean(text: str) -> str:
    """Takes out what is not to be seen: it could steer the terminal."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return shown if len(shown) <= WIDEST else shown[: WIDEST - 1] + "…"


def _width(text: str) -> int:
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def moment(stamp: Timestamp) -> str:
    """Returns a time in UTC, to the second; empty when there is none."""
    if not stamp.seconds:
        return ""
    return f"{stamp.ToDatetime():%Y-%m-%d %H:%M:%S}"
