"""Child processes: what they say is kept, and none of them stays."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from services.embedded import children
from services.embedded.children import Child, ChildDied, last_lines

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


def python(code: str, log: Path, **environment: str) -> Child:
    return Child("test", [sys.executable, "-c", code], environment, log)


async def until_says(log: Path, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in last_lines(log):
            await asyncio.sleep(0.01)


async def test_a_child_gets_its_environment_and_writes_its_log(tmp_path):
    log = tmp_path / "log"
    child = python("import os; print(os.environ['WHO'])", log, WHO="goose")
    await child.start()
    assert await child.wait() == 0
    assert log.read_text() == "goose\n"
    assert not child.running


async def test_a_child_that_died_is_told_with_its_last_lines(tmp_path):
    code = "import sys\nfor n in range(100): print('line', n)\nsys.exit('no luck')"
    child = python(code, tmp_path / "log")
    await child.start()
    assert await child.wait() == 1
    died = child.died()
    assert "code 1" in str(died)
    assert "no luck" in str(died)
    assert "line 99" in str(died)
    assert "line 5\n" not in str(died)
    assert not died.port_taken


async def test_a_child_that_found_its_port_taken_is_known(tmp_path):
    child = python("import sys; sys.exit('bind: Address already in use')", tmp_path / "log")
    await child.start()
    await child.wait()
    assert child.died().port_taken


async def test_a_killed_child_names_the_signal(tmp_path):
    child = python("import time; time.sleep(60)", tmp_path / "log")
    await child.start()
    await child.kill()
    assert "killed by signal 9" in str(child.died())
    with pytest.raises(ChildDied, match="does not run"):
        child.pid  # noqa: B018
    await child.kill()
    await child.stop()


async def test_a_child_that_does_not_listen_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "STOP_SECONDS", 0.2)
    child = python(STUBBORN, tmp_path / "log")
    await child.start()
    await until_says(tmp_path / "log", "up")
    await child.stop()
    assert "killed by signal 9" in str(child.died())


async def test_giving_up_on_a_stop_leaves_nothing_running(tmp_path):
    child = python(STUBBORN, tmp_path / "log")
    await child.start()
    pid = child.pid
    await until_says(tmp_path / "log", "up")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await child.stop()
    assert not psutil.pid_exists(pid)


async def test_a_child_that_was_ended_starts_again_but_not_twice(tmp_path):
    child = python("import time; time.sleep(60)", tmp_path / "log")
    await child.start()
    with pytest.raises(ChildDied, match="runs already"):
        await child.start()
    first = child.pid
    await child.stop()
    await child.start()
    assert child.pid != first
    await child.kill()


async def test_a_program_that_is_missing_is_named(tmp_path):
    child = Child("ghost", [str(tmp_path / "nowhere")], {}, tmp_path / "log")
    with pytest.raises(ChildDied, match="nowhere is missing or may not be run"):
        await child.start()


LAUNCHER = """
import asyncio, sys
from pathlib import Path
from services.embedded.children import Child

async def main():
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = Child("test", command, {}, Path(sys.argv[1]))
    await child.start()
    print(child.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_child_ends_with_a_launcher_that_is_killed(tmp_path):
    launcher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LAUNCHER, str(tmp_path / "log")), stdout=asyncio.subprocess.PIPE
    )
    assert launcher.stdout
    child = psutil.Process(int(await launcher.stdout.readline()))
    assert child.is_running()
    os.kill(launcher.pid, signal.SIGKILL)
    await launcher.wait()
    async with asyncio.timeout(5):
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)
