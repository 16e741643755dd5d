"""22: a soak with churn: memory, threads and descriptors of each process stay flat."""

import asyncio
import statistics
import time
from dataclasses import dataclass

import psutil
import pytest

from services.embedded.system import System
from tests.faults.load import Load
from tests.faults.report import trial
from tests.faults.scale import SOAK_SECONDS

WARM_UP = 0.4
SAMPLE_SECONDS = 1.0
# Generous: what a process may gain from the warm-up to the end.
GROWTH_BYTES = 32 * 1024 * 1024
GROWTH_THREADS = 8
GROWTH_DESCRIPTORS = 40

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120 + 2 * SOAK_SECONDS),
]


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process used at a time."""

    at: float
    rss: int
    threads: int
    descriptors: int


def sample(system: System, samples: dict[str, list[Sample]]) -> None:
    """Adds a sample of each process."""
    for name, pids in system.pids().items():
        for place, pid in enumerate(pids):
            process = psutil.Process(pid)
            with process.oneshot():
                one = Sample(
                    time.monotonic(),
                    process.memory_info().rss,
                    process.num_threads(),
                    process.num_fds(),
                )
            samples.setdefault(f"{name}-{place + 1}", []).append(one)


def growth(samples: list[Sample], name: str) -> float:
    """Returns what a figure gains from the first quarter of the samples to the last."""
    quarter = max(1, len(samples) // 4)
    first, last = (
        statistics.median(getattr(one, name) for one in part)
        for part in (samples[:quarter], samples[-quarter:])
    )
    return last - first


def slope(samples: list[Sample]) -> float:
    """Returns how memory grows, in MiB an hour, by least squares."""
    line = statistics.linear_regression([one.at for one in samples], [one.rss for one in samples])
    return line.slope * 3600 / 2**20


async def test_a_soak_with_churn(world, town):
    with trial("22", f"soak with churn, {SOAK_SECONDS:.0f} s") as record:
        load = await Load(town).start()
        began = time.monotonic()
        samples: dict[str, list[Sample]] = {}
        stop = asyncio.Event()

        async def churn() -> None:
            """A device comes and goes."""
            guest = await town.second_device(load.pairs[0][1])
            while not stop.is_set():
                await guest.restart()
                record.faults += 1
                # Nobody leaves before something was written meanwhile.
                await load.progress(5)

        churner = asyncio.create_task(churn())
        while (passed := time.monotonic() - began) < SOAK_SECONDS:
            if passed > WARM_UP * SOAK_SECONDS:
                sample(world.system, samples)
            await asyncio.sleep(SAMPLE_SECONDS)
        stop.set()
        await churner
        await load.finish()
        for name, seen in samples.items():
            record.figures[name] = (
                f"{slope(seen):+.1f} MiB/h, {growth(seen, 'threads'):+.0f} threads, "
                f"{growth(seen, 'descriptors'):+.0f} descriptors"
            )
            assert growth(seen, "rss") < GROWTH_BYTES, name
            assert growth(seen, "threads") <= GROWTH_THREADS, name
            assert growth(seen, "descriptors") <= GROWTH_DESCRIPTORS, name
        record.judge(town)
