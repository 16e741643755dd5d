"""A service as a process: ready when its stores answer, not ready while draining, gone at last."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hongyan.verify.v1 import trust_pb2, trust_pb2_grpc

from tests.service.conftest import Valkey, free_port
from tests.service.gate.world import INTERNAL_KEY, Verify

ROOT = Path(__file__).parents[3]
Status = health_pb2.HealthCheckResponse.ServingStatus


class TrustService(trust_pb2_grpc.TrustServiceServicer):
    """Verify's keys for another process."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify

    async def GetTrust(self, request: trust_pb2.GetTrustRequest, context: Any) -> Any:
        update = await self._verify.trust(request.after_mark)
        return trust_pb2.GetTrustResponse(key_set_json=update.key_set_json, mark=update.mark)


@pytest.fixture
async def verify_target(verify: Verify) -> AsyncIterator[str]:
    server = grpc.aio.server()
    trust_pb2_grpc.add_TrustServiceServicer_to_server(TrustService(verify), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


class Process:
    """A running service."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, ops_port: int) -> None:
        self.process = process
        self.port = port
        self.ops_port = ops_port
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.lines: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    async def health(self) -> int | None:
        stub: Any = health_pb2_grpc.HealthStub(self.channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.aio.AioRpcError:
            return None
        return int(answer.status)

    async def becomes(self, status: int | None, seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while await self.health() != status:
                await asyncio.sleep(0.01)

    async def ended(self) -> int:
        async with asyncio.timeout(15):
            await self._reading
            return await self.process.wait()


@asynccontextmanager
async def running(service: str, **settings: object) -> AsyncIterator[Process]:
    port, ops_port = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'proto' / 'gen'}",
        "HONGYAN_ADDRESS": f"127.0.0.1:{port}",
        "HONGYAN_OPS_ADDRESS": f"127.0.0.1:{ops_port}",
        "HONGYAN_INTERNAL_KEY": INTERNAL_KEY,
        "HONGYAN_DRAIN_SECONDS": "0.5",
        "HONGYAN_GRACE_SECONDS": "2",
        **{f"HONGYAN_{name.upper()}": str(value) for name, value in settings.items()},
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}.main"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    started = Process(process, port, ops_port)
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await started.channel.close()


async def test_a_service_is_ready_while_its_store_answers_and_drains_on_sigterm(
    verify_target: str, mortal_valkey: Valkey
) -> None:
    async with running(
        "status", verify_target=verify_target, redis_nodes=mortal_valkey.settings.redis_nodes
    ) as service:
        await service.becomes(Status.SERVING)
        mortal_valkey.stop()
        await service.becomes(Status.NOT_SERVING)
        mortal_valkey.start()
        await service.becomes(Status.SERVING)
        metrics = await asyncio.to_thread(fetch, service.ops_port, "/metrics")
        assert "hongyan_rpc_calls_total" in metrics
        assert await asyncio.to_thread(fetch, service.ops_port, "/secrets") == "404"
        service.process.send_signal(signal.SIGTERM)
        await service.becomes(Status.NOT_SERVING)
        assert service.process.returncode is None
        assert await service.ended() == 0
        events = [line["event"] for line in service.lines]
        assert events[-2:] == ["server.draining", "server.stopped"]
        assert INTERNAL_KEY not in str(service.lines)


def fetch(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.code)


async def test_a_service_that_verify_has_not_answered_is_not_ready(valkey_server: Valkey) -> None:
    async with running(
        "status",
        verify_target=f"127.0.0.1:{free_port()}",
        redis_nodes=valkey_server.settings.redis_nodes,
    ) as service:
        await service.becomes(Status.NOT_SERVING)
        async with asyncio.timeout(10):
            while not any(line["event"] == "trust.stale" for line in service.lines):
                await asyncio.sleep(0.01)
        assert await service.health() == Status.NOT_SERVING


async def test_reflection_shows_the_public_contract_and_nothing_internal(
    verify_target: str, valkey_server: Valkey
) -> None:
    async with running(
        "status", verify_target=verify_target, redis_nodes=valkey_server.settings.redis_nodes
    ) as service:
        await service.becomes(Status.SERVING)
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(service.channel)
        call = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="*")])
        )
        names = {one.name for one in (await call.read()).list_services_response.service}
        call.cancel()
    assert "hongyan.gate.v1.GateService" in names
    assert not {name for name in names if "Link" in name or "Directory" in name or "Trust" in name}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"internal_key": "short"}, "HONGYAN_INTERNAL_KEY"),
        ({"redis_nodes": "nonsense"}, "HONGYAN_REDIS_NODES"),
        ({"lease_seconds": "long"}, "lease_seconds"),
    ],
    ids=["key", "nodes", "number"],
)
async def test_a_wrong_setting_ends_a_service_with_one_clear_word(
    settings: dict[str, str], complaint: str
) -> None:
    async with running("status", **settings) as service:
        service._reading.cancel()
        await asyncio.gather(service._reading, return_exceptions=True)
        assert service.process.stdout
        async with asyncio.timeout(15):
            said = (await service.process.stdout.read()).decode()
            assert await service.process.wait() == 1
    assert complaint in said
    assert "Traceback" not in said
    assert "short" not in said


async def test_a_taken_port_ends_a_service_with_one_clear_word(valkey_server: Valkey) -> None:
    async with running("status", address=f"127.0.0.1:{valkey_server.port}") as service:
        service._reading.cancel()
        await asyncio.gather(service._reading, return_exceptions=True)
        assert service.process.stdout
        async with asyncio.timeout(15):
            said = (await service.process.stdout.read()).decode()
            assert await service.process.wait() == 1
    assert "port taken" in said
    assert "Traceback" not in said
