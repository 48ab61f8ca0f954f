"""Prepares a run from what a command was asked: assignment, data, judge, isolation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classifiers.judge import Judge
from classifiers.weights_file import WeightsError
from harness import mnist
from harness.assignments import coursework
from harness.assignments.coursework import Coursework
from harness.rubric import AssignmentError
from harness.run.settings import Beside, Run
from harness.sandbox.outside import probe
from harness.tasks.base import Cases, Context
from harness.types import GradingError


class RequestError(Exception):
    """A run can't be prepared as asked; the message says what is wrong."""


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
    timing: bool = False


def prepare(request: Request) -> Run:
    """Load all that a run needs. Raises RequestError with a sentence where something is wrong."""
    private = request.judge is not None
    try:
        chosen = coursework.find(request.assignment)
        chosen.check()
        if unknown := [name for name in request.tasks if name not in chosen.tasks]:
            raise RequestError(f"--task {unknown[0]}: no such task; there are {', '.join(chosen.tasks)}")
        digits = mnist.load(request.data)
        official = _own_cases(chosen, request.data or Path(os.environ.get(mnist.VARIABLE) or mnist.cache()))
        public = Judge.shipped()
        referee = Judge.read(request.judge) if request.judge is not None else public
    except (AssignmentError, WeightsError) as error:
        raise RequestError(str(error)) from error
    except GradingError as error:
        raise RequestError(error.failure.message) from error
    try:
        request.results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"--results {request.results}: {error.strerror}") from error
    return Run(
        Context(digits, referee, request.seed, public if private else None, official),
        chosen,
        request.results,
        probe(),
        request.jobs,
        request.fresh,
        request.trust_code,
        only=frozenset(request.only),
        tasks=frozenset(request.tasks),
        beside=request.beside,
        keep_answers=request.keep_answers,
        moved=request.moved,
        timing=request.timing,
    )


def _own_cases(chosen: Coursework, folder: Path) -> dict[str, Cases]:
    """Read the courseworks' own test cases that lie in a folder, for the tasks that have such files."""
    found = {}
    for name in dict.fromkeys(part.task for part in chosen.assignment.part):
        read = getattr(chosen.task(name), "own_cases", None)
        if read is not None and (cases := read(folder)) is not None:
            found[name] = cases
    return found
