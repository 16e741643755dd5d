"""One child process: started, logged to a file, watched, and ended for certain."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 20.0
LAST_LINES = 12
PR_SET_PDEATHSIG = 1


class ChildDied(Exception):
    """A process that should run has ended; the text says which and shows its last lines."""


class Child:
    """A process of the system. Its output goes to `log`, appended."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self._command = command
        self.environment = environment
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The running process's id; raises ChildDied when there is none."""
        if self._process is None or self._process.returncode is not None:
            raise ChildDied(f"{self.name} does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts the process, in a group of its own: Ctrl-C is for the launcher alone."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    async def wait(self) -> int:
        """Waits until the process has ended and returns its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Asks the process to end, and kills it when it takes too long."""
        if not self.running or self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Ends the process at once, as a power cut would."""
        if self.running and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    def died(self) -> ChildDied:
        """Says that the process has ended, with the last lines that it wrote."""
        code = self._process.returncode if self._process else None
        ended = f"killed by signal {-code}" if code is not None and code < 0 else f"code {code}"
        lines = self._log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        tail = "\n".join(f"  | {line}" for line in lines)
        return ChildDied(f"{self.name} has ended ({ended}); the end of {self._log}:\n{tail}")


def _die_with_parent() -> None:
    """Runs in the child: when the launcher is killed, so is the child."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
