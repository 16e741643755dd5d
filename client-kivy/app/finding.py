"""What a few letters mean: names by their characters, by how they are said, or its initials."""

from functools import lru_cache

from hongyan_client import sorting


@lru_cache(maxsize=20_000)
def _said(name: str) -> tuple[str, str, str]:
    """Returns how a name is written and said, in small letters and without spaces."""
    return (
        "".join(name.casefold().split()),
        "".join(sorting.pinyin(name).split()),
        sorting.initials(name),
    )


def means(words: str, name: str) -> bool:
    """Returns whether words are a part of a name, or of how it is said, whole (wangwei) or by
    first letters (ww); no words mean all names."""
    wanted = "".join(words.casefold().split())
    return any(wanted in it for it in _said(name))
