"""Who is meant by some letters: names by their characters, their pinyin, or its initials."""

from functools import lru_cache

from hongyan_client import sorting


@lru_cache(maxsize=4_096)
def _said(name: str) -> tuple[str, str]:
    """Returns a name's pinyin, and the first letters of it: 王伟 is wangwei and ww."""
    return sorting.pinyin(name), "".join(sorting.pinyin(it)[:1] for it in name if it.strip())


def names(query: str, name: str) -> bool:
    """Says whether a name is meant; an empty query means all."""
    wanted = query.strip().casefold()
    if wanted in name.casefold():
        return True
    if not wanted.isascii():
        return False
    return any(wanted.replace(" ", "") in it for it in _said(name))
