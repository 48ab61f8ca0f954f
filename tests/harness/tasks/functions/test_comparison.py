"""Tests of errors relative to the largest term, where an element has none."""

from __future__ import annotations

import numpy as np

from harness.tasks.functions.cases import Truth
from harness.tasks.functions.comparison import TOLERANCE, relative_error

TRUTH = Truth(np.array([[2.0, 0.0, -1.0]]), np.array([[4.0, 0.0, 2.0]]))
NOTHING = Truth(np.zeros((1, 2)), np.zeros((1, 2)))


def test_the_error_is_the_distance_over_the_largest_term() -> None:
    np.testing.assert_allclose(relative_error(np.array([[2.4, 0.0, -2.0]]), TRUTH), [[0.1, 0.0, 0.5]])


def test_an_element_without_terms_is_right_at_zero_and_up_to_rounding() -> None:
    assert relative_error(TRUTH.values, TRUTH).max() == 0
    assert relative_error(TRUTH.values + np.array([[0.0, 4e-16, 0.0]]), TRUTH).max() <= TOLERANCE
    assert relative_error(TRUTH.values + np.array([[0.0, 1e-3, 0.0]]), TRUTH)[0, 1] > 1


def test_a_case_without_terms_gives_numbers() -> None:
    assert relative_error(np.zeros((1, 2)), NOTHING).tolist() == [[0.0, 0.0]]
    with np.errstate(over="ignore"):
        assert (relative_error(np.full((1, 2), 1e-3), NOTHING) > 1).all()
