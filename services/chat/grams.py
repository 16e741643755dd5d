"""Grams: what of a text it can be found by.

Words are folded (width, case) and taken whole. Chinese, Japanese and Korean do without spaces:
a run of their characters becomes every two that stand together, and its last one alone, so that
what begins with a character finds that character wherever it stands. An emoji stands for itself.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise

# Of a longer word so many characters count.
LENGTH = 32
# A query of many grams is looked up by so many of them; the found texts are checked for all.
AT_MOST = 6

WORD, RUN, SYMBOL = "word", "run", "symbol"
# Scripts that are written without spaces between words.
_RUNS = (
    (0x1100, 0x11FF),  # Hangul, as single letters
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3041, 0x30FF),  # Hiragana and Katakana
    (0x3105, 0x318F),  # Bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x3FFFD),
)


@dataclass(frozen=True, slots=True)
class Term:
    """A piece of a text: a word, a run of characters without spaces, or a symbol."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: all of `terms`; a word that comes last may go on."""

    terms: tuple[Term, ...]

    @property
    def exact(self) -> tuple[str, ...]:
        """Grams that every text has that is looked for, the most telling first."""
        found: set[str] = set()
        for place, term in enumerate(self.terms):
            if not self._goes_on(place):
                found.update(_pairs(term) if term.kind == RUN else [_word(term)])
        # A long word is rarer than a short one.
        return tuple(sorted(found, key=lambda gram: (-len(gram), gram))[:AT_MOST])

    @property
    def beginnings(self) -> tuple[str, ...]:
        """With what a gram must begin in every text that is looked for."""
        found = {_word(term) for place, term in enumerate(self.terms) if self._goes_on(place)}
        return tuple(sorted(found)[:AT_MOST])

    def matches(self, text: str) -> bool:
        """Says whether a text has all that is looked for."""
        terms = set(split(text))
        return all(
            any(_has(found, term, self._goes_on(place)) for found in terms)
            for place, term in enumerate(self.terms)
        )

    def _goes_on(self, place: int) -> bool:
        """Whether more may follow: after a single character, and after the last word."""
        term = self.terms[place]
        if term.kind == RUN:
            return len(term.text) == 1
        return term.kind == WORD and place == len(self.terms) - 1


def split(text: str) -> Iterator[Term]:
    """Yields the terms of a text, folded."""
    for kind, characters in groupby(_fold(text), _kind):
        if kind == SYMBOL:
            yield from (Term(kind, character) for character in characters)
        elif kind:
            yield Term(kind, "".join(characters))


def grams(text: str) -> frozenset[str]:
    """Returns what a text is found by."""
    found: set[str] = set()
    for term in split(text):
        if term.kind == RUN:
            found.update(_pairs(term))
            found.add(term.text[-1])
        else:
            found.add(_word(term))
    return frozenset(found)


def _fold(text: str) -> str:
    """Makes one of what differs in width, case or composition only."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@lru_cache(maxsize=20_000)
def _kind(character: str) -> str:
    code = ord(character)
    category = unicodedata.category(character)
    if category[0] in "LNM":
        # What follows a character and changes how it looks is no word.
        if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or code == 0x20E3:
            return ""
        return RUN if any(first <= code <= last for first, last in _RUNS) else WORD
    return SYMBOL if category == "So" else ""


def _pairs(run: Term) -> Iterator[str]:
    return (one + following for one, following in pairwise(run.text))


def _word(term: Term) -> str:
    return term.text[:LENGTH]


def _has(found: Term, wanted: Term, goes_on: bool) -> bool:
    if found.kind != wanted.kind:
        return False
    if wanted.kind == RUN:
        return wanted.text in found.text
    return found.text.startswith(wanted.text) if goes_on else found.text == wanted.text


def query(text: str) -> Query:
    """Returns what a query asks for; without terms if there is no word or character in it."""
    return Query(tuple(split(text)))
