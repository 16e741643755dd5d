"""How much a fault test does: a short round for every day, a long one for `make faults`."""

import os

LONG = os.environ.get("HONGYAN_FAULTS") == "long"
SOAK_SECONDS = float(os.environ.get("HONGYAN_SOAK_SECONDS", "180" if LONG else "24"))


def scaled(short: int, long: int) -> int:
    """Returns the figure of this round."""
    return long if LONG else short
