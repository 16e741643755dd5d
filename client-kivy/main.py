"""Where a bundle begins, on a phone and on a desktop; in a checkout it is `make client`."""

import os
import sys
from multiprocessing import freeze_support
from pathlib import Path

from app import phone

GATEWAY = Path(__file__).with_name("gateway")
"""The gateway that a bundle is made for, one line; docs/mobile.md says how it comes in."""


def start() -> None:
    """Runs the app."""
    freeze_support()
    phone.settle()
    if GATEWAY.is_file():
        os.environ.setdefault("HONGYAN_ADDRESS_URL", GATEWAY.read_text(encoding="utf-8").strip())
    # It reads folders and the gateway's address as soon as it is imported.
    from app.main import run  # noqa: PLC0415

    run([] if phone.is_phone() else sys.argv[1:])


if __name__ == "__main__":
    start()
