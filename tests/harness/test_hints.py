"""Tests of what numbers are taken for that should have been probabilities."""

import numpy as np
import pytest

from harness.hints import of_no_probabilities


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.2), (-0.4, 1.1), (-0.05, 1.0), (0.3, 2.4), (-1.2, 1.3)])
@pytest.mark.parametrize("instead", ["sigmoid", "softmax over the last axis"])
def test_what_leaves_the_range_a_little_is_not_called_logits(low, high, instead):
    said = of_no_probabilities(low, high, instead)
    assert "They look like" not in said and "hardly logits" in said
    assert instead in said


def test_logits_logarithms_gray_values_and_tanh_are_told_apart():
    probabilities = np.linspace(0.001, 0.999, 999)
    logits = np.log(probabilities / (1 - probabilities))
    for values, named in (
        (logits, "logits: return their sigmoid"),
        (logits[:700], "logits: return their sigmoid"),  # a model that is never sure of ink
        (logits[400:], "logits: return their sigmoid"),
        (np.log(probabilities), "logarithms of probabilities"),
        (255 * probabilities, "divide them by 255"),
        (2 * probabilities - 1, "as of a tanh"),
    ):
        assert named in of_no_probabilities(values.min(), values.max()), named


@pytest.mark.parametrize("end", [float("nan"), float("inf"), -float("inf")])
def test_nothing_is_said_of_what_is_no_number(end):
    assert of_no_probabilities(end, 1.0) == of_no_probabilities(0.0, end) == ""
