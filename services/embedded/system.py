"""The whole system as one thing: started in order, checked, and ended without a trace."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from services.embedded import checks
from services.embedded.children import Child, ChildDied, last_lines
from services.embedded.gateway import local_config, make_envoy
from services.embedded.home import CannotStart, Home
from services.embedded.ports import free_pair, free_ports, is_free
from services.embedded.settings import Settings
from services.embedded.valkey import cluster_ready, make_valkey

SERVICES = ("verify", "chat", "status", "gate")
HEALTH_NAMES = {
    "verify": "hongyan.verify.v1.AccountService",
    "chat": "hongyan.chat.v1.MessageService",
    "status": "hongyan.status.v1.PresenceService",
    "gate": "hongyan.gate.v1.GateService",
}
MIGRATED = ("verify", "chat")
# Devices hear from gate, through the gateway, that it ends; then nobody calls the others.
STOP_ORDER = (("gate",), ("gateway",), ("chat", "status", "verify"), ("valkey",))
START_SECONDS = 60.0
START_TRIES = 3
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """A process and how it is found to work."""

    child: Child
    ready: Callable[[], Awaitable[bool]]


class System:
    """The four services, the gateway and, unless there is an own one, Redis.

    Use it with `async with`. `replicas` says how many processes a service has, `environment`
    what a service's processes get in their environment beside what they need to find each
    other; the key "all" is for every service. The processes are called verify, chat, status,
    gate, gateway and valkey; those of one service are numbered from 0.
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
        self._home = Home(settings.home)
        self._parts: dict[tuple[str, int], Part] = {}
        self._addresses: dict[tuple[str, int], str] = {}
        self._ops: dict[tuple[str, int], str] = {}
        self._admin_port = 0
        self._started = False
        self._expected_to_end: set[tuple[str, int]] = set()
        self._ready: set[tuple[str, int]] = set()
        self.port = settings.port
        self.redis_nodes = settings.redis_nodes

    @property
    def address(self) -> str:
        """The gateway's address for clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_address(self) -> str:
        """Where Envoy tells about itself: host:port."""
        return f"127.0.0.1:{self._admin_port}"

    @property
    def mail_folder(self) -> Path:
        """Where mail lands when there is no mail server."""
        return self._home.mail

    @property
    def database_url(self) -> str:
        """The database in use."""
        own = self._settings.database_url.get_secret_value()
        return own or f"sqlite:///{self._home.database}"

    def pids(self) -> dict[str, list[int]]:
        """Returns the ids of all running processes, by name."""
        found: dict[str, list[int]] = {}
        for (name, _), part in self._parts.items():
            if part.child.running:
                found.setdefault(name, []).append(part.child.pid)
        return found

    def ops_address(self, name: str, index: int = 0) -> str:
        """Returns where a service serves its metrics: host:port."""
        return self._ops[name, index]

    def service_address(self, name: str, index: int = 0) -> str:
        """Returns where a service serves gRPC behind the gateway: host:port."""
        return self._addresses[name, index]

    def log(self, name: str, index: int = 0) -> Path:
        """Returns the file with a process's output of this run."""
        return self._home.log(_label(name, index))

    # Starting and ending

    async def __aenter__(self) -> Self:
        self._home.open()
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._start_all()
        except BaseException as error:
            await self._end_all()
            if isinstance(error, TimeoutError):
                raise CannotStart(self._what_is_missing()) from error
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end_all()

    def _what_is_missing(self) -> str:
        late = [_label(*key) for key in self._parts if key not in self._ready]
        text = f"not ready after {START_SECONDS:.0f} s: {', '.join(late)}"
        for name in late[:1]:
            log = self._home.log(name)
            tail = "\n".join(f"  | {line}" for line in last_lines(log))
            text += f"; the end of {log}:\n{tail}"
        return text

    async def _start_all(self) -> None:
        if self.port and not is_free(self.port):
            raise CannotStart(
                f"port {self.port} is taken: end what listens there, or choose another one, "
                f"such as HONGYAN_PORT={self.port + 10}"
            )
        if own := self._settings.database_url.get_secret_value():
            await checks.check_database(own)
        if self._settings.redis_nodes:
            password = self._settings.redis_password.get_secret_value()
            await checks.check_redis(self._settings.redis_nodes, password)
        for tries_left in reversed(range(START_TRIES)):
            try:
                self._lay_out()
                await self._start_parts()
                break
            except ChildDied as error:
                if not (error.port_taken and tries_left):
                    raise
                # Somebody was quicker between finding a port and listening there.
                await self._stop_parts()

    async def _start_parts(self) -> None:
        """Starts what can be started, at once; gate and status wait for verify by themselves."""
        migrated = asyncio.Event()

        async def migrate() -> None:
            await self._migrate()
            migrated.set()

        async def start(name: str, index: int) -> None:
            if name in MIGRATED:
                await migrated.wait()
            await self.start(name, index)

        self._say("starting " + ", ".join(dict.fromkeys(name for name, _ in self._parts)))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(migrate())
                for key in self._parts:
                    tasks.create_task(start(*key))
        except BaseExceptionGroup as group:
            raise _first(group) from group
        self._started = True

    async def _end_all(self) -> None:
        try:
            await self._stop_parts()
        except BaseException:
            await self.kill_all()
            raise
        finally:
            self._home.close()

    async def _stop_parts(self) -> None:
        self._expected_to_end.update(self._parts)
        if "gateway" in self.pids():
            # No new streams, while gate takes leave of those that are open.
            await checks.get(self._admin_port, "/drain_listeners?graceful", method="POST")
        for names in STOP_ORDER:
            group = [part.child for key, part in self._parts.items() if key[0] in names]
            await asyncio.gather(*(child.stop() for child in group))

    async def kill_all(self) -> None:
        """Ends every process at once."""
        self._expected_to_end.update(self._parts)
        await asyncio.gather(*(part.child.kill() for part in self._parts.values()))

    # Single processes

    async def start(self, name: str, index: int = 0) -> None:
        """Starts a process, again after it was ended; waits until it works and gets calls.

        Raises ChildDied when it ends before that.
        """
        part = self._parts[name, index]
        await part.child.start()
        self._expected_to_end.discard((name, index))
        await self._until(part, part.ready)
        self._ready.add((name, index))
        if self._started and name in SERVICES and "gateway" in self.pids():
            await self._until_routed(name, part)

    async def _until(self, part: Part, check: Callable[[], Awaitable[bool]]) -> None:
        """Waits until a check passes; raises ChildDied when the process ends before."""
        while not await check():
            if not part.child.running:
                raise part.child.died()
            await asyncio.sleep(POLL_SECONDS)

    async def _until_routed(self, name: str, part: Part) -> None:
        """Waits until the gateway has asked a service that is back, and found it healthy."""
        wanted = {key for key in self._addresses if key[0] == name} - self._expected_to_end
        before = await checks.health_successes(self._admin_port, name)
        # Every other host has at most three successes before this one must have been asked too.
        enough = before + 3 * (len(wanted) - 1) + 1

        async def routed() -> bool:
            after = await checks.health_successes(self._admin_port, name)
            addresses = {self._addresses[key] for key in wanted}
            return after >= enough and await checks.sees(self._admin_port, addresses)

        await self._until(part, routed)

    async def healthy(self) -> bool:
        """Says whether the gateway works and finds every service healthy."""
        return await self._parts["gateway", 0].ready()

    async def kill(self, name: str, index: int = 0) -> None:
        """Kills a process with SIGKILL."""
        self._expected_to_end.add((name, index))
        await self._parts[name, index].child.kill()

    async def stop(self, name: str, index: int = 0) -> None:
        """Asks a process to end, and waits for it."""
        self._expected_to_end.add((name, index))
        await self._parts[name, index].child.stop()

    async def restart(self, name: str, index: int = 0) -> None:
        """Asks a process to end, starts it again and waits until it works."""
        await self.stop(name, index)
        await self.start(name, index)

    async def wait_ended(self, name: str, index: int = 0) -> int:
        """Waits until a process ends by itself and returns its exit code."""
        self._expected_to_end.add((name, index))
        return await self._parts[name, index].child.wait()

    def set_environment(self, name: str, variables: Mapping[str, str], index: int = 0) -> None:
        """Changes what a process gets in its environment at its next start."""
        child = self._parts[name, index].child
        child.environment = {**child.environment, **variables}

    async def watch(self) -> None:
        """Waits for ever; raises ChildDied when a process ends that was not asked to."""

        async def watch_one(key: tuple[str, int], child: Child) -> None:
            while True:
                if not child.running and key not in self._expected_to_end:
                    raise child.died()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await child.wait()
                await asyncio.sleep(POLL_SECONDS)

        try:
            async with asyncio.TaskGroup() as tasks:
                for key, part in self._parts.items():
                    tasks.create_task(watch_one(key, part.child))
        except BaseExceptionGroup as group:
            raise _first(group) from group

    # What is started

    def _lay_out(self) -> None:
        """Gives everything an address and makes the processes, none of which runs yet."""
        ports = iter(free_ports(2 * sum(self._replicas.values()) + 2))
        keys = [(name, index) for name in SERVICES for index in range(self._replicas[name])]
        self._addresses = {key: f"127.0.0.1:{next(ports)}" for key in keys}
        self._ops = {key: f"127.0.0.1:{next(ports)}" for key in keys}
        self.port = self._settings.port or next(ports)
        self._admin_port = next(ports)
        self._parts, self._expected_to_end = {}, set()
        if not self._settings.redis_nodes:
            self._add_valkey(free_pair())
        for key in keys:
            self._add_service(*key)
        self._add_gateway()
        services = {
            _label(*key): {"grpc": address, "metrics": self._ops[key]}
            for key, address in self._addresses.items()
        }
        gateway = {"gateway": self.address, "gateway_admin": self.admin_address}
        self._home.write_addresses({**gateway, "redis": self.redis_nodes, **services})

    def _add_valkey(self, port: int) -> None:
        self.redis_nodes = f"127.0.0.1:{port}"
        child = make_valkey(port, self._home.folder / "valkey", self.log("valkey"))
        self._parts["valkey", 0] = Part(child, lambda: cluster_ready(port))

    def _add_service(self, name: str, index: int) -> None:
        chats = [self._addresses["chat", number] for number in range(self._replicas["chat"])]
        address = self._addresses[name, index]
        environment = {
            **self._common_environment(),
            "HONGYAN_REDIS_NODES": self.redis_nodes,
            "HONGYAN_REDIS_PASSWORD": self._settings.redis_password.get_secret_value(),
            "HONGYAN_ADDRESS": address,
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
        child = Child(_label(name, index), command, environment, self.log(name, index))
        self._parts[name, index] = Part(
            child, lambda: checks.service_healthy(address, HEALTH_NAMES[name])
        )

    def _add_gateway(self) -> None:
        services = {
            name: [self._addresses[name, index] for index in range(self._replicas[name])]
            for name in SERVICES
        }
        config = local_config(
            self.port,
            self._admin_port,
            services,
            self._ops["verify", 0],
            urlsplit(self._settings.otlp_endpoint).netloc,
        )
        child = make_envoy(config, self._home.run / "envoy.yaml", self.log("gateway"))
        self._parts["gateway", 0] = Part(
            child, lambda: checks.gateway_ready(self.port, self._admin_port, self._wanted())
        )

    def _wanted(self) -> set[str]:
        """Returns the addresses of the services that nobody has ended on purpose."""
        return {
            address for key, address in self._addresses.items() if key not in self._expected_to_end
        }

    def _common_environment(self) -> dict[str, str]:
        settings = self._settings
        return {
            "HONGYAN_DATABASE_URL": self.database_url,
            "HONGYAN_INTERNAL_KEY_FILE": str(self._home.internal_key),
            "HONGYAN_SIGNING_KEY_FILE": str(self._home.signing_key),
            "HONGYAN_WEB_PUSH_KEY_FILE": os.environ.get(
                "HONGYAN_WEB_PUSH_KEY_FILE", str(self._home.web_push_key)
            ),
            "HONGYAN_ADMIN_KEYS_FILE": os.environ.get(
                "HONGYAN_ADMIN_KEYS_FILE", str(self._home.admin_keys)
            ),
            "HONGYAN_MAIL_FOLDER": str(self.mail_folder),
            "HONGYAN_MAIL_FROM": settings.mail_from,
            "HONGYAN_SMTP_URL": settings.smtp_url.get_secret_value(),
            "HONGYAN_OTLP_ENDPOINT": settings.otlp_endpoint,
            "HONGYAN_LOG_LEVEL": settings.log_level,
            "PYTHONUNBUFFERED": "1",
        }

    async def _migrate(self) -> None:
        """Brings the tables up to date."""
        command = [sys.executable, "-m", "services.embedded.migrate"]
        child = Child("migrate", command, self._common_environment(), self._home.log("migrate"))
        try:
            await child.start()
            if await child.wait():
                raise child.died()
        finally:
            await child.kill()


def _label(name: str, index: int) -> str:
    return name if index == 0 else f"{name}-{index + 1}"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Returns the first error of a group: what went wrong before the rest was given up."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


__all__ = ["CannotStart", "ChildDied", "System"]
