"""Fréchet distance of two sets of features, taken as Gaussians.

M. Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium",
arXiv:1706.08500, eq. 6: d² = |m − w|² + tr(C + S − 2 (C S)^½), for means m, w and covariances C, S (D. C. Dowson and
B. V. Landau 1982, J. Multivariate Analysis 12(3)). Here the features are the judge's, so that values belong to one
judge.

No root of the product C S, which is not symmetric, is taken. With factors C = AᵀA and S = BᵀB, tr (C S)^½ is the sum of
the singular values of A Bᵀ; no number of it is the root of a small difference, so that equal sets give 0 to 1e-14 of
their spread, and sets of too few different images lose no digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.metrics.accuracy import Z95
from harness.metrics.one_thread import one_thread

_ROWS = 500
"""Samples that are decomposed at a time."""
_DECIMALS = 12
"""Decimals that are kept; further ones depend on the number of threads of the linear algebra."""


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of a set of features, all that the distance takes of it."""

    mean: NDArray[np.float64]
    """(F,)"""
    factor: NDArray[np.float64]
    """(F, F), upper triangular: covariance (unbiased) = factorᵀ factor."""

    @property
    def spread(self) -> float:
        """Trace of the covariance."""
        return float((self.factor**2).sum())


def moments(features: NDArray[np.floating]) -> Moments:
    """Compute the moments of features (N, F), N > 1."""
    count, width = features.shape
    if count < 2:
        raise ValueError(f"a covariance takes two samples at least, not {count}")
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    values /= np.sqrt(count - 1)
    with one_thread():
        # By blocks that stay in the processor's cache, and then of their triangles (J. Demmel et al. 2012,
        # "Communication-optimal parallel and sequential QR and LU factorizations", SIAM J. Sci. Comput. 34(1), TSQR).
        blocks = [np.linalg.qr(values[at : at + _ROWS], mode="r") for at in range(0, count, _ROWS)]
        triangle = np.linalg.qr(np.concatenate(blocks), mode="r")  # (min(N, F), F)
    factor = np.zeros((width, width))
    factor[: len(triangle)] = triangle
    return Moments(mean, factor)


def frechet_distance(first: Moments, second: Moments) -> float:
    """Compute the squared distance; symmetric, and at least 0 but for rounding."""
    shift = float(((first.mean - second.mean) ** 2).sum())
    with one_thread():
        common = float(np.linalg.svd(first.factor @ second.factor.T, compute_uv=False).sum())
    # Adding 0 makes a negative zero positive.
    return round(shift + first.spread + second.spread - 2 * common, _DECIMALS) + 0.0


def influences(features: NDArray[np.floating], own: Moments, reference: Moments) -> NDArray[np.float64]:
    """Compute how much each sample adds to the distance of its set from a reference, to first order: (N,), mean 0.

    The distance's derivative is 2 (m − w) by the mean m, and 1 − T by the covariance C, with the optimal transport
    T = B (Bᵀ C B)^−½ Bᵀ, S = B Bᵀ (Dowson and Landau 1982; Y. Chen et al. 2019, "Optimal transport for Gaussian mixture
    models", eq. 4). Their value at one sample's deviation is its influence function (F. R. Hampel 1974, JASA 69(346)).

    Parameters
    ----------
    features : (N, F); own : their moments; reference : moments that count as known
    """
    deviations = features.astype(np.float64) - own.mean
    # With A Bᵀ = U s Vᵀ the optimal transport is T = Bᵀ V s⁻¹ Vᵀ B; directions without samples have no part in it.
    with one_thread():
        _, singular, right = np.linalg.svd(own.factor @ reference.factor.T)
    held = singular > singular[0] * len(singular) * np.finfo(np.float64).eps
    scaled = (right[held] / np.sqrt(singular[held])[:, None]) @ reference.factor  # (r, F): T = scaledᵀ scaled
    squares = (deviations**2).sum(axis=1) - ((deviations @ scaled.T) ** 2).sum(axis=1)
    effects: NDArray[np.float64] = squares - squares.mean() + 2 * deviations @ (own.mean - reference.mean)
    return effects


def interval(distance: float, effects: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of the 95 % interval of a distance, for other samples of the same model and the same reference.

    Infinitesimal jackknife: the standard error is that of the mean of the influences (N,). The lower end is at least 0.
    """
    half = Z95 * float(effects.std(ddof=1)) / np.sqrt(len(effects))
    low, high = (round(end, _DECIMALS // 2) for end in (max(distance - half, 0.0), distance + half))
    return min(low, distance), max(high, distance)
