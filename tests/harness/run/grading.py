"""Grading as the tests of runs do it: collect a folder, and a run for a coursework."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import intake
from harness.assignments import coursework
from harness.assignments.coursework import Coursework
from harness.rubric import Assignment
from harness.run import run as run_module
from harness.run.settings import Run
from harness.sandbox.outside import probe
from harness.tasks.base import Context
from harness.types import Record, Status, Submission


def run_of(context: Context, results: Path, assignment: Assignment | str = "tsinghua-hw3", **changes: Any) -> Run:
    results.mkdir(parents=True, exist_ok=True)
    chosen = coursework.find(assignment) if isinstance(assignment, str) else Coursework(assignment)
    return dataclasses.replace(Run(context, chosen, results, probe()), **changes)


def collect(path: Path, work: Path, of: Coursework | None = None) -> list[Submission]:
    work.mkdir(exist_ok=True)
    of = of or coursework.find("tsinghua-hw3")
    return intake.collect([path], work, tasks=of.tasks, models=of.models)


def grade(submissions: Sequence[Submission], run: Run, *arguments: Any) -> list[Record]:
    """The records of what was handed in; those of parts that were not are left out."""
    found = run_module.grade(submissions, run, *arguments)
    return [record for record in found if record.status is not Status.NOT_HANDED_IN]
