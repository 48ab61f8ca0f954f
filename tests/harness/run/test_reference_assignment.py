"""Tests of the assignment that reference models are graded by."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.rubric import AssignmentError
from harness.run import reference_assignment, references
from harness.types import Entry, Kind, Submission


def test_every_shipped_model_has_a_part_of_its_own_and_no_points() -> None:
    submissions = references.submissions()
    assignment = reference_assignment.of_models(submissions).assignment
    # No shipped assignment asks for the longer form of half inpainting.
    entries = [e for s in submissions for e in s.entries if e.task != "half-inpainting-extended"]
    assert [part.id for part in assignment.part] == [e.part for e in entries]
    assert [part.task for part in assignment.part] == [e.task for e in entries]
    assert assignment.max_points == 0
    marks = {part.id: part.pass_mark for part in assignment.part}
    assert (marks["cvae"], marks["cgan"]) == (0.98, 0.98)


def test_a_task_that_no_assignment_has_is_an_error() -> None:
    entry = Entry("no-such-task", Kind.WEIGHTS, "mine", "mine")
    with pytest.raises(AssignmentError, match="no-such-task"):
        reference_assignment.of_models([Submission("mine", "Mine", Path(), (entry,))])
