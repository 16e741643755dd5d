"""One process a profile: the second hands over its link, and dead ones are no matter."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from app.desktop import single
from app.desktop.single import Instance, hand_over

LINK = "hongyan://add/abc"


async def until(found: list[str], count: int) -> None:
    async with asyncio.timeout(10):
        while len(found) < count:
            await asyncio.sleep(0.01)


@pytest.fixture(params=["a socket in the folder", "a port, where the path is too long"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param.startswith("a socket"):
        short = Path(os.path.relpath(tmp_path / "p"))
        return short if single.fits(short / single.SOCKET) else tmp_path / "p"
    return tmp_path / ("long" * 30)


async def test_the_second_hands_its_link_to_the_first(home: Path) -> None:
    first, got = Instance(home), list[str]()
    assert first.claim()
    await first.serve(got.append)
    assert not Instance(home).claim()
    assert await asyncio.to_thread(hand_over, home, LINK)
    assert await asyncio.to_thread(hand_over, home, "")
    await until(got, 2)
    assert got == [LINK, ""]
    first.release()
    assert Instance(home).claim()


async def test_who_does_not_know_the_secret_is_not_heard(home: Path) -> None:
    first, got = Instance(home), list[str]()
    assert first.claim()
    await first.serve(got.append)
    place = home / single.PORT
    place.write_text(place.read_text().replace('"secret": "', '"secret": "0'), encoding="utf-8")
    assert not await asyncio.to_thread(single._hand_over, home, LINK)
    assert got == []
    first.release()


async def test_what_a_killed_process_left_is_survived(home: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from app.desktop.single import Instance\n"
        "async def main():\n"
        "    first = Instance(pathlib.Path(sys.argv[1]))\n"
        "    assert first.claim()\n"
        "    await first.serve(print)\n"
        "    print('serves', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        str(home),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert killed.stdout
    assert await killed.stdout.readline() == b"serves\n"
    assert not Instance(home).claim()
    killed.kill()
    await killed.wait()
    assert (home / single.PORT).exists()
    first, got = Instance(home), list[str]()
    assert first.claim()
    await first.serve(got.append)
    assert await asyncio.to_thread(hand_over, home, LINK)
    await until(got, 1)
    first.release()


def test_nobody_waits_for_ever_for_a_process_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single, "START_SECONDS", 0.2)
    first = Instance(tmp_path)
    assert first.claim()  # and never serves
    assert not hand_over(tmp_path, LINK)
    first.release()
