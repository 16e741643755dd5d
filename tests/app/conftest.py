"""A screen that nobody sees, from before Kivy is imported; a running system; and the app on it."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtest.accounts import OPEN_LIMITS
from services.embedded.settings import Settings
from services.embedded.system import System
from tests.app.screen import start_screen
from tests.faults.people import Device, Town

# Kivy looks for a screen when it is imported, which the modules of the tests do. The app says what
# its window is like: it has to be imported before any of them asks Kivy for one.
start_screen()
importlib.import_module("app.main")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """The whole system on its embedded stores."""
    home = tmp_path_factory.mktemp("app") / "system"
    async with System(Settings(home=home, port=0), environment=OPEN_LIMITS) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def town(system: System, tmp_path: Path) -> AsyncIterator[Town]:
    async with Town(system, tmp_path) as people:
        yield people


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def neighbours(
    system: System, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[object]:
    """Many people, who can be befriended by who is new."""
    from tests.app.friends import Neighbours  # noqa: PLC0415

    async with Town(system, tmp_path_factory.mktemp("neighbours")) as people:
        yield Neighbours(people)


@pytest_asyncio.fixture(loop_scope="session")
async def me(robot: Any, town: Town) -> AsyncIterator[Device]:
    """The app is logged in as somebody new; returns another device of the same person."""
    device = await town.newcomer("ling")
    await device.client.update_me(display_name="灵灵")
    await robot.be((await device.client.me()).email)
    yield device
    await robot.tidy()


@pytest_asyncio.fixture(loop_scope="session")
async def door(robot: Any) -> None:
    """The app is not logged in."""
    await robot.be("")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def robot(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[object]:
    """The app, not logged in, and a hand that uses it. There is one: Kivy has one window."""
    from kivy.core.window import Window  # noqa: PLC0415

    from app.main import HongyanApp  # noqa: PLC0415
    from tests.app.robot import Robot, until  # noqa: PLC0415

    Window.size = (1100, 720)
    started = HongyanApp(system.address, tmp_path_factory.mktemp("app") / "profile")
    task = asyncio.create_task(started.run_until_closed())
    await until(lambda: started.root is not None and started.session is not None, "the app runs")
    yield Robot(started)
    started.stop()
    await task
