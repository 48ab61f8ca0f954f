"""The Fréchet distance against closed forms, scipy's matrix root in long form, and the jackknife."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from harness.metrics.frechet import Moments, frechet_distance, influences, interval, moments

pytestmark = pytest.mark.numeric


def drawn(n, width, seed, scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(seed + 100).standard_normal((width, width))
    return (scale * rng.standard_normal((n, width)) @ mixing + shift).astype(np.float32)


def by_matrix_root(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    c, s = np.cov(x.T), np.cov(y.T)
    root = sqrtm(c @ s)
    return ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(c) + np.trace(s) - 2 * np.trace(root).real


def test_distance_of_known_gaussians_is_the_closed_form():
    # Commuting covariances: Σ (√a − √b)².
    a, b = np.array([4.0, 1.0, 0.25, 0.0]), np.array([1.0, 9.0, 0.0, 2.0])
    first, second = Moments(np.array([1.0, 0, 0, 2]), np.diag(np.sqrt(a))), Moments(np.zeros(4), np.diag(np.sqrt(b)))
    expected = 5 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-12)
    # 2 × 2, not commuting: tr √M = √(tr M + 2 √det M).
    c, s = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, -0.5], [-0.5, 0.5]])
    factors = [np.linalg.cholesky(m).T for m in (c, s)]
    root = np.sqrt(np.trace(c @ s) + 2 * np.sqrt(np.linalg.det(c @ s)))
    found = frechet_distance(Moments(np.zeros(2), factors[0]), Moments(np.zeros(2), factors[1]))
    assert found == pytest.approx(np.trace(c) + np.trace(s) - 2 * root, rel=1e-12)


def test_distance_of_samples_is_that_of_the_matrix_root_and_symmetric():
    x, y = drawn(3_000, 30, 0), drawn(2_000, 30, 1, 1.3, 0.5)
    found = frechet_distance(moments(x), moments(y))
    assert found == pytest.approx(by_matrix_root(x, y), rel=1e-8)
    assert found == pytest.approx(frechet_distance(moments(y), moments(x)), rel=1e-10)


def test_moments_are_numpys():
    x = drawn(500, 12, 3)
    found = moments(x)
    assert found.mean == pytest.approx(x.astype(np.float64).mean(0), rel=1e-12)
    assert found.factor.T @ found.factor == pytest.approx(np.cov(x.T.astype(np.float64)), rel=1e-10, abs=1e-12)
    assert found.spread == pytest.approx(np.trace(np.cov(x.T.astype(np.float64))), rel=1e-12)
    with pytest.raises(ValueError, match="two samples"):
        moments(x[:1])


def test_equal_sets_and_collapsed_ones_lose_no_digits():
    x = drawn(400, 30, 5)
    assert frechet_distance(moments(x), moments(x)) == pytest.approx(0, abs=1e-9)
    # All samples one image: |m − w|² + tr S, exactly.
    one = np.repeat(x[:1], 400, axis=0)
    expected = ((x[0].astype(np.float64) - moments(x).mean) ** 2).sum() + moments(x).spread
    assert frechet_distance(moments(one), moments(x)) == pytest.approx(expected, rel=1e-12)
    # Fewer samples than features, of a subspace.
    few = drawn(9, 30, 6)
    assert frechet_distance(moments(few), moments(few)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("n", [60, 15])
def test_influences_are_the_derivative_by_a_samples_weight(n):
    x, y = drawn(n, 20, 7), drawn(4_000, 20, 8, 1.2, 0.3)
    own, reference = moments(x), moments(y)
    effects = influences(x, own, reference)
    assert effects.mean() == pytest.approx(0, abs=1e-9)
    step = 1e-6
    for row in (0, 3, n - 1):
        values = x.astype(np.float64)
        weights = np.full(n, (1 - step) / n)
        weights[row] += step
        mean = weights @ values
        # Scaled as the unbiased covariance is, for equal weights.
        scaled = np.sqrt(weights * n / (n - 1))[:, None] * (values - mean)
        triangle = np.linalg.qr(scaled, mode="r")
        factor = np.zeros((20, 20))
        factor[: len(triangle)] = triangle
        change = frechet_distance(Moments(mean, factor), reference) - frechet_distance(own, reference)
        # The unbiased covariance has n / (n − 1) times a sample's square.
        of_mean = 2 * (x[row] - own.mean) @ (own.mean - reference.mean)
        expected = of_mean + (effects[row] - of_mean) * n / (n - 1)
        assert change / step == pytest.approx(expected, rel=5e-3, abs=0.005 * np.abs(effects).mean())


def test_interval_covers_the_spread_of_repeated_draws():
    reference = moments(drawn(20_000, 8, 10, 1.0))
    distances, halves = [], []
    for seed in range(200):
        mixing = np.random.default_rng(111).standard_normal((8, 8))
        x = (1.5 * np.random.default_rng(seed).standard_normal((400, 8)) @ mixing + 0.5).astype(np.float32)
        own = moments(x)
        distances.append(frechet_distance(own, reference))
        low, high = interval(distances[-1], influences(x, own, reference))
        halves.append((high - low) / 2)
        assert low <= distances[-1] <= high
    assert np.mean(halves) == pytest.approx(1.96 * np.std(distances), rel=0.15)
