"""A session bus for one test, and programs on it."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
DBUS = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")


class SessionBus:
    """A dbus-daemon that knows no service of this machine, so that none starts by itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = ""

    def __enter__(self) -> Self:
        program = shutil.which("dbus-daemon")
        assert program, "run tests/install-servers"
        self._folder.mkdir(parents=True)
        configuration = self._folder / "session.conf"
        # A socket's path must be short, and a test's folder is not.
        written = CONFIGURATION.format(folder=tempfile.gettempdir())
        configuration.write_text(written, encoding="utf-8")
        reader, writer = os.pipe()
        self._process = subprocess.Popen(
            [program, f"--config-file={configuration}", "--nofork", f"--print-address={writer}"],
            pass_fds=[writer],
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        with os.fdopen(reader) as told:
            self.address = told.readline().strip()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(10)

    def call(self, method: str, signature: str, *values: Any) -> Any:
        """Asks the bus itself."""
        with open_dbus_connection(self.address) as connection:
            message = new_method_call(DBUS, method, signature, values)
            return connection.send_and_get_reply(message, timeout=10).body[0]

    def wait_for(self, name: str) -> None:
        """Waits until somebody has a name."""
        deadline = time.monotonic() + 20
        while not self.call("NameHasOwner", "s", name):
            assert time.monotonic() < deadline, f"nobody is {name}"
            time.sleep(0.02)
