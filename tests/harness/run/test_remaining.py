"""Tests of the estimate of a run's remaining time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.run.remaining import Remaining
from harness.run.settings import Run
from harness.types import Failure, Role
from tests.harness.run.grading import run_of
from tests.harness.run.planning import planned_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return run_of(None, tmp_path)


def test_entries_are_taken_to_need_the_median_of_their_kind(run: Run) -> None:
    entries = [planned_of(run, str(number)) for number in range(6)]
    remaining = Remaining([[each] for each in entries], jobs=2)
    for planned, seconds in zip(entries, (10.0, 20.0, 90.0), strict=False):
        remaining.done(planned, seconds)
    assert remaining.left([]) == (3 * 20.0 / 2, False)
    # One that has had 12 of its 20 seconds needs 8 more; the two others 20 each.
    assert remaining.left([(entries[3], 12.0)]) == (48.0 / 2, False)
    # One that has had 100 s is not nearly done: it is the longest, and nothing can be ready before it.
    assert remaining.left([(entries[3], 200.0)]) == (50.0, True)


def test_what_has_not_been_seen_makes_the_estimate_a_lower_bound(run: Run) -> None:
    first, second, other = planned_of(run, "a"), planned_of(run, "b"), planned_of(run, "a", part=2)
    assert first.part.task != other.part.task
    remaining = Remaining([[first, other], [second]], jobs=1)
    assert remaining.left([]) == (0.0, True)
    remaining.done(first, 30.0)
    assert remaining.left([]) == (30.0, True)
    remaining.done(other, 5.0)
    assert remaining.left([]) == (30.0, False)
    remaining.done(second, 30.0)
    assert remaining.left([]) == (0.0, False)


def test_known_and_failed_entries_tell_nothing_about_others(run: Run) -> None:
    known, failed, left = planned_of(run, "a"), planned_of(run, "b"), planned_of(run, "c")
    failed = dataclasses.replace(failed, failure=Failure("intake", "empty", "Nothing."))
    remaining = Remaining([[known], [failed], [left]], jobs=1)
    remaining.done(known, None)
    remaining.done(failed, None)
    assert remaining.left([]) == (0.0, True)


def test_a_reference_model_says_nothing_of_a_student_s_and_little_of_another_one_s_speed(run: Run) -> None:
    quick, slow = planned_of(run, "quick", 0, Role.REFERENCE), planned_of(run, "slow", 0, Role.REFERENCE)
    student, again = planned_of(run, "s"), planned_of(run, "slow", 0, Role.REFERENCE)
    remaining = Remaining([[quick], [slow], [student], [again]], jobs=1)
    remaining.done(quick, 1.0)
    assert remaining.left([]) == (2.0, True)
    remaining.done(slow, 100.0)
    assert remaining.left([]) == (100.0, True)
    remaining.done(student, 7.0)
    assert remaining.left([]) == (100.0, False)
