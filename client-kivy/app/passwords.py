"""How good a new password looks before the server has said anything."""

LEAST, MOST = 8, 128
WEAK, FAIR, GOOD = 1, 2, 3
"""How many of three bars are full."""


def strength(password: str) -> int:
    """Returns 0 for what the server does not take, else WEAK, FAIR or GOOD.

    Length counts most; a few kinds of characters help. What many people use only the server
    knows.
    """
    if not LEAST <= len(password) <= MOST:
        return 0
    kinds = (
        any(it.islower() for it in password)
        + any(it.isupper() for it in password)
        + any(it.isdigit() for it in password)
        + any(not it.isalnum() for it in password)
    )
    varied = len(set(password)) >= LEAST - 2
    points = (len(password) >= 12) + (len(password) >= 16) + (kinds >= 3)
    return min(GOOD, WEAK + points) if varied else WEAK
