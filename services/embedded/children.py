"""One child process: started, logged to a file, watched, and ended for certain."""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 20.0
LAST_LINES = 12
LAST_BYTES = 16_384
PR_SET_PDEATHSIG = 1
# What Python, gRPC, Valkey and Envoy say when somebody else has their port.
PORT_TAKEN = ("is the port taken", "address already in use", "cannot bind")
# Runs between the launcher and the program, and becomes the program. Nothing of ours may run
# between fork and exec (preexec_fn): gRPC's threads in the launcher would crash it at times.
GUARD = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl({option}, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


class ChildDied(Exception):
    """A process that should run has ended; the text says which and shows its last lines.

    `port_taken` says whether it ended because another program has its port.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.port_taken = any(sign in text.lower() for sign in PORT_TAKEN)


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
        """Starts the process, in a session of its own: Ctrl-C is for the launcher alone.

        Raises ChildDied when it runs already or its program is missing.
        """
        if self.running:
            raise ChildDied(f"{self.name} runs already")
        if shutil.which(self._command[0]) is None:
            raise ChildDied(f"{self.name}: {self._command[0]} is missing or may not be run")
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_guarded(self._command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
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
            # Too slow, or nobody wants to wait any longer: in both cases it must not stay.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
        finally:
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
        tail = "\n".join(f"  | {line}" for line in last_lines(self._log))
        return ChildDied(f"{self.name} has ended ({ended}); the end of {self._log}:\n{tail}")


def last_lines(log: Path) -> list[str]:
    """Returns the end of a log; nothing when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LAST_BYTES))
            return file.read().decode(errors="replace").splitlines()[-LAST_LINES:]
    except OSError:
        return []


def _guarded(command: Sequence[str]) -> list[str]:
    """Returns a command that dies with this process, also when it is killed (Linux only)."""
    if sys.platform != "linux":
        return [*command]
    guard = GUARD.format(option=PR_SET_PDEATHSIG)
    return [sys.executable, "-I", "-S", "-c", guard, str(os.getpid()), *command]


def signal_at_death_of(parent: int, number: signal.Signals) -> None:
    """Asks the kernel for a signal to this process when its parent is killed (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it was killed before the line above
            os.kill(os.getpid(), number)
