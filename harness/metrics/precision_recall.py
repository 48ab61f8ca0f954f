"""Precision and recall of generated samples, and their density and coverage of real ones.

T. Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models", arXiv:1904.06991,
eqs. 1 and 2: each set is taken as the union of the balls around its members that reach to their k-th nearest member.
Precision is the share of samples inside a ball of the real set, recall the share of real images inside a ball of the
samples; k = 3.

M. F. Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models", arXiv:2002.09797, eqs. 3 and
4: density is the number of real balls that hold a sample, over k, on average; coverage the share of real balls that
hold a sample; k = 5. Coverage of one half of a set by the other is 1 − 2⁻ᵏ. Density has no upper bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.metrics.neighbours import Points, pairs_within

NEAREST = 3
"""k of precision and recall."""
NEAREST_COVERED = 5
"""k of density and coverage."""


class Overlap(NamedTuple):
    """The four measures; exact shares and counts, each in [0, 1] but for density, which is at least 0."""

    precision: float
    recall: float
    density: float
    coverage: float


def radii(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the distances (N, 5) of each of (N, F) features to its five nearest others."""
    kept, place = _without_further_copies(features, NEAREST_COVERED + 1)
    return Points(features[kept]).nearest(features[kept], NEAREST_COVERED, themselves=True).distances[place]


def overlap(
    samples: NDArray[np.float32], real: NDArray[np.float32], real_radii: NDArray[np.float64] | None = None
) -> Overlap:
    """Measure features of samples (N, F) against those of real images (M, F), more than five each.

    Parameters
    ----------
    real_radii : `radii(real)`, where they are known already
    """
    own = radii(samples)
    around_real = radii(real) if real_radii is None else real_radii
    by_precision, by_coverage, by_recall = pairs_within(
        samples,
        real,
        [
            around_real[None, :, NEAREST - 1],
            around_real[None, :, NEAREST_COVERED - 1],
            own[:, NEAREST - 1, None],
        ],
    )
    return Overlap(
        precision=float((by_precision[0] > 0).mean()),
        recall=float((by_recall[1] > 0).mean()),
        density=float(by_coverage[0].sum()) / (NEAREST_COVERED * len(samples)),
        coverage=float((by_coverage[1] > 0).mean()),
    )


def _without_further_copies(features: NDArray[np.float32], copies: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose so many copies of each different row of (N, F), the first ones, or fewer where there are no more.

    With k + 1 of them each has the same k nearest distances as among all, and a few images that are repeated
    thousands of times don't make every pair one to be measured.

    Returns
    -------
    the chosen rows (M,), ascending; for each row the place (N,) of a copy among these
    """
    _, same = np.unique(features, axis=0, return_inverse=True)
    same = same.reshape(-1)  # NumPy 2.0 gives it another dimension
    order = np.argsort(same, kind="stable")
    starts = np.flatnonzero(np.diff(same[order], prepend=-1))  # of each group of equal rows, in order
    number = np.empty(len(features), np.int64)
    number[order] = np.arange(len(features)) - np.repeat(starts, np.diff(starts, append=len(features)))
    kept = np.flatnonzero(number < copies)
    return kept, np.searchsorted(kept, order[starts])[same]
