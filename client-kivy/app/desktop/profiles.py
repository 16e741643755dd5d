"""The accounts of this device: a profile is a folder, and has a card that says whose it is."""

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from hongyan_client.tokens import write_private

CARD = "account.json"


@dataclass(frozen=True, slots=True)
class Card:
    """Who is, or was, logged in: what a list of accounts shows without asking a server."""

    user_id: str
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile of this device; without a card nobody has ever logged in."""

    home: Path
    card: Card | None


def data_home() -> Path:
    """Returns where a user's own data lies on this system."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~")).expanduser() / "Hongyan"
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/Hongyan").expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "hongyan"


def write_card(home: Path, card: Card) -> None:
    """Keeps whose a profile is."""
    if read_card(home) != card:
        write_private(home / CARD, json.dumps(asdict(card), ensure_ascii=False))


def read_card(home: Path) -> Card | None:
    """Returns whose a profile is; None when nobody's, or when the file is damaged."""
    try:
        return Card(**json.loads((home / CARD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def beside(home: Path) -> list[Profile]:
    """Returns the profiles in the same folder as one, that one first, the others by name."""
    others = [it.parent for it in home.parent.glob(f"*/{CARD}") if it.parent != home]
    found = [Profile(it, read_card(it)) for it in sorted(others)]
    return [Profile(home, read_card(home)), *(it for it in found if it.card)]


def fresh(home: Path) -> Path:
    """Returns the folder for one more account beside a profile; nothing is made yet."""
    number = 2
    while read_card(place := home.parent / f"account-{number}") or place == home:
        number += 1
    return place


def erase(home: Path, user_id: str) -> None:
    """Deletes what a profile has of an account: messages, pictures, and whose it was."""
    for path in (home / "accounts").glob(f"{user_id}.*"):
        path.unlink(missing_ok=True)
    shutil.rmtree(home / "pictures", ignore_errors=True)
    (home / CARD).unlink(missing_ok=True)
