"""Names in the order in which a Chinese address book has them: by pinyin, Latin and the rest."""

import os
import unicodedata

# Its phrases cost 44 MB of memory and tell nothing about names; surnames are below.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "true")

from pypinyin import Style, lazy_pinyin

OTHERS = "#"
# Surnames that are said otherwise than the character is most of the time.
SURNAMES = {
    "万俟": "mo qi",
    "尉迟": "yu chi",
    "单于": "chan yu",
    "单": "shan",
    "曾": "zeng",
    "解": "xie",
    "仇": "qiu",
    "区": "ou",
    "查": "zha",
    "朴": "piao",
    "盖": "ge",
    "乐": "yue",
    "重": "chong",
    "种": "chong",
    "秘": "bi",
    "员": "yun",
    "召": "shao",
    "缪": "miao",
    "折": "she",
    "黑": "he",
    "洗": "xian",
    "翟": "zhai",
}
"""After the readings of surnames in 现代汉语词典."""


def pinyin(name: str) -> str:
    """Returns a name as it is said, in lower case, without accents: 王伟 is wangwei."""
    return "".join(_said(name))


def initials(name: str) -> str:
    """Returns the first letters of what a name is said as: 王伟 is ww."""
    return "".join(it[:1] for it in _said(name))


def initial(name: str) -> str:
    """Returns the letter under which a name stands: A to Z, or # for what has none."""
    first = pinyin(name.strip())[:1].upper()
    return first if first.isascii() and first.isalpha() else OTHERS


def place(name: str) -> tuple[bool, str, str]:
    """Returns by what names are ordered: those without a letter come last."""
    return initial(name) == OTHERS, pinyin(name), name


def _said(name: str) -> list[str]:
    """Returns each character, or word of another script, as it is said."""
    surname = next((it for it in SURNAMES if name.startswith(it)), "")
    said = SURNAMES[surname].split() if surname else []
    said += lazy_pinyin(name[len(surname) :], style=Style.NORMAL)
    return [_plain(it) for it in said]


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text)
    return "".join(it for it in letters if not unicodedata.combining(it)).casefold()
