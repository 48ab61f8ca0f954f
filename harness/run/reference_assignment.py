"""Builds the assignment that asks every reference model its own tasks, so that they are graded like submissions."""

from __future__ import annotations

from collections.abc import Sequence

from harness.assignments import coursework
from harness.assignments.coursework import Coursework
from harness.rubric import Assignment, AssignmentError, Part
from harness.types import Entry, Submission


def of_models(submissions: Sequence[Submission]) -> Coursework:
    """Return a part for each entry, with the pass mark that a shipped assignment has for its task, and no points.

    Raises AssignmentError where no shipped assignment has the task.
    """
    parts = [part for shipped in coursework.shipped().values() for part in shipped.assignment.part]
    tasks = {part.task for part in parts}
    # A model's own task has to be there; others that it can answer may be no part of a shipped assignment.
    entries = [e for s in submissions for e in s.entries if e.task in tasks or e is s.entries[0]]
    chosen = [_part(entry, parts) for entry in entries]
    return Coursework(Assignment(name="reference", title="The shipped reference models", part=chosen))


def _part(entry: Entry, parts: Sequence[Part]) -> Part:
    of_task = [part for part in parts if part.task == entry.task]
    taking = [part for part in of_task if entry.model in part.models] or of_task
    if not taking:
        raise AssignmentError(f"no shipped assignment has a part of the task {entry.task}, which {entry.part} is for")
    models = [entry.model] if entry.model else []
    return taking[0].model_copy(
        update={"id": entry.part, "title": entry.part, "models": models, "points": 0.0, "choice": "", "bonus": 0.0}
    )
