"""The assignment that reference models are graded by, and the exit code of grading them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.rubric import AssignmentError
from harness.run import reference_table, references
from harness.types import Entry, Kind, Metric, Status, Submission
from tests.harness.test_records import record


def scored(part: str, value: float, **changes: object) -> object:
    metrics = {
        "masked_mse": Metric(value, "squared gray value", "lower", 10_000, value - 0.001, value + 0.001),
        "plausibility": Metric(0.9, "share", "higher", 2000),
    }
    base = record(task="patch-inpainting", part=part, metrics=metrics, primary="masked_mse", evidence=())
    return replace(base, **{"digests": {"checkpoint": "ab" * 32}, **changes})


def test_every_shipped_model_has_a_part_of_its_own_and_no_points() -> None:
    submissions = references.submissions()
    assignment = reference_table.assignment(submissions)
    assert [part.id for part in assignment.part] == [e.part for s in submissions for e in s.entries]
    assert [part.task for part in assignment.part] == [e.task for s in submissions for e in s.entries]
    assert assignment.max_points == 0
    marks = {part.id: part.pass_mark for part in assignment.part}
    assert (marks["cvae"], marks["cgan"]) == (0.98, 0.98)


def test_a_task_that_no_assignment_has_is_an_error() -> None:
    entry = Entry("no-such-task", Kind.WEIGHTS, "mine", "mine")
    with pytest.raises(AssignmentError, match="no-such-task"):
        reference_table.assignment([Submission("house-mine", "Mine", Path(), (entry,))])


def test_the_exit_code_asks_whether_all_were_scored_not_whether_they_passed() -> None:
    low = scored("a", 0.9)
    failed = scored("b", 0.9, status=Status.FAILED)
    lost = scored("c", 0.9, status=Status.NOT_GRADABLE)
    codes = [reference_table.exit_code(of) for of in ([low], [low, failed], [failed, lost], [])]
    assert codes == [0, 1, 3, 3]
