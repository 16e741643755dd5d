"""Every text that the app shows, in Chinese and English: a module an area, one table of all."""

import locale
import os

from kivy.event import EventDispatcher
from kivy.properties import OptionProperty

from app.strings import (
    chat,
    chats,
    common,
    desktop,
    entry,
    groups,
    people,
    search,
    settings,
)

AREAS = (common, entry, chats, chat, people, groups, settings, search, desktop)
# key: (zh-CN, en). What the server refuses is looked up as "reason.<REASON>".
TABLE: dict[str, tuple[str, str]] = {
    key: texts for area in AREAS for key, texts in area.TEXTS.items()
}
LANGUAGES = {"zh": 0, "en": 1}
WEEKDAYS = (
    ("一", "Mon"),
    ("二", "Tue"),
    ("三", "Wed"),
    ("四", "Thu"),
    ("五", "Fri"),
    ("六", "Sat"),
    ("日", "Sun"),
)


class Words(EventDispatcher):
    """The texts in the language that is chosen; `language` can be bound."""

    language = OptionProperty("zh", options=list(LANGUAGES))

    def __call__(self, key: str, **values: object) -> str:
        """Returns a text with its values in it."""
        return TABLE[key][LANGUAGES[self.language]].format(**values)

    def refusal(self, reason: str) -> str:
        """Returns what to say of a refusal."""
        key = f"reason.{reason}"
        return self(key) if key in TABLE else self("error.unknown", reason=reason)

    def duration(self, seconds: int) -> str:
        """Returns a length of time in its largest whole unit: 1 小时, 7 days."""
        for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
            if seconds >= length and seconds % length == 0:
                return self(f"time.{unit}s", count=seconds // length)
        return self("time.seconds", count=seconds)

    def weekday(self, number: int) -> str:
        """Returns the day of the week, 0 for Monday."""
        return self("time.day", day=WEEKDAYS[number][LANGUAGES[self.language]])


def system_language() -> str:
    """Returns the language of the machine, Chinese unless it is another."""
    named = os.environ.get("LC_ALL") or os.environ.get("LANG") or locale.getlocale()[0] or ""
    return "en" if named.lower().startswith("en") else "zh"
