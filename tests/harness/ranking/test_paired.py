"""Tests of which entries differ, against scipy's tests of single pairs, and on boards of equal entries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.ranking import paired
from harness.ranking.intervals import intervals
from harness.ranking.paired import better
from tests.harness.ranking.boards import KINDS, Kind, separated

pytestmark = pytest.mark.numeric
Scores = NDArray[np.float64]


@pytest.fixture(scope="module")
def real() -> Mapping[str, Scores]:
    """Scores (models, questions) of shipped references and baselines."""
    with np.load(Path(__file__).parent / "real_scores.npz") as kept:
        return {name: kept[name].astype(np.float64) for name in kept.files}


def transformed_chance(difference: Scores) -> float:
    """The larger p-value of Student's test and of Hall's transformation, for one pair."""
    n = len(difference)
    t, chance = stats.ttest_1samp(difference, 0)
    a = stats.skew(difference) / np.sqrt(n)
    other = t + a * (t**2 / 3 + 1 / 6) + a**2 * t**3 / 27
    if np.sign(other) != np.sign(t):
        return 1.0
    return max(float(chance), 2 * float(stats.t.sf(abs(other), n - 1)))


def test_p_values_of_all_pairs_are_those_of_single_pairs() -> None:
    generator = np.random.default_rng(0)
    scores = generator.gamma(0.5, size=(6, 90)) + generator.normal(size=90)
    lead, chance = paired._student(list(scores))
    for i in range(6):
        for j in range(6):
            assert lead[i, j] == pytest.approx(scores[i].mean() - scores[j].mean(), abs=1e-12)
            expected = transformed_chance(scores[i] - scores[j]) if i != j else 1.0
            assert chance[i, j] == pytest.approx(expected, rel=1e-8)


def test_right_and_wrong_answers_are_compared_by_the_exact_test() -> None:
    scores = (np.random.default_rng(1).random((5, 300)) < np.array([[0.5], [0.6], [0.62], [0.7], [0.9]])).astype(float)
    _, chance = paired._mcnemar(list(scores))
    for i in range(5):
        for j in range(i):
            alone = int((scores[i] > scores[j]).sum())
            differ = int((scores[i] != scores[j]).sum())
            assert chance[i, j] == pytest.approx(stats.binomtest(alone, differ).pvalue, rel=1e-9)
    assert (chance.diagonal() == 1).all()


@pytest.mark.parametrize("binary", [False, True])
def test_a_board_of_two_has_the_power_of_the_paired_test(binary: bool) -> None:
    generator = np.random.default_rng(2)
    told, expected = 0, 0
    for _ in range(400):
        common = generator.normal(size=200)
        if binary:
            first, second = (common + generator.normal(shift, 0.3, 200) > 0 for shift in (0.0, 0.1))
            alone, differ = int((first & ~second).sum()), int((first != second).sum())
            expected += stats.binomtest(alone, differ).pvalue <= 0.05 if differ else 0
        else:
            first, second = (common + generator.normal(shift, 0.3, 200) for shift in (0.0, 0.06))
            expected += stats.ttest_rel(first, second).pvalue <= 0.05
        told += bool(better([first.astype(float), second.astype(float)], higher=True).any())
    # Hall's transformation takes away a few of the pairs.
    assert 60 < told <= expected <= told + 12 * (not binary)


@pytest.mark.parametrize("questions", [100, 10_000])
def test_what_a_paired_test_tells_apart_at_4_6_deviations_is_told_apart_on_a_board_of_100(questions: int) -> None:
    generator = np.random.default_rng(3)
    scores = generator.normal(size=(100, questions))
    half = generator.normal(size=questions // 2)
    difference = np.concatenate([half, -half])  # symmetric, so that both tests agree
    # A t statistic whose p-value is that of 4.6 standard deviations.
    t = stats.t.isf(stats.norm.sf(4.6), questions - 1)
    scores[0] = scores[1] + difference + t * difference.std(ddof=1) / np.sqrt(questions)
    assert better(list(scores), higher=True)[0, 1]


def test_higher_or_lower_is_better_and_the_order_of_entries_does_not_matter() -> None:
    generator = np.random.default_rng(4)
    scores = generator.normal(size=200) + generator.normal(size=(7, 200)) + np.arange(7)[:, None] / 5
    told = better(list(scores), higher=True)
    assert told[6, 0] and not told[0, 6] and not told.diagonal().any()
    assert (better(list(scores), higher=False) == told.T).all()
    order = generator.permutation(7)
    assert (better(list(scores[order]), higher=True) == told[np.ix_(order, order)]).all()
    assert intervals(told)[6][0] == 1


def test_equal_answers_and_single_questions_are_no_difference() -> None:
    generator = np.random.default_rng(5)
    scores = generator.normal(size=500)
    other = scores + generator.normal(1.0, 0.1, 500)
    assert not better([scores, scores.copy()], higher=True).any()
    assert not better([scores, scores + 0.25], higher=True).any()
    # Copies among others, and others for which the copies' own differences are nothing.
    board = [scores, 1e6 * generator.normal(size=500), scores.copy(), other, other.copy()]
    told = better(board, higher=True)
    assert not told[0, 2] and not told[2, 0] and not told[3, 4] and not told[4, 3]
    assert told[3, 0] and told[4, 2] and told[3, 2] and told[4, 0]
    assert not better([np.array([0.0]), np.array([1.0])], higher=True).any()
    assert not better([scores], higher=True).any()


def test_differences_by_rounding_to_single_precision_are_none() -> None:
    scores = np.random.default_rng(6).lognormal(size=2000)
    rounded = scores.astype(np.float32)
    assert not better([scores, rounded, np.nextafter(rounded, np.float32(0))], higher=True).any()


def test_nearly_equal_entries_beside_far_ones_are_compared_by_their_own_differences() -> None:
    generator = np.random.default_rng(7)
    scores = generator.normal(size=1000)
    near = scores + generator.normal(1e-5, 1e-4, 1000)
    board = [scores, near, 1e3 * generator.normal(size=1000)]
    _, chance = paired._student(board)
    assert chance[0, 1] == chance[1, 0] == pytest.approx(transformed_chance(scores - near), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("entries", "boards"), [(2, 2000), (10, 400), (30, 100), (100, 30)])
@pytest.mark.parametrize("name", ["half_inpainting", "completion_300", "completion_28", "row_inpainting"])
def test_few_boards_of_equal_entries_show_a_separation(
    real: Mapping[str, Scores], name: str, entries: int, boards: int, kind: Kind
) -> None:
    found = separated(real[name], 100, entries, kind, boards, np.random.default_rng(entries))
    # Not more than 5 %, as far as so many boards tell.
    assert stats.binomtest(found, boards, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize(("entries", "boards"), [(2, 200), (10, 40)])
def test_few_boards_of_equal_generators_show_a_separation(
    real: Mapping[str, Scores], entries: int, boards: int
) -> None:
    found = separated(real["conditional_generation"], 10_000, entries, "drawn", boards, np.random.default_rng(entries))
    assert stats.binomtest(found, boards, 0.05, alternative="greater").pvalue > 0.01
