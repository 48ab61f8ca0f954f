import numpy as np
import pytest
from scipy import stats

from harness.metrics import bootstrap
from harness.metrics.bootstrap import mean_interval, mean_intervals

pytestmark = pytest.mark.numeric


def skewed(n, seed=0):
    return np.random.default_rng(seed).lognormal(sigma=1.0, size=n)


def test_the_interval_of_a_skewed_sample_is_scipys():
    values = skewed(60)
    low, high = mean_intervals(values[:, None], np.random.default_rng(1), resamples=20_000)[0]
    other = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(2))
    width = other.confidence_interval.high - other.confidence_interval.low
    assert low == pytest.approx(other.confidence_interval.low, abs=0.03 * width)
    assert high == pytest.approx(other.confidence_interval.high, abs=0.03 * width)
    # The long tail is above, and so is the longer arm: a percentile or normal interval would be shorter there.
    assert high - values.mean() > 1.3 * (values.mean() - low)


def test_the_interval_of_many_images_is_that_of_the_normal_distribution():
    values = np.random.default_rng(3).normal(2.0, 0.5, 10_000)
    low, high = mean_interval(values, np.random.default_rng(4))
    error = values.std(ddof=1) / 100
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_it_covers_the_true_mean_about_as_often_as_it_says():
    true = np.exp(0.5 * 0.5**2)
    hits = 0
    for seed in range(600):
        values = np.random.default_rng(5000 + seed).lognormal(sigma=0.5, size=80)
        low, high = mean_intervals(values[:, None], np.random.default_rng(99_000 + seed), resamples=500)[0]
        hits += low <= true <= high
    assert 0.915 <= hits / 600 <= 0.97


def test_columns_are_resampled_together_and_depend_on_the_generator_alone():
    values = np.stack([skewed(50), -skewed(50, 7), 3 * skewed(50) + 1], axis=1)
    first = mean_intervals(values, np.random.default_rng(5))
    assert np.array_equal(first, mean_intervals(values, np.random.default_rng(5)))
    assert not np.array_equal(first, mean_intervals(values, np.random.default_rng(6)))
    assert first[2] == pytest.approx(3 * first[0] + 1)  # a linear map of a column maps its ends
    assert first[1, 0] < first[1, 1] < 0
    assert np.array_equal(first[:1], mean_intervals(values[:, :1], np.random.default_rng(5)))


def test_how_many_are_drawn_at_a_time_does_not_matter(monkeypatch):
    values = skewed(37)[:, None]
    whole = mean_intervals(values, np.random.default_rng(8))
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 1)
    assert np.array_equal(whole, mean_intervals(values, np.random.default_rng(8)))


@pytest.mark.parametrize("values", [np.array([0.25]), np.full(9, 0.1), np.zeros(4)])
def test_values_without_spread_have_an_interval_without_width(values):
    low, high = mean_interval(values, np.random.default_rng(0))
    assert low == high == values.mean()


def test_one_outlier_among_equal_values_stays_finite():
    values = np.zeros(200)
    values[3] = 1e6
    low, high = mean_interval(values, np.random.default_rng(0))
    assert 0 <= low <= values.mean() <= high <= 1e6
