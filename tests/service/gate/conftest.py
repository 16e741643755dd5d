"""One chat pod, gates in front of it, and devices; all end with the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from services.gate import rules
from tests.service.conftest import free_port
from tests.service.gate.device import Device
from tests.service.gate.world import ChatPod, GateOptions, GatePod, Verify

NewGate = Callable[..., Awaitable[GatePod]]
NewDevice = Callable[..., Device]


@pytest.fixture(autouse=True)
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates look after their sessions 50 times a second; what they decide is by the clock."""
    monkeypatch.setattr(rules, "SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(rules, "RESYNC_PAUSE_SECONDS", 0.001)


@pytest.fixture
def verify() -> Verify:
    return Verify()


@pytest.fixture
async def chat(verify: Verify, chat_database: str) -> AsyncIterator[ChatPod]:
    pod = await ChatPod(verify, free_port(), chat_database).start()
    yield pod
    await pod.stop()


@pytest.fixture
async def new_gate(verify: Verify, chat: ChatPod) -> AsyncIterator[NewGate]:
    """Starts gates; without targets they attach to the chat pod."""
    async with AsyncExitStack() as stack:

        async def start(
            options: GateOptions | None = None, targets: str = "", links: int = 1
        ) -> GatePod:
            gate = await GatePod(verify, free_port(), targets or chat.target, options).start()
            stack.push_async_callback(gate.stop)
            async with asyncio.timeout(10):
                while len(list(gate.links.live())) < links:
                    await asyncio.sleep(0.002)
            return gate

        yield start


@pytest.fixture
async def gate(new_gate: NewGate) -> GatePod:
    return await new_gate()


@pytest.fixture
async def new_device(verify: Verify) -> AsyncIterator[NewDevice]:
    """Opens streams."""
    async with AsyncExitStack() as stack:

        def connect(gate: GatePod, user: str, session: str = "", **options: int) -> Device:
            device = Device(gate.target, verify.token(user, session), **options)
            stack.push_async_callback(device.close)
            return device

        yield connect


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Waits for a condition; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)
