"""How a service runs: start, become ready while its stores answer, drain, stop."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import grpc
import sqlalchemy as sa
import structlog
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common import migrations, telemetry
from services.common.audit import Administration
from services.common.contract import PUBLIC_SERVICES
from services.common.interceptors import Interceptor
from services.common.settings import ServiceSettings
from services.common.tokens import Trust

log = structlog.get_logger()

READY_SECONDS = 2.0
READY_TIMEOUT_SECONDS = 2.0
# Gate measures frames itself, so that one that is too large does not end the stream.
MAX_TRANSPORT_BYTES = 8 * 1024 * 1024

Ready = Callable[[], Awaitable[None]]
Register = Callable[[grpc.aio.Server], None]

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_TRANSPORT_BYTES),
    ("grpc.max_send_message_length", MAX_TRANSPORT_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a service's main on uvloop; a setting that is wrong ends it with one clear line."""
    try:
        uvloop.run(main())
    except (ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


def run_migration(service: str, url: str) -> None:
    """Brings a service's tables up to date and says so on standard output."""
    try:
        before, after = migrations.upgrade(service, url)
    except (sa.exc.SQLAlchemyError, ValueError, OSError) as error:
        sys.exit(f"{service}: the migration failed: {error}")
    done = "up to date" if before == after else f"migrated from {before or 'nothing'}"
    sys.stdout.write(f"{service}: {done}, revision {after}\n")


async def serve(
    service: str,
    settings: ServiceSettings,
    *,
    trust: Trust,
    register: Register,
    names: Sequence[str],
    ready: Ready,
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    drain: Callable[[], Awaitable[None]] | None = None,
    pages: Mapping[str, Callable[[], tuple[str, bytes]]] | None = None,
    administration: Administration | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    `names` are the full names of the services that `register` adds; their health is SERVING
    while `ready` returns and `trust` knows a key, and NOT_SERVING while it raises and when
    draining. `background` runs beside the server; one that fails ends the service. `drain`
    is awaited after callers had drain_seconds to turn away and before open calls are waited for.
    """
    telemetry.configure_logs(service, settings.log_level)
    flush_traces: Callable[[], None] = lambda: None  # noqa: E731
    if settings.otlp_endpoint:
        flush_traces = telemetry.configure_traces(
            service, settings.otlp_endpoint, settings.trace_ratio
        )
    interceptor = Interceptor(
        trust,
        settings.shared_key(),
        traced=bool(settings.otlp_endpoint),
        administration=administration,
    )
    server = grpc.aio.server(interceptors=(interceptor,), options=SERVER_OPTIONS)
    register(server)
    health_state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_state, server)
    # Every service describes the whole public contract, wherever the gateway routes to.
    reflection.enable_server_reflection(
        (*PUBLIC_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    try:
        server.add_insecure_port(settings.address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {settings.address}: is the port taken?") from error

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stop_operators = telemetry.serve_operators(settings.ops_address, pages or {})
    await _set_health(health_state, names, serving=False)
    await server.start()
    log.info("server.started", address=settings.address)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work()) for work in background]
            watch = tasks.create_task(_watch_ready(health_state, names, trust, ready))
            await stop.wait()
            log.info("server.draining")
            watch.cancel()
            await health_state.enter_graceful_shutdown()
            await asyncio.sleep(settings.drain_seconds)
            if drain:
                await drain()
            await server.stop(settings.grace_seconds)
            for task in running:
                task.cancel()
    finally:
        await server.stop(0)
        await asyncio.to_thread(stop_operators)
        await asyncio.to_thread(flush_traces)
    log.info("server.stopped")


async def _watch_ready(
    state: health.aio.HealthServicer, names: Sequence[str], trust: Trust, ready: Ready
) -> None:
    was: bool | None = None
    while True:
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                await ready()
            is_ready, why = trust.known, "verify has not answered"
        except Exception as error:  # whatever it is, the service is not ready
            is_ready, why = False, f"{type(error).__name__}: {error}"
        if is_ready != was:
            await _set_health(state, names, serving=is_ready)
            if is_ready:
                log.info("server.ready")
            else:
                log.warning("server.not_ready", why=why)
            was = is_ready
        await asyncio.sleep(READY_SECONDS if is_ready else READY_SECONDS / 20)


async def _set_health(
    state: health.aio.HealthServicer, names: Sequence[str], *, serving: bool
) -> None:
    status = health_pb2.HealthCheckResponse.ServingStatus
    for name in ("", *names):
        await state.set(name, status.SERVING if serving else status.NOT_SERVING)
