"""Defines a run: the settings that all of its entries share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.assignments.coursework import Coursework
from harness.rubric import Assignment
from harness.run.activity import Activity
from harness.sandbox.outside import CODE_LIMITS, Isolation, Limits
from harness.tasks.base import Context
from harness.types import Record

CHECKPOINT_LIMIT = 512 << 20
"""Bytes of the largest checkpoint or answers file that is read."""
KEPT_BYTES = 8 << 20
"""Answers of an entry up to this size are kept without being asked for."""

Beside = Literal["none", "baselines", "all"]


class RequestError(Exception):
    """A run can't be prepared, or go on, as asked; the message says what is wrong."""


def _nothing() -> None: ...


@dataclass(frozen=True)
class Run:
    """Settings that all entries of a run share."""

    context: Context
    coursework: Coursework
    results: Path
    isolation: Isolation
    jobs: int = 1
    """Submissions that are graded side by side."""
    fresh: bool = False
    """Grade again what is recorded already."""
    trust_code: bool = False
    """Run student code without isolation, where isolation can't be had."""
    limits: Limits = field(default_factory=Limits)
    code_limits: Limits = CODE_LIMITS
    only: frozenset[str] = frozenset()
    """Submission ids; all if empty."""
    tasks: frozenset[str] = frozenset()
    """Task names; all if empty."""
    beside: Beside = "none"
    """Baselines and reference models that are graded beside the class; "all" means both."""
    compare_shipped: bool = True
    """Compare the class with shipped models; not where it is made of them, as a demonstration's is."""
    cache: Path | None = None
    """Folder that keeps results of baselines and reference models for other runs; None to keep none there."""
    activity: Activity = field(default_factory=Activity, compare=False, repr=False)
    """Gets told what runs, and stops the run where it is told to; nothing of what it stops is recorded."""
    timing: bool = False
    """Time the models of all parts whose task can be timed; a part with thresholds for time always is."""
    moved: bool = False
    """Take records of equal names as those of these hand-ins, although their folder is another one."""
    keep_answers: bool = False
    """Keep answers of any size, so that they can be marked again without a model."""
    ready: Callable[[], None] = _nothing
    """Reads data and judges, which `prepare` only finds; called before anything is asked or marked.

    Raises RequestError where they can't be used, which ends the run: it is the fault of no entry.
    """
    earlier: Sequence[Path] = ()
    """Results folders of earlier classes, with whose entries this class's are compared (`harness.run.earlier`)."""
    executor: str = "threads"
    """Name of what asks and marks the entries (`harness.run.executors.EXECUTORS`)."""
    scheduler: str = ""
    """Address of the scheduler, for an executor of several hosts."""

    @property
    def beside_class(self) -> Run:
        """The run for baselines and reference models, whose questions are the same in every results folder."""
        return replace(self, context=self.context.openly())

    def as_recorded(self, record: Record) -> Run:
        """The run for bringing a record up to date as it was graded: by its seed, and measured as fully."""
        context = self.context
        if (context.seed, context.full) == (record.seed, record.full):
            return self
        return replace(self, context=replace(context, seed=record.seed, full=record.full))

    @property
    def assignment(self) -> Assignment:
        """The assignment whose parts are graded."""
        return self.coursework.assignment
