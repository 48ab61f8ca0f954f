"""Builds the assignment that asks every reference model its own tasks, so that they are graded like submissions."""

from __future__ import annotations

from collections.abc import Sequence

from harness.assignments import coursework
from harness.assignments.coursework import Coursework
from harness.rubric import Assignment, AssignmentError, Part
from harness.tasks import TASKS
from harness.types import Entry, Submission
from reference import MODELS
from reference.listing import description


def of_models(submissions: Sequence[Submission]) -> Coursework:
    """Return a part for each entry, with the pass mark that a shipped assignment has for its task, and no points.

    A task that no shipped assignment has gets a pass mark of 0; the longer form of a task that none has is left out.
    Raises AssignmentError where there is no such task.
    """
    parts = [part for shipped in coursework.shipped().values() for part in shipped.assignment.part]
    tasks = {part.task for part in parts}
    entries = [e for s in submissions for e in s.entries if e.task in tasks or not _is_extended(e)]
    chosen = [_part(entry, parts) for entry in entries]
    return Coursework(Assignment(name="reference", title="The shipped reference models", part=chosen))


def _is_extended(entry: Entry) -> bool:
    return entry.model in MODELS and entry.task in description(entry.model).extended


def _part(entry: Entry, parts: Sequence[Part]) -> Part:
    of_task = [part for part in parts if part.task == entry.task]
    taking = [part for part in of_task if entry.model in part.models] or of_task
    if entry.task not in TASKS:
        raise AssignmentError(f"there is no task {entry.task}, which {entry.part} is for")
    models = [entry.model] if entry.model else []
    any_mark = Part.model_validate({"id": "any", "title": "any", "task": entry.task, "points": 0, "pass": 0})
    return (taking or [any_mark])[0].model_copy(
        update={
            "id": entry.part,
            "title": entry.part,
            "models": models,
            "points": 0.0,
            "choice": "",
            "bonus": 0.0,
            "metric": None,
            "options": {},
        }
    )
