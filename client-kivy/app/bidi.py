"""In which order the parts of a line stand when some of it is written from right to left.

The short form of Unicode's algorithm (UAX 9): without explicit marks, by whole words.
"""

import re
import unicodedata
from collections.abc import Sequence

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")


def direction(text: str) -> str:
    """Returns "R" or "L" for the first letter that has a direction, "N" for a number, else ""."""
    number = ""
    for char in text:
        kind = unicodedata.bidirectional(char)
        if kind in ("R", "AL"):
            return "R"
        if kind == "L":
            return "L"
        if kind in ("EN", "AN"):
            number = "N"
    return number


def begins_right(text: str) -> bool:
    """Says whether a text is one that begins at the right."""
    return next((it for it in map(direction, text) if it in ("L", "R")), "L") == "R"


def levels(parts: Sequence[str], base: int) -> list[int]:
    """Returns the level of each part of a line, 1 for what goes from right to left; `base` is 1
    in a text that begins at the right."""
    kinds = [direction(it) for it in parts]
    left = 2 if base else 0
    found: list[int] = []
    strong = "R" if base else "L"
    for at, kind in enumerate(kinds):
        if kind == "R":
            found.append(1)
        elif kind == "L":
            found.append(left)
        elif kind == "N":
            found.append(2 if strong == "R" else left)
        else:
            after = next((it for it in kinds[at + 1 :] if it in ("L", "R")), "")
            same = after == strong and at > 0
            found.append((1 if strong == "R" else left) if same else base)
        if kind in ("L", "R"):
            strong = kind
    return found


def order(found: Sequence[int]) -> list[int]:
    """Returns the places of parts from left to right, by their levels (rule L2)."""
    places = list(range(len(found)))
    for level in range(max(found, default=0), 0, -1):
        at = 0
        while at < len(places):
            end = at
            while end < len(places) and found[places[end]] >= level:
                end += 1
            if end > at:
                places[at:end] = places[at:end][::-1]
            at = max(end, at + 1)
    return places
