"""A new administrator's key: its hash goes into the file, the key itself is shown once."""

import os
from pathlib import Path

from services.common import admins


def add_key(file: Path, name: str) -> str:
    """Adds a key to the file and returns it; raises ValueError for a name that is there."""
    key = admins.new_key()
    line = admins.line_for(name, key)
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as keys:
        text = keys.read()
        if any(it.split(" ")[0] == name for it in text.splitlines()):
            raise ValueError(f"{name} has a key in {file}: remove that line first")
        keys.write(("" if not text or text.endswith("\n") else "\n") + line + "\n")
    return key
