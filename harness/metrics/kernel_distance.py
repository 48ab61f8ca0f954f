"""Kernel distance: the squared maximum mean discrepancy of two sets of features, under a cubic kernel.

A. Gretton et al. 2012, "A kernel two-sample test", JMLR 13, eq. 3, the unbiased estimate
Σ_{i≠j} k(xᵢ, xⱼ) / (n (n − 1)) + Σ_{i≠j} k(yᵢ, yⱼ) / (m (m − 1)) − 2 Σ_{ij} k(xᵢ, yⱼ) / (n m), with the kernel
k(x, y) = (x·y / F + 1)³ of M. Bińkowski et al. 2018, "Demystifying MMD GANs", arXiv:1801.01401, section 4. It is 0 on
average for two sets of one kind, so that it may be negative. All pairs are summed; no subsets are drawn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_ROWS = 250
"""Rows of the kernel matrix that are held in memory at a time: 20 MB for 10,000 columns."""
_DECIMALS = 12
"""Decimals that are kept; further ones depend on the number of threads of the matrix product."""


def kernel_distance(first: NDArray[np.floating], second: NDArray[np.floating], own_mean: float | None = None) -> float:
    """Compute the distance of features (N, F) and (M, F); symmetric.

    Parameters
    ----------
    own_mean : `mean_of_pairs(second)`, where it is known already
    """
    own = mean_of_pairs(second) if own_mean is None else own_mean
    across = math.fsum(_row_sums(first, second)) / (len(first) * len(second))
    return round(mean_of_pairs(first) + own - 2 * across, _DECIMALS)


def mean_of_pairs(features: NDArray[np.floating]) -> float:
    """Compute the mean kernel of all pairs of different samples of one set (N, F), N > 1."""
    count, width = features.shape
    if count < 2:
        raise ValueError(f"a pair takes two samples at least, not {count}")
    values = features.astype(np.float64)
    with_itself = ((values**2).sum(axis=1) / width + 1) ** 3
    total: float = math.fsum(_row_sums(features, features) - with_itself)
    return total / float(count * (count - 1))


def _row_sums(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """Σⱼ k(xᵢ, yⱼ), (N,)."""
    columns = np.ascontiguousarray(second.astype(np.float64).T) / second.shape[1]  # (F, M)
    sums = np.empty(len(first))
    block = np.empty((_ROWS, len(second)))
    cubes = np.empty_like(block)
    for start in range(0, len(first), _ROWS):
        rows = first[start : start + _ROWS].astype(np.float64)
        product, cube = block[: len(rows)], cubes[: len(rows)]
        np.matmul(rows, columns, out=product)
        product += 1
        np.multiply(product, product, out=cube)
        sums[start : start + _ROWS] = np.einsum("nm,nm->n", cube, product)
    return sums
