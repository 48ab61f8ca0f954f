"""Pairs of a class, by residuals that were made so that it is known who is like whom."""

from __future__ import annotations

import numpy as np
import pytest

from harness.likeness import answers
from harness.likeness.pairs import Sketch, alike


def entry(owner: str, residuals, comparable: str = "task", fixed: bool = False) -> Sketch:
    return Sketch(owner, comparable, answers.sketch(residuals), fixed)


@pytest.fixture
def own() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((5, 300, 20))


def test_a_copy_is_found_in_both_directions_and_others_are_not(own):
    found = alike([entry("a", own[0]), entry("b", own[1]), entry("c", 1.01 * own[0]), entry("d", own[2])])
    assert {place: [one.other for one in others] for place, others in found.items()} == {0: [2], 2: [0]}
    assert found[0][0].distance == pytest.approx(1e-4, rel=0.05)
    assert found[0][0].kind.name == answers.NAME


def test_the_most_alike_comes_first(own):
    found = alike([entry("a", own[0]), entry("b", 1.02 * own[0]), entry("c", 1.01 * own[0])])
    assert [one.other for one in found[0]] == [2, 1]


def test_parts_of_one_owner_and_answers_to_other_questions_are_no_pairs(own):
    assert alike([entry("a", own[0]), entry("a", own[0])]) == {}
    assert alike([entry("a", own[0]), entry("b", own[0], comparable="other")]) == {}


def test_those_who_both_give_the_only_right_answer_copied_nobody(own):
    right = entry("baseline", own[0], fixed=True)
    assert alike([right, entry("a", own[0]), entry("b", own[0])]) == {}
    # A copy of something else is still one.
    found = alike([right, entry("a", own[0]), entry("b", own[1]), entry("c", own[1])])
    assert {place: [one.other for one in others] for place, others in found.items()} == {2: [3], 3: [2]}


def test_answers_that_are_no_numbers_are_like_nobody_and_hide_nobody(own):
    huge = np.full((300, 20), 1e300)
    found = alike([entry("a", own[0]), entry("m", huge), entry("b", own[0]), entry("n", huge)])
    assert {place: [one.other for one in others] for place, others in found.items()} == {0: [2], 2: [0]}
