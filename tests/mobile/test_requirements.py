"""What the app imports is what a phone gets, and the packing says one thing everywhere."""

import ast
import sys
import tomllib
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from app.strings import TABLE
from app.text import CLUSTER
from packing import fonts, icon, stage
from tests.mobile import phone

# What a phone does without: each is imported where it is used, after a question.
DESKTOP_ONLY = {"cv2", "darkdetect", "jeepney", "keyring", "zxingcpp"}
# The contract and the app itself; what the recipes of python-for-android and kivy-ios bring.
OWN = {"app", "hongyan_client", "hongyan", "buf", "jnius", "android", "ios"}
PICTURE_BYTES = 30 * 1024


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phone") / "phone"
    stage.lay_out(folder, "https://chat.example.org")
    return folder


def imported(path: Path) -> set[str]:
    """Returns the packages that a module imports, at its top and inside of functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {it.name for it in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return {it.partition(".")[0] for it in found}


def test_all_that_is_imported_comes_with_a_requirement(laid_out: Path) -> None:
    required = {canonicalize_name(Requirement(it).name) for it in phone.requirements()}
    owners = packages_distributions()
    missing = {
        f"{name} of {path.relative_to(laid_out)}"
        for path in laid_out.rglob("*.py")
        for name in imported(path) - sys.stdlib_module_names - OWN - DESKTOP_ONLY
        if not required & {canonicalize_name(it) for it in owners.get(name, ())}
    }
    assert missing == set(), "name it in buildozer.spec, and see whether a phone can have it"


def test_a_phone_gets_rules_pictures_and_its_gateway_but_no_terminal(laid_out: Path) -> None:
    def names(folder: Path) -> set[str]:
        return {it.name for it in folder.rglob("*.kv")}

    assert names(laid_out / "app") == names(stage.CLIENT / "app")
    assert (laid_out / "main.py").exists()
    assert (laid_out / "app" / "data" / "icon.png").exists()
    assert (laid_out / "gateway").read_text(encoding="utf-8") == "https://chat.example.org\n"
    assert not (laid_out / "hongyan_client" / "terminal").exists()


def test_the_versions_are_one() -> None:
    project = tomllib.loads((stage.CLIENT.parent / "pyproject.toml").read_text(encoding="utf-8"))
    spec = ConfigParser(interpolation=None)
    spec.read(phone.SPEC, encoding="utf-8")
    assert spec["app"]["version"] == project["project"]["version"]


def test_the_pictures_are_small_and_show_a_white_bird_on_green() -> None:
    for name in ("icon", "presplash", "ground"):
        assert (icon.DATA / f"{name}.png").stat().st_size <= PICTURE_BYTES
    kept = Image.open(icon.DATA / "icon.png").convert("RGBA")
    for picture in (kept, icon.icon()):
        assert picture.getpixel((0, 0))[3] == 0
        assert picture.getpixel((256, 40)) == (0x06, 0x7A, 0x3E, 255)
        assert picture.getpixel((256, 300)) == (255, 255, 255, 255)


def test_the_letters_of_a_bundle_are_those_of_gb2312_and_of_every_text_of_the_app() -> None:
    kept = fonts.letters()
    assert {ord(it) for it in "灵灵波波梅子老王鸿雁，。！？「」ＡＢ龍馬かカäßЖΩ€①→✓"} <= kept
    assert sum(0x4E00 <= it <= 0x9FFF for it in kept) > 6763
    texts = "".join(text for both in TABLE.values() for text in both)
    assert {
        it for it in CLUSTER.sub("", texts) if it.isprintable() and ord(it) not in kept
    } == set()
