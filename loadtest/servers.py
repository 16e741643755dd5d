"""A private MariaDB, a six-node Redis Cluster and fresh MySQL databases, on loopback, for tests."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pymysql
import sqlalchemy as sa
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.common.database import sync_url
from services.embedded.children import Child
from services.embedded.ports import free_ports, is_free

READY_SECONDS = 40.0
MASTERS = 3
NODES = 6
SLOTS = 16384
# A node of a cluster listens on a second port, so far above the first, for the others.
BUS = 10_000


class MissingServer(Exception):
    """A server program is not installed; the text says what to install."""


def find_program(names: tuple[str, ...], package: str) -> str:
    """Returns the path of a server program; raises MissingServer."""
    for name in names:
        if path := shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin"):
            return path
    raise MissingServer(f"{names[0]} is not installed: apt-get install {package}")


class MariaDb:
    """A MariaDB server of our own; its data lives as long as the context."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self.url = f"mysql+pymysql://hongyan:hongyan@127.0.0.1:{port}/hongyan"
        self._child = Child(
            "mariadb",
            [
                find_program(("mariadbd", "mysqld"), "mariadb-server"),
                "--no-defaults",
                *(["--user=root"] if os.getuid() == 0 else []),
                f"--datadir={folder}/data",
                f"--port={port}",
                "--bind-address=127.0.0.1",
                f"--socket={folder}/server.sock",
                f"--pid-file={folder}/server.pid",
                "--skip-name-resolve",
                # An acknowledged commit is on disk: that is what the tests are about.
                "--innodb-flush-log-at-trx-commit=1",
                "--innodb-buffer-pool-size=256M",
                "--character-set-server=utf8mb4",
                "--max-connections=200",
            ],
            {},
            folder / "server.log",
        )

    async def prepare(self) -> None:
        """Makes an empty data folder."""
        process = await asyncio.create_subprocess_exec(
            find_program(("mariadb-install-db", "mysql_install_db"), "mariadb-server"),
            "--no-defaults",
            f"--datadir={self._folder}/data",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *(["--user=root"] if os.getuid() == 0 else []),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        if code := await process.wait():
            raise RuntimeError(f"mariadb-install-db ended with code {code}")

    async def start(self) -> None:
        """Starts the server, again on the same data, and waits until it answers."""
        await self._child.start()
        async with asyncio.timeout(READY_SECONDS):
            while not await asyncio.to_thread(self._answers):
                if not self._child.running:
                    raise self._child.died()
                await asyncio.sleep(0.05)

    def _answers(self) -> bool:
        statements = (
            "CREATE DATABASE IF NOT EXISTS hongyan CHARACTER SET utf8mb4",
            "CREATE USER IF NOT EXISTS hongyan@'%' IDENTIFIED BY 'hongyan'",
            "GRANT ALL ON *.* TO hongyan@'%'",
        )
        if not self._greets():
            return False
        with (
            pymysql.connect(unix_socket=f"{self._folder}/server.sock", user="root") as own,
            own.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
        return True

    def _greets(self) -> bool:
        """Says whether the server is up: its first packet has version 10 of the protocol."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(f"{self._folder}/server.sock")
                return probe.recv(64)[4:5] == b"\x0a"
            except OSError:
                return False

    async def stop(self) -> None:
        """Ends the server in order."""
        await self._child.stop()

    async def kill(self) -> None:
        """Ends the server as a power cut would."""
        await self._child.kill()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Stops the server's process, as a machine that hangs; it goes on at the end."""
        pid = self._child.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @property
    def socket(self) -> Path:
        """Where its own tools reach it."""
        return self._folder / "server.sock"

    def pids(self) -> list[int]:
        """Returns the running process, for its CPU time."""
        return [self._child.pid] if self._child.running else []


@asynccontextmanager
async def mariadb() -> AsyncIterator[MariaDb]:
    """Runs a MariaDB server of our own."""
    with tempfile.TemporaryDirectory(prefix="hongyan-mariadb-") as folder:
        server = MariaDb(Path(folder), free_ports(1)[0])
        await server.prepare()
        try:
            await server.start()
            yield server
        finally:
            await server.kill()


class RedisNodes:
    """A Redis Cluster of three masters and three replicas."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self._ports = ports
        self.nodes = ",".join(f"127.0.0.1:{port}" for port in ports)
        program = find_program(("redis-server",), "redis-server")
        self._children: list[Child] = []
        for port in ports:
            home = folder / str(port)
            home.mkdir()
            command = [
                program,
                *("--port", str(port)),
                *("--bind", "127.0.0.1"),
                *("--dir", str(home)),
                *("--save", ""),
                *("--appendonly", "no"),
                *("--cluster-enabled", "yes"),
                *("--cluster-node-timeout", "2000"),
                # A replica is in step at once; it would wait five seconds for others to come.
                *("--repl-diskless-sync-delay", "0"),
            ]
            self._children.append(Child(f"redis {port}", command, {}, home / "server.log"))

    async def start(self) -> None:
        """Starts the nodes, again as they were, and waits until the cluster works."""
        await asyncio.gather(*(child.start() for child in self._children))
        clients = [
            Redis(host="127.0.0.1", port=port, decode_responses=True) for port in self._ports
        ]
        try:
            async with asyncio.timeout(READY_SECONDS):
                for client in clients:
                    await _until(client, "PING", bool)
                if await _slots(clients[0]) == 0:
                    await self._form(clients)
                for client in clients:
                    await _until(client, "CLUSTER INFO", _is_whole)
                    await _until(client, "INFO", _is_joined)
        finally:
            for client in clients:
                await client.aclose()

    async def _form(self, clients: list[Redis]) -> None:
        for port in self._ports[1:]:
            await _run(clients[0], "CLUSTER MEET", "127.0.0.1", port)
        share = SLOTS // MASTERS
        for place, client in enumerate(clients[:MASTERS]):
            last = SLOTS - 1 if place == MASTERS - 1 else (place + 1) * share - 1
            await _run(client, "CLUSTER ADDSLOTSRANGE", place * share, last)
        for place, client in enumerate(clients[MASTERS:]):
            master = str(await _run(clients[place], "CLUSTER MYID"))
            # A node can follow only whom it has heard of.
            while True:
                with contextlib.suppress(RedisError):
                    await _run(client, "CLUSTER REPLICATE", master)
                    break
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Ends all nodes at once."""
        await asyncio.gather(*(child.kill() for child in self._children))

    async def kill_master(self) -> int:
        """Kills a master at once; returns its place."""
        for place, port in enumerate(self._ports):
            client = Redis(host="127.0.0.1", port=port, decode_responses=True)
            try:
                role = await _run(client, "ROLE")
            finally:
                await client.aclose()
            if isinstance(role, list) and role[0] == "master":
                await self._children[place].kill()
                return place
        raise RuntimeError("no node is a master")

    async def whole_without(self, place: int) -> None:
        """Waits until the other nodes serve all slots."""
        for other, port in enumerate(self._ports):
            if other != place:
                client = Redis(host="127.0.0.1", port=port, decode_responses=True)
                try:
                    async with asyncio.timeout(READY_SECONDS):
                        await _until(client, "CLUSTER INFO", _serves_all)
                finally:
                    await client.aclose()

    async def start_node(self, place: int) -> None:
        """Starts a node again and waits until the cluster is whole."""
        await self._children[place].start()
        for port in self._ports:
            client = Redis(host="127.0.0.1", port=port, decode_responses=True)
            try:
                async with asyncio.timeout(READY_SECONDS):
                    await _until(client, "CLUSTER INFO", _is_whole)
                    await _until(client, "INFO", _is_joined)
            finally:
                await client.aclose()

    async def flush(self) -> None:
        """Empties every master."""
        for port in self._ports:
            client = Redis(host="127.0.0.1", port=port)
            with contextlib.suppress(RedisError):  # replicas refuse; they follow their master
                await client.flushall()
            await client.aclose()

    def pids(self) -> list[int]:
        """Returns the running processes, for their CPU time."""
        return [child.pid for child in self._children if child.running]


@asynccontextmanager
async def redis_cluster() -> AsyncIterator[RedisNodes]:
    """Runs a six-node Redis Cluster."""
    with tempfile.TemporaryDirectory(prefix="hongyan-redis-") as folder:
        nodes = RedisNodes(Path(folder), node_ports())
        try:
            await nodes.start()
            yield nodes
        finally:
            await nodes.stop()


@contextmanager
def mysql_database(server_url: str) -> Iterator[str]:
    """Makes a fresh database on a MySQL server and drops it at the end; yields its URL."""
    name = f"hongyan_{secrets.token_hex(6)}"
    engine = sa.create_engine(sync_url(server_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
        try:
            url = sa.make_url(server_url).set(database=name)
            yield url.render_as_string(hide_password=False)
        finally:
            connection.execute(sa.text(f"DROP DATABASE {name}"))
    engine.dispose()


def node_ports() -> list[int]:
    """Returns free ports for a cluster's nodes, whose bus ports are free too."""
    found: list[int] = []
    taken: set[int] = set()
    while len(found) < NODES:
        (port,) = free_ports(1)
        # Of two nodes on ports 10,000 apart one would have the other's bus port.
        if {port, port + BUS} & taken or not is_free(port + BUS):
            continue
        found.append(port)
        taken |= {port, port + BUS}
    return found


async def _run(client: Redis, *command: str | int) -> object:
    return await client.execute_command(*command)  # type: ignore[no-untyped-call]


async def _slots(client: Redis) -> int:
    info = await _run(client, "CLUSTER INFO")
    assert isinstance(info, dict)
    return int(info["cluster_slots_assigned"])


def _serves_all(answer: object) -> bool:
    return (
        isinstance(answer, dict)
        and answer["cluster_state"] == "ok"
        and int(answer["cluster_slots_ok"]) == SLOTS
    )


def _is_whole(answer: object) -> bool:
    return (
        isinstance(answer, dict)
        and answer["cluster_state"] == "ok"
        and int(answer["cluster_slots_ok"]) == SLOTS
        and int(answer["cluster_known_nodes"]) == NODES
    )


def _is_joined(answer: object) -> bool:
    """Says whether a master has its replica, or a replica its master, and both are in step."""
    if not isinstance(answer, dict):
        return False
    if answer["role"] == "master":
        return int(answer["connected_slaves"]) == 1
    return str(answer["master_link_status"]) == "up"


async def _until(client: Redis, command: str, check: Callable[[object], bool]) -> None:
    while True:
        with contextlib.suppress(RedisError, OSError):
            if check(await _run(client, command)):
                return
        await asyncio.sleep(0.05)
