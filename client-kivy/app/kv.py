"""Loads the .kv file beside a module."""

from pathlib import Path

from kivy.lang import Builder


def load(module_file: str) -> None:
    """Loads the rules of a module once."""
    path = str(Path(module_file).with_suffix(".kv"))
    if path not in Builder.files:
        Builder.load_file(path, encoding="utf8")
