"""The whole system as one thing: started in order, checked, and ended without a trace."""

import asyncio
import contextlib
import errno
import fcntl
import http.client
import json
import os
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.embedded.children import Child, ChildDied
from services.embedded.gateway import local_config, make_envoy
from services.embedded.settings import Settings
from services.embedded.valkey import form_cluster, make_valkey

SERVICES = ("verify", "chat", "status", "gate")
HEALTH_NAMES = {
    "verify": "hongyan.verify.v1.AccountService",
    "chat": "hongyan.chat.v1.MessageService",
    "status": "hongyan.status.v1.PresenceService",
    "gate": "hongyan.gate.v1.GateService",
}
START_SECONDS = 60.0
# SQLite has one writer: the second schema waits for the first.
MIGRATED = ("verify", "chat")


class CannotStart(Exception):
    """The system cannot be started; the text says why and what to do."""


class System:
    """The four services, the gateway and, unless there is an own one, Redis.

    Use it with `async with`. `replicas` says how many processes a service has, `environment`
    what a service's processes get in their environment beside what they need to find each
    other; the key "all" is for every service.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        replicas: Mapping[str, int] | None = None,
        environment: Mapping[str, Mapping[str, str]] | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._settings = settings
        self._replicas = {name: (replicas or {}).get(name, 1) for name in SERVICES}
        self._environment = environment or {}
        self._say = say
        self._home = settings.home.resolve()
        self._children: dict[tuple[str, int], Child] = {}
        self._addresses: dict[tuple[str, int], str] = {}
        self._ops: dict[tuple[str, int], str] = {}
        self._lock: IO[str] | None = None
        self._expected_to_end: set[tuple[str, int]] = set()
        self.port = settings.port

    @property
    def address(self) -> str:
        """The gateway's address for clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def mail_folder(self) -> Path:
        """Where mail lands when there is no mail server."""
        return self._home / "mail"

    @property
    def database_url(self) -> str:
        """The database in use."""
        own = self._settings.database_url.get_secret_value()
        return own or f"sqlite:///{self._home / 'hongyan.db'}"

    def pids(self) -> dict[str, list[int]]:
        """Returns the ids of all running processes, by name."""
        found: dict[str, list[int]] = {}
        for (name, _), child in self._children.items():
            if child.running:
                found.setdefault(name, []).append(child.pid)
        return found

    def ops_address(self, name: str, index: int = 0) -> str:
        """Returns where a service serves its metrics: host:port."""
        return self._ops[name, index]

    def service_address(self, name: str, index: int = 0) -> str:
        """Returns where a service serves gRPC behind the gateway: host:port."""
        return self._addresses[name, index]

    def log(self, name: str, index: int = 0) -> Path:
        """Returns the file with a process's output."""
        return self._home / "logs" / f"{_label(name, index)}.log"

    # Starting and ending

    async def __aenter__(self) -> Self:
        try:
            self._prepare_home()
            async with asyncio.timeout(START_SECONDS):
                await self._start_all()
        except BaseException as error:
            await self._stop_all()
            if isinstance(error, TimeoutError):
                raise CannotStart(
                    f"not ready after {START_SECONDS:.0f} s; the logs are in {self._home}/logs"
                ) from error
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop_all()

    async def _start_all(self) -> None:
        if self.port and not _is_free(self.port):
            raise CannotStart(
                f"port {self.port} is taken: end what listens there, or choose another one, "
                f"such as HONGYAN_PORT={self.port + 10}"
            )
        ports = iter(_free_ports(2 * sum(self._replicas.values()) + 4))
        self.port = self.port or next(ports)
        for name in SERVICES:
            for index in range(self._replicas[name]):
                self._addresses[name, index] = f"127.0.0.1:{next(ports)}"
                self._ops[name, index] = f"127.0.0.1:{next(ports)}"
        await self._check_database()
        self._say("database: bringing the tables up to date")
        migrate = asyncio.gather(*(self._migrate(name) for name in MIGRATED))
        redis = self._settings.redis_nodes
        if not redis:
            redis_port = _free_pair()
            redis = f"127.0.0.1:{redis_port}"
            valkey = make_valkey(redis_port, self._home / "valkey", self.log("valkey"))
            self._children["valkey", 0] = valkey
            await valkey.start()
            await self._unless_dead(valkey, form_cluster(redis_port))
        else:
            await _check_redis(redis)
        await migrate
        self._say("services: starting " + ", ".join(SERVICES))
        self._write_addresses(redis)
        for name, index in self._addresses:
            self._children[name, index] = self._make_service(name, index, redis)
        services = {
            name: [self._addresses[name, index] for index in range(self._replicas[name])]
            for name in SERVICES
        }
        otlp = urlsplit(self._settings.otlp_endpoint).netloc
        admin_port = next(ports)
        config = local_config(self.port, admin_port, services, self._ops["verify", 0], otlp)
        envoy = make_envoy(config, self._home / "run" / "envoy.yaml", self.log("gateway"))
        self._children["gateway", 0] = envoy
        await asyncio.gather(*(self.start(name, index) for name, index in self._addresses))
        self._say("gateway: starting Envoy")
        await envoy.start()
        await self._until(envoy, lambda: _gateway_ready(self.port, admin_port))

    async def _stop_all(self) -> None:
        order = ("gateway", "gate", "chat", "status", "verify", "valkey")
        for name in order:
            group = [child for key, child in self._children.items() if key[0] == name]
            self._expected_to_end.update(key for key in self._children if key[0] == name)
            await asyncio.gather(*(child.stop() for child in group))
        if self._lock:
            self._lock.close()
            self._lock = None

    async def kill_all(self) -> None:
        """Ends every process at once."""
        self._expected_to_end.update(self._children)
        await asyncio.gather(*(child.kill() for child in self._children.values()))

    # Single processes

    async def start(self, name: str, index: int = 0) -> None:
        """Starts a process, again after it was ended, and waits until it is healthy."""
        child = self._children[name, index]
        self._expected_to_end.discard((name, index))
        await child.start()
        address = self._addresses[name, index]
        await self._until(child, lambda: _healthy(address, HEALTH_NAMES[name]))

    async def kill(self, name: str, index: int = 0) -> None:
        """Kills a process with SIGKILL."""
        self._expected_to_end.add((name, index))
        await self._children[name, index].kill()

    async def stop(self, name: str, index: int = 0) -> None:
        """Asks a process to end, and waits for it."""
        self._expected_to_end.add((name, index))
        await self._children[name, index].stop()

    async def wait_ended(self, name: str, index: int = 0) -> int:
        """Waits until a process ends by itself and returns its exit code."""
        self._expected_to_end.add((name, index))
        return await self._children[name, index].wait()

    def set_environment(self, name: str, variables: Mapping[str, str], index: int = 0) -> None:
        """Changes what a process gets in its environment at its next start."""
        child = self._children[name, index]
        child.environment = {**child.environment, **variables}

    async def watch(self) -> None:
        """Waits for ever; raises ChildDied when a process ends that was not asked to."""

        async def watch_one(key: tuple[str, int], child: Child) -> None:
            await child.wait()
            if key not in self._expected_to_end:
                raise child.died()
            await asyncio.Event().wait()

        async with asyncio.TaskGroup() as tasks:
            for key, child in self._children.items():
                tasks.create_task(watch_one(key, child))

    # Parts of the start

    def _prepare_home(self) -> None:
        try:
            for folder in ("keys", "logs", "mail", "run"):
                (self._home / folder).mkdir(parents=True, exist_ok=True)
            lock = (self._home / "run" / "lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise CannotStart(
                    f"another run uses {self._home}: end it, or choose another HONGYAN_HOME"
                ) from None
            self._lock = lock
            probe = self._home / "run" / "space"
            probe.write_bytes(b"\0" * 65536)
            probe.unlink()
            self._make_keys()
        except OSError as error:
            full = error.errno == errno.ENOSPC
            what = "the disk is full" if full else f"cannot write: {error.strerror}"
            raise CannotStart(f"{self._home}: {what}; choose another HONGYAN_HOME") from error

    def _make_keys(self) -> None:
        internal, signing = self._home / "keys" / "internal", self._home / "keys" / "signing.pem"
        if not internal.exists():
            _write_secret(internal, secrets.token_urlsafe(32).encode())
        if not signing.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            _write_secret(signing, pem)

    def _write_addresses(self, redis: str) -> None:
        table = {
            "gateway": self.address,
            "redis": redis,
            **{
                _label(name, index): {"grpc": address, "metrics": self._ops[name, index]}
                for (name, index), address in self._addresses.items()
            },
        }
        (self._home / "run" / "addresses.json").write_text(json.dumps(table, indent=2) + "\n")

    def _common_environment(self) -> dict[str, str]:
        return {
            "HONGYAN_DATABASE_URL": self.database_url,
            "HONGYAN_INTERNAL_KEY_FILE": str(self._home / "keys" / "internal"),
            "HONGYAN_SIGNING_KEY_FILE": str(self._home / "keys" / "signing.pem"),
            "HONGYAN_MAIL_FOLDER": str(self.mail_folder),
            "PYTHONUNBUFFERED": "1",
        }

    async def _migrate(self, name: str) -> None:
        command = [sys.executable, "-m", f"services.{name}.main", "migrate"]
        child = Child(f"{name} migrate", command, self._common_environment(), self.log("migrate"))
        await child.start()
        try:
            if await child.wait():
                raise child.died()
        finally:
            await child.kill()

    def _make_service(self, name: str, index: int, redis: str) -> Child:
        chats = [self._addresses["chat", number] for number in range(self._replicas["chat"])]
        environment = {
            **self._common_environment(),
            "HONGYAN_REDIS_NODES": redis,
            "HONGYAN_ADDRESS": self._addresses[name, index],
            "HONGYAN_OPS_ADDRESS": self._ops[name, index],
            "HONGYAN_VERIFY_TARGET": self._addresses["verify", 0],
            "HONGYAN_CHAT_TARGET": ",".join(chats),
            "HONGYAN_STATUS_TARGET": self._addresses["status", 0],
            # Here nobody has to notice first that a process goes away.
            "HONGYAN_DRAIN_SECONDS": "0",
            "HONGYAN_DRAIN_SPREAD_SECONDS": "1",
            **self._environment.get("all", {}),
            **self._environment.get(name, {}),
        }
        command = [sys.executable, "-m", f"services.{name}.main"]
        return Child(_label(name, index), command, environment, self.log(name, index))

    async def _check_database(self) -> None:
        url = self._settings.database_url.get_secret_value()
        parts = urlsplit(url)
        if parts.hostname:
            await _check_reachable(
                parts.hostname, parts.port or 3306, f"HONGYAN_DATABASE_URL: {parts.hostname}"
            )

    async def _unless_dead(self, child: Child, work: Coroutine[Any, Any, None]) -> None:
        """Does work that needs a process; raises ChildDied if the process ends before."""
        task, ended = asyncio.create_task(work), asyncio.create_task(child.wait())
        try:
            await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise child.died()
            await task
        finally:
            task.cancel()
            ended.cancel()

    async def _until(self, child: Child, check: Callable[[], Awaitable[bool]]) -> None:
        """Waits until a check passes; raises ChildDied if the process ends before."""
        while True:
            if not child.running:
                raise child.died()
            if await check():
                return
            await asyncio.sleep(0.05)


def _label(name: str, index: int) -> str:
    return name if index == 0 else f"{name}-{index + 1}"


def _write_secret(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _free_pair() -> int:
    """Returns a free port whose neighbour is free too."""
    while True:
        (port,) = _free_ports(1)
        if port < 65535 and _is_free(port + 1):
            return port


async def _check_reachable(host: str, port: int, what: str) -> None:
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        raise CannotStart(f"{what}:{port} does not answer: {error or 'no answer'}") from error
    writer.close()


async def _check_redis(nodes: str) -> None:
    host, _, port = nodes.partition(",")[0].strip().rpartition(":")
    if not host or not port.isdigit():
        raise CannotStart("HONGYAN_REDIS_NODES must be host:port,host:port")
    await _check_reachable(host, int(port), f"HONGYAN_REDIS_NODES: {host}")


async def _healthy(address: str, service: str) -> bool:
    import grpc  # noqa: PLC0415  # the launcher starts its children before it needs this
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    async with grpc.aio.insecure_channel(address) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=1
            )
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _gateway_ready(port: int, admin_port: int) -> bool:
    """Says whether Envoy listens, knows the keys, and sees every service healthy."""
    listens = await _get(port, "/healthz")
    clusters = await _get(admin_port, "/clusters?format=json")
    if listens is None or clusters is None:
        return False
    hosts = [
        (status["name"], host["health_status"])
        for status in json.loads(clusters)["cluster_statuses"]
        for host in status.get("host_statuses", [])
    ]
    named = {name for name, _ in hosts}
    sick = any(
        name in HEALTH_NAMES and health.get("failed_active_health_check") for name, health in hosts
    )
    # A token that is nobody's is refused as invalid only when the keys have been fetched.
    refusal = await _get(port, "/v1/me", {"authorization": "Bearer x"}, any_status=True)
    return named.issuperset(HEALTH_NAMES) and not sick and b"Jwks" not in (refusal or b"Jwks")


async def _get(
    port: int, path: str, headers: Mapping[str, str] | None = None, *, any_status: bool = False
) -> bytes | None:
    """Returns the body of a local page; None when it cannot be had."""
    return await asyncio.to_thread(_get_in_thread, port, path, headers or {}, any_status)


def _get_in_thread(
    port: int, path: str, headers: Mapping[str, str], any_status: bool
) -> bytes | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if any_status or answer.status == 200 else None


__all__ = ["CannotStart", "ChildDied", "System"]
