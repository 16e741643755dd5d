"""The command line: which account, which gateway, and a link to follow."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from app.desktop.profiles import data_home
from app.desktop.single import Instance, hand_over

DEFAULT_ADDRESS = "http://127.0.0.1:8080"
SCHEME = "hongyan://"
EXAMPLES = """examples:
  hongyan-desktop                          the account that was used last
  hongyan-desktop --profile work           another one, with its own window
  hongyan-desktop hongyan://add/…          follow a link, in the window that is open

A profile is open once: a second start brings its window to the front, hands the link over, and
ends. The environment variable HONGYAN_ADDRESS_URL names the gateway too, where none was chosen in
the app."""


def link(text: str) -> str:
    """Returns a link that the app knows how to follow; refuses anything else."""
    if text and not text.startswith(SCHEME):
        raise argparse.ArgumentTypeError(f"a link begins with {SCHEME}")
    return text


def profile(text: str) -> str:
    """Returns the name of a profile, which is one folder's name; refuses anything else."""
    if not text or text in (".", "..") or set(text) & set('/\\:*?"<>|\0'):
        raise argparse.ArgumentTypeError("a profile is named like a folder")
    return text


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="hongyan-desktop",
        description="鸿雁 Hongyan, an instant messenger.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("link", nargs="?", type=link, default="", help="a hongyan:// link to follow")
    made.add_argument(
        "--address",
        default="",
        help=f"the gateway (what was chosen in the app, else {gateway()})",
    )
    made.add_argument(
        "--profile", type=profile, default="desktop", help="which of several accounts to be"
    )
    made.add_argument("--home", type=Path, help="the profile's folder, instead of its name")
    made.add_argument("--version", action="version", version=f"hongyan-desktop {version()}")
    return made


def gateway() -> str:
    """Returns the gateway where nobody has chosen one."""
    return os.environ.get("HONGYAN_ADDRESS_URL") or DEFAULT_ADDRESS


def version() -> str:
    """Returns the version of what is installed."""
    try:
        return metadata.version("hongyan")
    except metadata.PackageNotFoundError:
        return "of a checkout"


def run(arguments: Sequence[str] | None = None) -> None:
    """The entry point."""
    given = parser().parse_args(arguments)
    home: Path = given.home or data_home() / given.profile
    instance = Instance(home)
    if not instance.claim():
        if hand_over(home, given.link):
            return
        sys.exit("hongyan-desktop: this profile is open in a process that does not answer")
    # It opens the display, which nobody needs who only hands something over.
    from app.main import HongyanApp  # noqa: PLC0415

    app = HongyanApp(given.address, home)
    app.desktop.instance, app.desktop.link = instance, given.link
    asyncio.run(_run(app))


async def _run(app: Any) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows
        for it in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(it, app.stop)
    await app.run_until_closed()
