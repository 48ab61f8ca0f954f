"""Prepares a run from what a command was asked: assignment, data, judge, isolation."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from classifiers.deferred import DeferredJudge
from classifiers.facts import SHIPPED, WeightsError
from harness import mnist, scratch
from harness.assignments import coursework
from harness.assignments.coursework import Coursework
from harness.rubric import AssignmentError
from harness.run import earlier, executors, floors
from harness.run.settings import Beside, RequestError, Run
from harness.sandbox.outside import probe
from harness.secret import Secret, SecretError
from harness.tasks.base import Cases, Context
from harness.types import GradingError

__all__ = ["Request", "RequestError", "prepare"]


@dataclass(frozen=True)
class Request:
    """The options of a command that decide a run."""

    assignment: str
    """Name of a shipped assignment, or path of a TOML file or coursework folder."""
    results: Path
    data: Path | None
    seed: int
    judge: Path | None = None
    jobs: int = 1
    fresh: bool = False
    trust_code: bool = False
    only: Sequence[str] = ()
    tasks: Sequence[str] = ()
    beside: Beside = "none"
    keep_answers: bool = False
    moved: bool = False
    executor: str = executors.DEFAULT
    scheduler: str = ""
    timing: bool = False
    full: bool = False
    earlier: Sequence[Path] = ()
    """Results folders of earlier classes, beside those that the results folder keeps a list of."""
    secret_from: Path | None = None
    """Results folder whose secret seed is used, in place of one of this run's own."""
    compare_shipped: bool = True


def prepare(request: Request) -> Run:
    """Find all that a run needs. Raises RequestError with a sentence where something is wrong.

    Digits and networks are read when the first entry needs them (`Run.ready`): where all is known, none does.
    """
    private = request.judge is not None
    try:
        chosen = coursework.find(request.assignment)
        chosen.check()
        if unknown := [name for name in request.tasks if name not in chosen.tasks]:
            raise RequestError(f"--task {unknown[0]}: no such task; there are {', '.join(chosen.tasks)}")
        digits = mnist.locate(request.data)
        official = _own_cases(chosen, request.data or Path(os.environ.get(mnist.VARIABLE) or mnist.cache()))
        public = DeferredJudge(SHIPPED)
        referee = DeferredJudge(request.judge) if request.judge is not None else public
    except (AssignmentError, WeightsError) as error:
        raise RequestError(str(error)) from error
    except GradingError as error:
        raise RequestError(error.failure.message) from error
    try:
        request.results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"--results {request.results}: {error.strerror}") from error
    scratch.sweep_writes(request.results)
    try:
        secret = Secret.kept(request.secret_from or request.results)
        before = earlier.chosen(request.results, request.earlier)
    except earlier.EarlierError as error:
        raise RequestError(f"--earlier {error}") from error
    except SecretError as error:
        raise RequestError(str(error)) from error
    run = Run(
        Context(
            digits,
            referee,
            request.seed,
            public if private else None,
            official,
            floors.read(request.judge or SHIPPED, referee.digest, digits.digest),
            request.full,
            secret,
        ),
        chosen,
        request.results,
        probe(),
        request.jobs,
        request.fresh,
        request.trust_code,
        only=frozenset(request.only),
        tasks=frozenset(request.tasks),
        beside=request.beside,
        compare_shipped=request.compare_shipped,
        keep_answers=request.keep_answers,
        moved=request.moved,
        ready=_reader(digits, [public, referee]),
        cache=mnist.cache().parent / "references",
        earlier=before,
        executor=request.executor,
        scheduler=request.scheduler,
        timing=request.timing,
    )
    if problem := executors.problem(run):
        raise RequestError(problem)
    return run


def _reader(digits: mnist.Digits, judges: Sequence[DeferredJudge]) -> Callable[[], None]:
    """A function that reads digits and judges at its first call, whichever thread it comes from."""
    lock = threading.Lock()

    def ready() -> None:
        with lock:
            try:
                _ = digits.train, [judge.judge for judge in judges]
            except WeightsError as error:
                raise RequestError(str(error)) from error
            except GradingError as error:
                raise RequestError(error.failure.message) from error
            _look_for_no_garbage_among_libraries()

    return ready


@cache
def _look_for_no_garbage_among_libraries() -> None:
    """Once a process: what is there by now, libraries above all, stays until its end."""
    gc.freeze()


def _own_cases(chosen: Coursework, folder: Path) -> dict[str, Cases]:
    """Read the courseworks' own test cases that lie in a folder, for the tasks that have such files."""
    found = {}
    for name in dict.fromkeys(part.task for part in chosen.assignment.part):
        read = getattr(chosen.task(name), "own_cases", None)
        if read is not None and (cases := read(folder)) is not None:
            found[name] = cases
    return found
