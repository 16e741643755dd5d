"""A phone as a folder: what packing lays out, pure packages beside it, and a talk from there."""

import asyncio
import json
import secrets
import shutil
import sys
import zipfile
from configparser import ConfigParser
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import distribution, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from loadtest.accounts import PASSWORD, mailed_code
from packing import stage
from tests.faults.people import Town, until
from tests.mobile.talk import ANSWER, HELLO, SECONDS

SPEC = stage.CLIENT / "buildozer.spec"
# What python-for-android builds by a recipe.
RECIPES = frozenset({"python3", "hostpython3", "kivy", "pyjnius", "android", "pillow"})
# What Kivy's recipe, as python-for-android has it, asks pip for; Kivy's wheel asks for more.
OF_KIVY = ("filetype", "requests")
COMPILED = (*EXTENSION_SUFFIXES, ".so", ".pyd", ".dylib")


def requirements() -> list[str]:
    """Returns the requirements in buildozer.spec, as they are written."""
    parser = ConfigParser(interpolation=None)
    parser.read(SPEC, encoding="utf-8")
    return [it.strip() for it in parser["app"]["requirements"].split(",")]


def pure_requirements() -> list[str]:
    """Returns those for which there is no recipe: they must be pure wheels."""
    return [it for it in requirements() if Requirement(it).name not in RECIPES]


def site_of_installed(folder: Path) -> list[str]:
    """Fills a folder with the pure parts of the installed packages that a phone gets.

    Returns the names of the packages, with all that they require.
    """
    asked = [Requirement(it).name for it in pure_requirements()]
    names = with_what_they_require([*asked, *OF_KIVY])
    for name in names:
        copy(name, folder, without=COMPILED)
    return sorted(names)


def with_what_they_require(waiting: list[str]) -> list[str]:
    """Returns installed packages and all that they require, on any system."""
    names: list[str] = []
    while waiting:
        if (name := canonicalize_name(waiting.pop())) in names:
            continue
        names.append(name)
        for line in requires(name) or ():
            needed = Requirement(line)
            if not needed.marker or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return names


def copy(name: str, folder: Path, without: tuple[str, ...] = ()) -> None:
    """Copies an installed package's files, without those that end so."""
    for path in distribution(name).files or ():
        if path.parts[0] == ".." or "__pycache__" in path.parts or path.name.endswith(without):
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path.locate(), folder / path)


def site_of_wheels(folder: Path, wheels: Path) -> list[str]:
    """Fills a folder with the pure wheels among those that pip found; returns their names."""
    pure = sorted(wheels.glob("*-none-any.whl"))
    for wheel in pure:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return [it.name for it in pure]


async def talk(town: Town, site: Path, folder: Path) -> dict[str, object]:
    """Lays out a phone, lets it talk with somebody on a desktop; returns what it printed."""
    laid_out, home = folder / "phone", folder / "home"
    stage.lay_out(laid_out)
    home.mkdir()
    bo = await town.newcomer("bo")
    email = f"phone-{secrets.token_hex(4)}@example.org"
    arguments = (site, laid_out, town.system.address, home, email, PASSWORD, bo.client.user_id)
    program = Path(__file__).with_name("talk.py")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-OO", str(program), *map(str, arguments)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"HOME": str(home)},
    )
    try:
        mail = town.system.mail_folder
        await until(
            lambda: child.returncode is not None or bool(mailed_code(mail, email)), "a mail"
        )
        assert child.stdin
        child.stdin.write(f"{mailed_code(mail, email)}\n".encode())
        await child.stdin.drain()
        shown = town.history.shown[bo.name]
        await until(lambda: any(it.text == HELLO for it in shown), "the phone's message", SECONDS)
        id = next(it.conversation_id for it in shown if it.text == HELLO)
        await bo.client.send(id, ANSWER)
        printed, _ = await asyncio.wait_for(child.communicate(), SECONDS)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return dict(json.loads(printed))
