"""Comparisons of ours with the naive way, interleaved in one run, and the page that `--performance FILE` writes.

Each round times the naive way and then ours; medians of both make the ratio, so that another load on the machine meets
both. Where the floating-point work of ours is known, its rate stands beside the machine's peak: the best rate of a
float32 matrix product on the same number of threads, by the quicker of torch's two libraries.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest
import torch

from reference.products import linear

CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Row:
    """A line of the page; seconds are for the same amount of work both ways."""

    what: str
    naive_way: str
    ours: float
    naive: float
    threads: int
    work: float | None = None
    """Floating-point operations of ours, two for each multiply-add."""
    rate: float | None = None
    """Operations a second of the machine at its peak."""

    def __str__(self) -> str:
        share = floor = ""
        if self.work and self.rate:
            share = f"{self.work / self.ours / self.rate:.0%}"
            floor = f"{self.naive * self.rate / self.work:.1f} ×"
        return (
            f"| {self.what} | {seconds(self.ours)} | {self.naive_way} | {seconds(self.naive)} "
            f"| {self.naive / self.ours:.1f} × | {share} | {floor} | {self.threads} |"
        )


rows = pytest.StashKey[list[Row]]()


def seconds(value: float) -> str:
    """Write a duration with three digits."""
    if value < 0.1:
        return f"{1000 * value:.3g} ms"
    return f"{value:.3g} s" if value < 1000 else f"{value:.0f} s"


def timed(call: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@cache
def peak(threads: int) -> float:
    """Floating-point operations a second of a float32 product on so many threads: the best of many."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
            best = min(timed(partial(way, left, right)) for way in (linear, torch.matmul) for _ in range(40))
    finally:
        torch.set_num_threads(before)
    return 2 * 1024**3 / best


Compare = Callable[..., Row]


@pytest.fixture
def compare(benchmark, request: pytest.FixtureRequest) -> Compare:
    """Give the function that times ours beside the naive way."""

    def run(
        what: str,
        ours: Callable[[], object],
        naive_way: str,
        naive: Callable[[], object],
        *,
        share: float = 1.0,
        rounds: int = 5,
        work: float | None = None,
        threads: int | None = None,
        before: Callable[[], object] | None = None,
    ) -> Row:
        """Time ours and the naive way in turn, after a first call of ours that does not count.

        Parameters
        ----------
        share : part of ours' amount of work that a call of `naive` does
        threads : that ours may take; those that torch has otherwise
        before : called, untimed, before each call of ours
        """
        if before is not None:
            before()
        ours()
        of_naive: list[float] = []

        def in_turn() -> None:
            of_naive.append(timed(naive) / share)
            if before is not None:
                before()

        if benchmark.disabled:
            in_turn()
            of_ours = [timed(partial(benchmark.pedantic, ours))]
        else:
            benchmark.pedantic(ours, setup=in_turn, rounds=rounds)
            of_ours = benchmark.stats.stats.data
        count = torch.get_num_threads() if threads is None else threads
        row = Row(
            what,
            naive_way,
            statistics.median(of_ours),
            statistics.median(of_naive),
            count,
            work,
            peak(count) if work else None,
        )
        benchmark.extra_info |= {"naive": row.naive, "ratio": row.naive / row.ours}
        request.config.stash.setdefault(rows, []).append(row)
        print(f"\n{row}")
        return row

    return run


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute in one thread, as a worker does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--performance", type=Path, metavar="FILE", help="write the comparisons to this Markdown file")


def pytest_sessionfinish(session: pytest.Session) -> None:
    path, found = session.config.getoption("performance", None), session.config.stash.get(rows, [])
    if path and found:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(found), encoding="utf-8")


def page(found: list[Row]) -> str:
    """Write the page of comparisons in Markdown."""
    rates = ", ".join(f"{peak(n) / 1e9:.0f} GFLOP/s on {n}" for n in sorted({1, CORES}))
    return "\n".join(
        [
            "# Performance",
            "",
            "Written by `tox -e bench`. Each line times ours and the naive way in turn, in one run on one machine;",
            "seconds are medians, for the same amount of work. *Of the peak* is the share of the machine's peak at",
            "which ours does its floating-point work, *at the peak* the ratio that the same work could reach there.",
            "The peak is the best rate of a large float32 product. Workers compute in one thread, the parent in all.",
            "",
            f"Here: {processor()}, {CORES} cores, torch {torch.__version__},",
            f"{torch.backends.cpu.get_cpu_capability()}; peak by threads: {rates}.",
            "",
            "| what | ours | naive way | naive | ratio | of the peak | at the peak | threads |",
            "|---|---|---|---|---|---|---|---|",
            *map(str, found),
            "",
        ]
    )


def processor() -> str:
    """Name the processor as the system does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
