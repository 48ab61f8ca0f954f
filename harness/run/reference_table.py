"""The reference models graded like submissions: the assignment that takes them all, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from harness import rubric
from harness.rubric import Assignment, AssignmentError, Part
from harness.summary import EXIT_BELOW, EXIT_NOT_GRADABLE, EXIT_PASSED
from harness.types import Entry, Record, Status, Submission


def assignment(submissions: Sequence[Submission]) -> Assignment:
    """A part for each model, with the pass mark that a shipped assignment has for its task; no points are given.

    Raises AssignmentError where no shipped assignment has the task.
    """
    parts = [part for shipped in rubric.shipped().values() for part in shipped.part]
    chosen = [_part(entry, parts) for submission in submissions for entry in submission.entries]
    return Assignment(name="reference", title="The shipped reference models", part=chosen)


def _part(entry: Entry, parts: Sequence[Part]) -> Part:
    of_task = [part for part in parts if part.task == entry.task]
    taking = [part for part in of_task if entry.model in part.models] or of_task
    if not taking:
        raise AssignmentError(f"no shipped assignment has a part of the task {entry.task}, which {entry.part} is for")
    models = [entry.model] if entry.model else []
    return taking[0].model_copy(
        update={"id": entry.part, "title": entry.part, "models": models, "points": 0.0, "choice": "", "bonus": 0.0}
    )


def exit_code(records: Sequence[Record]) -> int:
    """0 everything was scored · 1 something failed by its own fault · 3 something could not be graded."""
    if not records or any(record.status is Status.NOT_GRADABLE for record in records):
        return EXIT_NOT_GRADABLE
    return EXIT_BELOW if any(record.status is Status.FAILED for record in records) else EXIT_PASSED
