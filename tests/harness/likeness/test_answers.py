"""Distances of answers against their definition, and answers in which there is nothing to compare."""

from __future__ import annotations

import numpy as np
import pytest

from harness.likeness import answers

QUESTIONS = 400
FOLLOWED = 0.7
"""Share of the truth's variation that the answers here follow."""


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def truth(generator) -> np.ndarray:
    """Answers to questions, of 50 values, each with a mean of its own."""
    return 3 * generator.standard_normal(50) + generator.standard_normal((QUESTIONS, 50))


def distance(*sketched: dict) -> float:
    return float(answers.distances(np.stack([one[answers.NAME] for one in sketched]))[0, 1])


def followed(truth, share: float, noise) -> np.ndarray:
    """The mean truth, a share of how the truth varies, and noise."""
    mean = truth.mean(axis=0)
    return mean + share * (truth - mean) + noise


def test_good_answers_are_apart_by_their_difference_over_the_lesser_error(truth, generator):
    first, second = (followed(truth, FOLLOWED, scale * generator.standard_normal(truth.shape)) for scale in (0.1, 0.2))
    by_hand = np.square(first - second).mean() / min(np.square(own - truth).mean() for own in (first, second))
    assert distance(*(answers.predictions(own, truth) for own in (first, second))) == pytest.approx(by_hand, rel=0.2)


def test_answers_that_vary_little_are_apart_by_their_difference_over_the_lesser_variance(truth, generator):
    faint = [followed(truth, 0.15, 0.012 * generator.standard_normal(truth.shape)) for _ in range(2)]
    difference = np.square(faint[0] - faint[1]).mean()
    by_hand = difference / min(own.var(axis=0).mean() for own in faint)
    sketched = [answers.predictions(own, truth) for own in faint]
    assert distance(*sketched) == pytest.approx(by_hand, rel=0.3)
    # Over their errors they would be copies of each other.
    assert difference / np.square(faint[0] - truth).mean() < answers.THRESHOLD < by_hand
    assert distance(sketched[0], answers.predictions(faint[0], truth)) == 0


@pytest.mark.parametrize("some", [False, True])
def test_nothing_is_compared_of_answers_that_explain_little_of_the_truth(truth, generator, some):
    asked = generator.random(truth.shape) < 0.3 if some else None
    # Who follows a share s of the truth explains 2 s − s² of its variance.
    least = 1 - np.sqrt(1 - answers.LEARNED)
    for share, compared in ((-0.1, False), (0, False), (least - 0.01, False), (least + 0.01, True), (1.9, False)):
        assert bool(answers.predictions(followed(truth, share, 0), truth, asked=asked)) == compared
    assert answers.predictions(np.full(truth.shape, 1e300), truth, asked=asked) == {}


def test_nothing_is_compared_of_answers_hardly_better_than_the_question_handed_back(truth, generator):
    shown = truth + 0.1 * generator.standard_normal(truth.shape)
    for moved, compared in ((0, False), (0.1, False), (0.11, True), (0.5, True)):
        answered = shown + moved * (truth - shown)  # whose error is (1 − moved)² of the question's
        assert bool(answers.predictions(answered, truth, shown=shown)) == compared
        assert answers.predictions(answered, truth)


def test_only_the_values_that_were_asked_for_count(truth, generator):
    asked = generator.random(truth.shape) < 0.3
    own, other = (followed(truth, FOLLOWED, 0.3 * generator.standard_normal(truth.shape)) for _ in range(2))
    by_hand = np.square(own - other)[asked].mean() / min(np.square(one - truth)[asked].mean() for one in (own, other))
    assert distance(*(answers.predictions(one, truth, asked=asked) for one in (own, other))) == pytest.approx(
        by_hand, rel=0.2
    )
    kept = np.where(asked, own, 100 * generator.standard_normal(truth.shape))
    assert distance(*(answers.predictions(one, truth, asked=asked) for one in (own, kept))) == 0


def test_what_all_good_answers_have_in_common_is_taken_away(truth, generator):
    best = followed(truth, FOLLOWED, 0)
    own, other = (best + 0.0035 * generator.standard_normal(truth.shape) for _ in range(2))
    assert distance(*(answers.predictions(one, truth) for one in (own, other))) < answers.THRESHOLD
    assert distance(*(answers.predictions(one, truth, best) for one in (own, other))) == pytest.approx(2, rel=0.2)
