"""When something was, as people say it."""

from datetime import datetime, timedelta

from app.strings import Words
from hongyan_client.model import FOR_EVER

# Messages further apart than this have a time between them.
APART = timedelta(minutes=5)


def short(when: datetime, now: datetime, words: Words) -> str:
    """Returns a time for a list: 09:05 today, 昨天, 周二, 3月8日, 2025年3月8日."""
    when, now = when.astimezone(), now.astimezone()
    days = (now.date() - when.date()).days
    if days <= 0:
        return f"{when:%H:%M}"
    if days == 1:
        return words("time.yesterday")
    if days < 7:
        return words.weekday(when.weekday())
    if when.year == now.year:
        return words("time.month", month=when.month, day=when.day)
    return words("time.year", year=when.year, month=when.month, day=when.day)


def full(when: datetime, now: datetime, words: Words) -> str:
    """Returns a time for between messages: with the hour, whatever the day."""
    hour = f"{when.astimezone():%H:%M}"
    day = short(when, now, words)
    return hour if day == hour else f"{day} {hour}"


UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def span(seconds: int, words: Words) -> str:
    """Returns how long something lasts, in the greatest unit that says it exactly."""
    unit, name = next((unit, name) for unit, name in UNITS if seconds % unit == 0)
    count = seconds // unit
    return words(f"span.{name}" if count == 1 else f"span.{name}s", count=count)


def until(when: datetime, now: datetime, words: Words) -> str:
    """Returns until when something that is not over lasts; what has no end is for ever."""
    if when >= FOR_EVER:
        return words("span.forever")
    when, now = when.astimezone(), now.astimezone()
    text = f"{when:%H:%M}"
    if when.date() != now.date():
        year = when.year != now.year
        key = "time.year" if year else "time.month"
        text = f"{words(key, year=when.year, month=when.month, day=when.day)} {text}"
    return words("span.until", when=text)
