"""Names in the order in which a Chinese address book has them: by pinyin, Latin and the rest."""

import unicodedata

from pypinyin import Style, lazy_pinyin

OTHERS = "#"


def pinyin(name: str) -> str:
    """Returns a name as it is said, in lower case, without accents: 王伟 is wangwei."""
    said = unicodedata.normalize("NFKD", "".join(lazy_pinyin(name, style=Style.NORMAL)))
    return "".join(it for it in said if not unicodedata.combining(it)).casefold()


def initials(name: str) -> str:
    """Returns the first letter of how each part of a name is said: 王伟 is ww, Kai Li is kl."""
    parts = (part for word in name.split() for part in lazy_pinyin(word, style=Style.NORMAL))
    return "".join(pinyin(it)[:1] for it in parts)


def initial(name: str) -> str:
    """Returns the letter under which a name stands: A to Z, or # for what has none."""
    first = pinyin(name.strip())[:1].upper()
    return first if first.isascii() and first.isalpha() else OTHERS


def place(name: str) -> tuple[bool, str, str]:
    """Returns by what names are ordered: those without a letter come last."""
    return initial(name) == OTHERS, pinyin(name), name
