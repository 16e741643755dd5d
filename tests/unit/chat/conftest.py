"""Chat's rules on the real store: a migrated SQLite database for each test."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.chat.rules import Chat
from services.common import migrations
from services.common.database import Database
from tests.unit.chat.world import World, make_chat


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with chat's tables, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "chat.db"
    migrations.upgrade("chat", f"sqlite:///{path}")
    return path


@pytest.fixture
def database_file(migrated: Path, tmp_path: Path) -> Path:
    """A database file with chat's tables and nothing in them."""
    return Path(shutil.copy(migrated, tmp_path / "chat.db"))


@pytest.fixture
async def world(database_file: Path) -> AsyncIterator[World]:
    """One chat pod's database."""
    database = Database(f"sqlite:///{database_file}", pool=8)
    yield World(database)
    await database.close()


@pytest.fixture
async def other_pod(database_file: Path) -> AsyncIterator[World]:
    """A second chat pod on the same database."""
    database = Database(f"sqlite:///{database_file}", pool=8)
    yield World(database)
    await database.close()


@pytest.fixture
def chat(world: World) -> Chat:
    """The rules; users exist unless their name begins with "nobody"."""
    return make_chat(world, "c")


@pytest.fixture
def other_chat(other_pod: World) -> Chat:
    """The rules in the second pod."""
    return make_chat(other_pod, "d")
