"""Marks: the parent makes metrics, evidence and figures of answers, with truth and judge at hand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.metrics.one_thread import one_thread
from harness.run.ask import harness_failure
from harness.tasks.base import Context, Sketched, Task
from harness.types import Answer, Array, Entry, Failure, GradingError, Marks, broken


@dataclass(frozen=True)
class Marked:
    """The result of marking an entry's answers."""

    marks: Marks | None
    failure: Failure | None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    sketches: Mapping[str, Array] = field(default_factory=dict)
    """A few numbers by which entries are compared (`harness.likeness`), by kind of likeness."""


def mark(task: Task, context: Context, entry: Entry, answers: Sequence[Answer]) -> Marked:
    """Mark an entry's answers. Never raises: what goes wrong is the result's failure.

    numpy takes one thread, since other entries and their workers have the other cores.
    """
    started = time.perf_counter()
    try:
        with one_thread():
            marks, notes = task.mark(context, entry, answers)
            _refuse_non_finite(marks)
            sketches = dict(task.sketch(context, entry, answers)) if isinstance(task, Sketched) else {}
    except GradingError as error:
        return Marked(None, error.failure, (), time.perf_counter() - started)
    except Exception as error:
        return Marked(None, harness_failure(error), (), time.perf_counter() - started)
    return Marked(marks, None, tuple(notes), time.perf_counter() - started, sketches)


def _refuse_non_finite(marks: Marks) -> None:
    for name, metric in marks.metrics.items():
        for number in (metric.value, metric.low, metric.high):
            if number is not None and not np.isfinite(number):
                raise broken("marking", "not-finite", f"The metric {name} came out as {number}.")
