"""The docs say what is there: the file map, the links, the settings."""

import importlib.util
import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from services.chat.settings import Settings as ChatSettings
from services.embedded.settings import Settings as EmbeddedSettings
from services.gate.settings import Settings as GateSettings
from services.status.settings import Settings as StatusSettings
from services.verify.settings import Settings as VerifySettings

ROOT = Path(__file__).resolve().parents[3]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
READMES = ("README.md", "README.zh-CN.md")
SETTINGS = (EmbeddedSettings, GateSettings, VerifySettings, ChatSettings, StatusSettings)


def load(name: str):
    specification = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_file_map_is_what_the_modules_say():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert page == load("map").with_map(page), "run make proto"


def test_the_table_of_rest_is_what_the_contract_says():
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert "<!-- rest -->" in page
    assert page == load("rest").with_table(page), "run make proto"


def test_every_module_says_in_its_first_line_what_it_owns():
    first_line = load("map").first_line
    silent = [
        str(path.relative_to(ROOT))
        for folder in ("services", "client-kivy", "loadtest")
        for path in (ROOT / folder).rglob("*.py")
        if path.stat().st_size and not first_line(path)
    ]
    assert silent == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


def variables(settings: type[BaseSettings]) -> set[str]:
    return {f"HONGYAN_{name.upper()}" for name in settings.model_fields}


@pytest.mark.parametrize("readme", READMES)
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: one.__module__)
def test_every_setting_is_in_the_readme(readme, settings):
    text = (ROOT / readme).read_text(encoding="utf-8")
    assert sorted(name for name in variables(settings) if f"`{name}`" not in text) == []


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_names_no_setting_that_is_not_there(readme):
    known = set().union(*(variables(settings) for settings in SETTINGS))
    clients = {f"HONGYAN_{it}" for it in ("ADDRESS_URL", "CLIENT_HOME", "FONT", "PASSWORD")}
    tests = {"HONGYAN_TEST_MYSQL_URL", "HONGYAN_FAULT_ROUNDS"}
    text = (ROOT / readme).read_text(encoding="utf-8")
    named = set(re.findall(r"`(HONGYAN_[A-Z_]+)", text))
    assert named - known - clients - tests == set()
