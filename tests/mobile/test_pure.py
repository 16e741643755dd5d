"""A phone's packages, without anything compiled, talk through the real gateway."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from loadtest.accounts import OPEN_LIMITS
from services.embedded.settings import Settings
from services.embedded.system import System
from tests.faults.people import Town
from tests.mobile import phone
from tests.mobile.talk import ANSWER


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    settings = Settings(home=tmp_path / "system", port=0)
    async with (
        System(settings, environment=OPEN_LIMITS) as system,
        Town(system, tmp_path) as people,
    ):
        yield people


@pytest.mark.timeout(180)
async def test_a_phone_registers_sends_and_receives_with_nothing_compiled(
    town: Town, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    names = phone.site_of_installed(site)
    assert {"grpclib", "h2", "multidict", "protobuf"} <= set(names)
    assert [it for it in site.rglob("*") if it.name.endswith(phone.COMPILED)] == []
    report = await phone.talk(town, site, tmp_path)
    assert report == {
        "seq": 1,
        "state": "stored",
        "answer": ANSWER,
        "protobuf": "python",
        "pinyin": "wangwei",
        "code": True,
        "reads_codes": False,
        "compiled": [],
        "optimize": 2,
    }
