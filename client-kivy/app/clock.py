"""When something was, as people say it."""

from datetime import datetime, timedelta

from app.strings import Words

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
