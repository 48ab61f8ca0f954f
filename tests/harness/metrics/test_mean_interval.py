"""The interval of a skewed mean, against other computations and against how often it covers real losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.metrics.mean_interval import mean_interval, mean_intervals

pytestmark = pytest.mark.numeric
REAL = Path(__file__).parents[1] / "ranking" / "real_scores.npz"


def skewed(n: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).lognormal(sigma=1.0, size=n)


def test_its_ends_are_where_the_transformed_statistic_is_students_quantile() -> None:
    values = skewed(60)
    n, skewness = len(values), float(stats.skew(values))

    def transformed(mean: float) -> float:
        t = float(stats.ttest_1samp(values, mean).statistic)
        a = skewness / np.sqrt(n)
        return t + a * (t**2 / 3 + 1 / 6) + a**2 * t**3 / 27

    quantile = stats.t.ppf(0.975, n - 1)
    expected = [
        optimize.brentq(lambda mean, q=q: transformed(mean) - q, values.mean() - 2, values.mean() + 4)
        for q in (quantile, -quantile)
    ]
    assert mean_interval(values) == pytest.approx(expected, rel=1e-9)
    low, high = mean_interval(values)
    # The long tail is above, and so is the longer arm.
    assert high - values.mean() > 1.3 * (values.mean() - low)


def test_it_is_students_interval_where_values_are_symmetric() -> None:
    half = np.random.default_rng(3).normal(2.0, 0.5, 50)
    values = np.concatenate([half, 4.0 - half])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_it_is_near_the_bootstrap_t_interval_of_a_skewed_sample() -> None:
    values = skewed(200)
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(200)
    drawn = values[np.random.default_rng(1).integers(200, size=(20_000, 200))]
    t = (drawn.mean(axis=1) - mean) / (drawn.std(axis=1, ddof=1) / np.sqrt(200))
    upper, lower = np.quantile(t, [0.975, 0.025])
    low, high = mean_interval(values)
    assert low == pytest.approx(mean - upper * error, abs=0.2 * error)
    assert high == pytest.approx(mean - lower * error, abs=0.2 * error)


@pytest.mark.parametrize(("name", "bound"), [("completion_10", 0.01), ("completion_28", 0.01), ("completion_300", 0.01),
                                             ("completion_1", 0.015)])  # fmt: skip
def test_means_of_a_hundred_real_log_losses_are_covered_as_often_as_it_says(name: str, bound: float) -> None:
    with np.load(REAL) as kept:
        real = kept[name].astype(np.float64)  # (models, images)
    generator = np.random.default_rng(7)
    covered = []
    for scores in real:
        drawn = scores[generator.integers(len(scores), size=(100, 2000))]
        low, high = mean_intervals(drawn).T
        covered.append(((low <= scores.mean()) & (scores.mean() <= high)).mean())
    assert np.mean(covered) == pytest.approx(0.95, abs=bound)


def test_a_linear_map_of_the_values_maps_the_ends() -> None:
    values = np.stack([skewed(50), -skewed(50), 3 * skewed(50) + 1], axis=1)
    first, mirrored, mapped = mean_intervals(values)
    assert mapped == pytest.approx(3 * first + 1)
    assert mirrored == pytest.approx(-first[::-1])


@pytest.mark.parametrize("values", [np.array([0.25]), np.full(9, 0.1), np.zeros(4)])
def test_values_without_spread_have_an_interval_without_width(values: NDArray[np.float64]) -> None:
    assert mean_interval(values) == (values.mean(), values.mean())


def test_it_stays_within_the_values() -> None:
    values = np.zeros(200)
    values[3] = 1e6
    low, high = mean_interval(values)
    assert 0 <= low <= values.mean() <= high <= 1e6
    low, high = mean_interval(np.array([1.0, 2.0]))
    assert (low, high) == (1.0, 2.0)


def test_huge_and_tiny_values_do_not_overflow() -> None:
    values = np.stack([1e76 * skewed(50), np.full(50, 9.000000031e76), 1e-150 * skewed(50)], axis=1)
    expected = np.array(mean_interval(skewed(50)))
    first, second, third = mean_intervals(values)
    assert first == pytest.approx(1e76 * expected, rel=1e-9)
    assert second[0] == second[1]
    assert third == pytest.approx(1e-150 * expected, rel=1e-9, abs=0)
