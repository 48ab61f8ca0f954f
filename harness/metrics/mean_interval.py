"""Interval of a mean over images, corrected for the skewness of their values: 95 %, in closed form.

P. Hall 1992, "On the removal of skewness by transformation", JRSS B 54(1), eq. 3: with t the mean's Student statistic
and a the values' skewness over √n, T = t + a (t² / 3 + 1/6) + a² t³ / 27 is free of skewness to second order; its
quantiles are taken from Student's distribution, and t from T. Losses are skewed, so that the longer arm is on the side
of the longer tail. docs/ranks.md says how often it covers, beside other intervals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
_SYMMETRIC = 1e-9
"""Values of a below count as it: the inverse divides by a."""


def mean_intervals(values: NDArray[np.float64], level: float = LEVEL) -> NDArray[np.float64]:
    """Ends of the intervals of several means.

    Parameters
    ----------
    values : (N, M), N > 0 images and M quantities; finite
    level : probability that an interval is to cover

    Returns
    -------
    (M, 2), low and high, within the values; both are the mean where all values are the same
    """
    from scipy.special import stdtrit

    n = len(values)
    means = values.mean(axis=0)  # (M,)
    deviations = values - means
    lowest, highest = values.min(axis=0), values.max(axis=0)
    spread = highest > lowest
    # Relative to the largest, so that no power overflows or vanishes.
    unit = np.where(spread, np.abs(deviations).max(axis=0), 1.0)
    deviations = np.where(spread, deviations / unit, 0.0)
    variance = np.where(spread, (deviations**2).mean(axis=0), 1.0)
    a = (deviations**3).mean(axis=0) / variance**1.5 / np.sqrt(n)
    error = unit * np.sqrt(variance / max(n - 1, 1))
    quantile = float(stdtrit(max(n - 1, 1), (1 + level) / 2))
    low = np.clip(means - _straightened(quantile, a) * error, lowest, means)
    high = np.clip(means - _straightened(-quantile, a) * error, means, highest)
    return np.where(spread[:, None], np.stack([low, high], axis=1), means[:, None])


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The interval of one mean, of values (N,)."""
    low, high = mean_intervals(values[:, None])[0]
    return float(low), float(high)


def _straightened(transformed: float, a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return t (M,) of a transformed statistic T: T = ((1 + a t / 3)³ − 1) / a + a / 6, solved for t."""
    a = np.where(np.abs(a) < _SYMMETRIC, _SYMMETRIC, a)
    x = a * (transformed - a / 6)
    # ∛(1 + x) − 1, without cancellation where x is small.
    root = np.where(x > -0.5, np.expm1(np.log1p(np.maximum(x, -0.5)) / 3), np.cbrt(1 + x) - 1)
    statistic: NDArray[np.float64] = 3 / a * root
    return statistic
