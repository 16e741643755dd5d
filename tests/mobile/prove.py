"""Proves what can be proved of the phones without one: `python -m tests.mobile.prove`.

It asks pip for the wheels of each phone, python-for-android and kivy-ios for their recipes,
and lets what pip found, where it is pure, talk through a running system. Only pip needs a network.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from loadtest.accounts import OPEN_LIMITS
from services.embedded.settings import Settings
from services.embedded.system import System
from tests.faults.people import Town
from tests.mobile import phone

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Phone:
    """A kind of phone: what builds for it, its Python, and which wheels fit it."""

    name: str
    tool: str
    recipes: str
    python: str
    platforms: tuple[str, ...]
    needs_not: frozenset[str]
    takes_only_pure: bool
    """Whether its tool fails on wheels that are made for it."""


# minapi 24 takes wheels for 21 to 24, iOS 13 those for 12 and 13.
PHONES = (
    Phone(
        "android_24_arm64_v8a",
        "python-for-android==2026.5.9",
        "android_recipes.py",
        "3.13",
        tuple(f"android_{api}_arm64_v8a" for api in (24, 23, 22, 21)),
        frozenset(),
        True,
    ),
    Phone(
        "ios_13_0_arm64_iphoneos",
        "kivy-ios==2025.5.17",
        "ios_recipes.py",
        "3.11",
        ("ios_13_0_arm64_iphoneos", "ios_12_0_arm64_iphoneos"),
        frozenset({"pyjnius", "android"}),
        False,
    ),
)


def run(*command: str) -> str:
    """Runs a program and returns what it printed; shows what it complained of if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr}")
    return done.stdout


def recipes(it: Phone, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Returns the recipes that a phone's tool takes, with versions, and what is left for pip.

    What is left stands as the app asks for it, with its version if it has one.
    """
    venv.create(folder / "tool", with_pip=True)
    python = str(folder / "tool" / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", it.tool)
    wanted = [one for one in phone.requirements() if Requirement(one).name not in it.needs_not]
    printed = json.loads(run(python, str(HERE / it.recipes), *wanted).splitlines()[-1])
    asked = {Requirement(one).name: one for one in wanted}
    return printed["recipes"], [asked.get(name, name) for name in printed["modules"]]


def wheels(it: Phone, python: str, modules: list[str], folder: Path) -> Path:
    """Lets pip find wheels for a phone, never anything to build; returns the folder with them."""
    folder.mkdir(parents=True)
    fit = [f"--platform={one}" for one in it.platforms]
    run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"),
        *(*fit, "--python-version", python, "--implementation", "cp", "--dest", str(folder)),
        *modules,
    )
    return folder


def recipe_lines(built: dict[str, str]) -> list[str]:
    """Returns what is built by a recipe, in order."""
    return [f"  {name:30} {version:18} recipe" for name, version in built.items()]


def wheel_lines(built: dict[str, str], found: Path) -> list[str]:
    """Returns how each other package comes: pure, or made for this kind of phone."""
    lines = []
    for wheel in sorted(found.glob("*.whl")):
        name, version, _, tags = parse_wheel_filename(wheel.name)
        if name in map(canonicalize_name, built):
            continue
        pure = all(it.platform == "any" and it.abi == "none" for it in tags)
        kind = "pure wheel" if pure else next(iter(tags)).platform
        lines.append(f"  {name:30} {version!s:18} {kind}")
    return lines


async def talk(site: Path, folder: Path) -> dict[str, object]:
    """Lets a phone with these packages talk through a running system."""
    async with (
        System(Settings(home=folder / "system", port=0), environment=OPEN_LIMITS) as system,
        Town(system, folder) as town,
    ):
        return await phone.talk(town, site, folder)


def main() -> None:
    """Proves it, phone by phone."""
    for it in PHONES:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            built, modules = recipes(it, folder)
            print(f"{it.name}, {it.tool}", *recipe_lines(built), sep="\n")
            for python in dict.fromkeys((it.python, "3.13")):
                found = wheels(it, python, modules, folder / "wheels" / python)
                lines = wheel_lines(built, found)
                print(f"  for Python {python}:", *lines, sep="\n")
                assert not it.takes_only_pure or all(one.endswith("pure wheel") for one in lines)
            site = folder / "site"
            names = phone.site_of_wheels(site, folder / "wheels" / it.python)
            report = asyncio.run(talk(site, folder))
            print(
                f"  talked with {len(names)} pure wheels: {json.dumps(report, ensure_ascii=False)}"
            )
            assert report["compiled"] == []


if __name__ == "__main__":
    main()
