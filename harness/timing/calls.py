"""Times the calls of one process: the parent's clock around each question and its answer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from harness.sandbox.outside import Session
from harness.timing import core
from harness.timing.protocol import PAUSE
from harness.types import Answer, Question, broken

Open = Callable[[], Session]
"""Starts a fresh worker and opens the model in it; the caller closes it."""

AnySession = TypeVar("AnySession", bound=Session)

DEADLINE = 60.0
"""Seconds after which a call is stopped: any call that takes longer was not to be timed at all. The first call of a
process has its question's own deadline, for it may prepare what later ones use."""


def opened(worker: AnySession, opening: Callable[[AnySession], object]) -> AnySession:
    """Return a fresh worker once `opening` has opened a model in it; where that fails, the worker is closed."""
    try:
        opening(worker)
    except BaseException:
        worker.close()
        raise
    return worker


@dataclass(frozen=True)
class Call:
    """One call that was timed."""

    seconds: float
    answer: Answer
    """Empty where answers were not to be kept."""


@dataclass(frozen=True)
class Process:
    """The timed calls of one process."""

    calls: Sequence[Call]
    working: float
    """Processor time within the timed calls, in seconds."""
    idle: float
    """Processor time between them: of threads that work on when an answer is given."""
    memory: float | None
    """Peak memory in bytes."""


def run(
    model: Open,
    on: int,
    warm: Sequence[Question],
    questions: Sequence[Question],
    pauses: np.random.Generator,
    *,
    keep_answers: bool = False,
) -> Process:
    """Start a process on the core `on`, ask it the `warm` questions, then the timed ones, one after the other.

    Before each timed question the process has nothing to do for a random time. GradingError where it fails.
    """
    with core.pinned(on):
        worker = model()
    with worker, core.away_from(on):
        process = worker.process_id()
        _keep_on(process, on)
        for number, question in enumerate(warm):
            worker.ask(question, DEADLINE if number else question.deadline)
        calls = []
        working = idle = 0.0
        waited_from = _used(process)
        for question in questions:
            time.sleep(float(pauses.exponential(PAUSE)))
            begun = _used(process)
            idle += begun - waited_from
            seconds, answer = timed(worker, question)
            waited_from = _used(process)
            working += waited_from - begun
            calls.append(Call(seconds, answer if keep_answers else {}))
        time.sleep(PAUSE)
        idle += _used(process) - waited_from
        memory = core.peak_memory(process) if process is not None else None
    return Process(calls, working, idle, memory)


def timed(worker: Session, question: Question) -> tuple[float, Answer]:
    """Ask a question; the seconds from before it is sent until its answer lies here whole, and the answer."""
    started = time.perf_counter()
    answer = worker.ask(question, DEADLINE)
    return time.perf_counter() - started, answer


def _keep_on(process: int | None, on: int) -> None:
    """Keep a worker on a core, one that was forked from a process elsewhere, too."""
    try:
        os.sched_setaffinity(process or -1, {on})
    except (OSError, OverflowError) as error:
        raise broken("worker", "core", f"The worker can't be kept on one core: {error}.") from error


def _used(process: int | None) -> float:
    if process is not None:
        with suppress(OSError):
            return core.processor_seconds(process)
    return 0.0


@dataclass(frozen=True)
class Pilot:
    """Calls that foresee how long others take; not part of the result."""

    start_seconds: float
    """Seconds until the model is open and has answered once."""
    rows: int
    """Rows of a call that takes at most as long as allowed; 0 where a single row takes longer."""
    seconds: float
    """Seconds of such a call, or of one with a single row."""
    single_seconds: float


def pilot(model: Open, on: int, draw: Callable[[int], Question], batch: int, longest: float) -> Pilot:
    """Find the rows, `batch` at most, of a call that takes at most about `longest` seconds.

    The rows grow from one, so that no call takes much longer. GradingError where the process fails.
    """
    started = time.perf_counter()
    with core.pinned(on):
        worker = model()
    with worker, core.away_from(on):
        _keep_on(worker.process_id(), on)
        first = draw(1)
        worker.ask(first, first.deadline)
        opened = time.perf_counter() - started
        single, _ = timed(worker, draw(1))
        if single > longest:
            return Pilot(opened, 0, single, single)
        rows, seconds = 1, single
        while rows < batch:
            wider = min(batch, 8 * rows)
            found, _ = timed(worker, draw(wider))
            if found > longest:
                # Time is at most proportional to the rows, as nearly as makes no difference here.
                return Pilot(opened, max(rows, int(wider * longest / found)), longest, single)
            rows, seconds = wider, found
        return Pilot(opened, rows, seconds, single)
