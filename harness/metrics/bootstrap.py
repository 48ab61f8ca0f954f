"""Bootstrap interval of a mean over images: bias-corrected and accelerated, 95 %.

B. Efron 1987, "Better bootstrap confidence intervals", JASA 82(397), section 2. For a mean the acceleration has the
closed form a = Σ(x − x̄)³ / (6 (Σ(x − x̄)²)^1.5), and to second order the bias correction is the same number; it is taken
so, since counting it among resamples adds noise. Per-image errors are skewed, so that the interval is not symmetric.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
_AT_ONCE = 1 << 21
"""Drawn indices that are held in memory at a time."""


def mean_intervals(
    values: NDArray[np.float64], generator: np.random.Generator, resamples: int = RESAMPLES, level: float = LEVEL
) -> NDArray[np.float64]:
    """Ends of the intervals of several means over the same images.

    Every column is resampled with the same images, so that metrics of one answer move together as they do in truth.

    Parameters
    ----------
    values : (N, M), N > 0 images and M quantities; finite
    generator : where the resampled images come from
    resamples : how often N images are drawn with replacement
    level : probability that an interval is to cover

    Returns
    -------
    (M, 2), low and high; both are the mean where all values are the same
    """
    means = values.mean(axis=0)  # (M,)
    drawn = _resampled_means(values, generator, resamples)  # (resamples, M)
    return np.stack([_ends(values[:, m], means[m], drawn[:, m], level) for m in range(len(means))])


def mean_interval(values: NDArray[np.float64], generator: np.random.Generator) -> tuple[float, float]:
    """The interval of one mean, of values (N,)."""
    low, high = mean_intervals(values[:, None], generator)[0]
    return float(low), float(high)


def _resampled_means(
    values: NDArray[np.float64], generator: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    n, columns = values.shape
    drawn = np.empty((resamples, columns))
    step = max(1, _AT_ONCE // n)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        rows = generator.integers(n, size=(stop - start, n), dtype=np.int32)
        for column in range(columns):
            drawn[start:stop, column] = values[:, column][rows].mean(axis=1)
    return drawn


def _ends(
    values: NDArray[np.float64], mean: np.float64, drawn: NDArray[np.float64], level: float
) -> NDArray[np.float64]:
    from scipy.special import ndtr, ndtri

    deviations = values - mean
    squares = float((deviations**2).sum())
    if values.min() == values.max() or squares == 0:
        return np.array([mean, mean])
    a = float((deviations**3).sum()) / (6 * squares**1.5)
    tails = a + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    ends: NDArray[np.float64] = np.quantile(drawn, ndtr(a + tails / (1 - a * tails)))
    return ends
