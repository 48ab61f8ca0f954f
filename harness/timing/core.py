"""The core that models are timed on, and what the kernel tells of a worker that runs there."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def chosen() -> int:
    """Choose the core to time on: the last that this process may use, since the first serves most interrupts."""
    return max(os.sched_getaffinity(0))


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this thread on one core; processes that it starts meanwhile inherit that and, sandboxed, can't change it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def away_from(core: int) -> Iterator[None]:
    """Keep this thread off a core, where there is another."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - {core} or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def processor_seconds(process: int) -> float:
    """Return the processor time that all threads of a process have used, those that have ended included.

    Read from the process's own clock, clock_getcpuclockid(3). OSError where there is no such process.
    """
    return time.clock_gettime((~process << 3) | 2)


def peak_memory(process: int) -> float | None:
    """Return the largest resident memory that a process has had, in bytes; None where it can't be read."""
    return _number(Path(f"/proc/{process}/status"), "VmHWM:", 1024.0)


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _number(path: Path, name: str, unit: float) -> float | None:
    try:
        found = next(line for line in path.read_text().splitlines() if line.startswith(name))
        return int(found.split()[1]) * unit
    except (OSError, ValueError, IndexError, StopIteration):
        return None
