"""Distinct samples, and the effective number of samples where some are alike.

Two images count as alike where their Euclidean distance is at most a tolerance. With nᵢ the number of samples like the
i-th, itself included, the number of distinct samples is Σ 1 / nᵢ, and the effective number N² / Σ nᵢ: the diversity of
order 2 with a similarity of 1 or 0 (T. Leinster and C. A. Cobbold 2012, "Measuring diversity: the importance of species
similarity", Ecology 93(3), eq. 1), for m groups of equal images Simpson's (1949, Nature 163) inverse probability that
two draws are of one group. N different images have N of both; copies of m images in equal parts have m of both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.metrics.neighbours import Points

TOLERANCE = 0.5
"""Distance up to which images of 784 gray values count as alike; noise with a standard deviation of .0126 on each of
two copies gives it. Different test images of MNIST are 1.07 apart at least."""


class Distinct(NamedTuple):
    """Both numbers are from 1 to N, the effective one the smaller; 0 of no samples."""

    distinct: float
    effective: float


def distinct(images: NDArray[np.float32], tolerance: float = TOLERANCE) -> Distinct:
    """Count the distinct samples among images (N, …)."""
    if not len(images):
        return Distinct(0.0, 0.0)
    flat = np.ascontiguousarray(images.reshape(len(images), -1), np.float32)
    # Equal images have equal counts, so that each is compared once, however many copies it has.
    _, first, copies = np.unique(_as_bytes(flat), return_index=True, return_counts=True)
    alike = Points(flat[first]).weight_within(flat[first], tolerance, copies)  # (different images,)
    total = len(flat)
    return Distinct(float((copies / alike).sum()), total**2 / float((copies * alike).sum()))


def _as_bytes(flat: NDArray[np.float32]) -> NDArray[np.void]:
    # Negative zeros become positive ones.
    plain = flat + np.float32(0)
    rows: NDArray[np.void] = plain.view(np.dtype((np.void, plain.dtype.itemsize * plain.shape[1])))[:, 0]
    return rows
