"""Executes plans side by side, each thread with a sandboxed process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from typing import TypeVar

from harness.run.plan import Plan
from harness.run.settings import Run
from harness.sandbox.outside import WeightsWorkers
from harness.sandbox.outside.registries import REGISTRY

Result = TypeVar("Result")


def in_threads(
    work: Callable[[Plan, WeightsWorkers], Result], plans: Sequence[Plan], run: Run, warm: Sequence[WeightsWorkers] = ()
) -> Iterator[Result]:
    """Yield the result of each plan as it is ready; `run.jobs` plans are worked on at a time.

    Each thread takes one of `warm`, the sandboxes of an earlier run, or makes its own; it starts when it is needed.
    """
    waiting = list(warm)
    slots = threading.local()
    lock = threading.Lock()

    def one(plan: Plan) -> Result:
        if not hasattr(slots, "workers"):
            with lock:
                slots.workers = waiting.pop() if waiting else stack.enter_context(weights_workers(run))
        return work(plan, slots.workers)

    with ExitStack() as stack, ThreadPoolExecutor(max(1, run.jobs)) as pool:
        futures = [pool.submit(one, plan) for plan in plans]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def weights_workers(run: Run) -> WeightsWorkers:
    """Return workers that know gradebench's architectures and those of the run's coursework."""
    own = run.coursework.architectures_file
    registries = (REGISTRY,) if own is None else (REGISTRY, f"{own}:ARCHITECTURES")
    return WeightsWorkers(run.isolation, registries=registries)
