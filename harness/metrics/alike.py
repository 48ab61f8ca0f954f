"""Pairs of samples that are alike: how many are within a distance, and whether more are within twice as far.

The share of pairs closer than r is the correlation integral C(r) of P. Grassberger and I. Procaccia 1983, "Measuring
the strangeness of strange attractors", Physica D 9: for samples that vary continuously it rises by a power of r, the
dimension. Copies of a few images, however they were moved or disturbed, are close to each other or far apart, so that
C(r) has a plateau: at 1 / m for copies of m images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.shapes import SIDE

RADII = np.geomspace(0.25, 4.0, 25)
"""Distances, as multiples of the bound for the digit."""
DOUBLED = 6
"""Steps of `RADII` that double the distance."""
LEAST_SHARE, MOST_SHARE = 0.01, 0.95
"""Shares of pairs between which a plateau is looked for: below there are too few pairs, above all are alike."""
LEAST_SHARE_OF_ALL = 0.003
"""The same for the pairs of all digits together."""
_TINY = 1e-9
STEEPEST = 99.0
"""Stands for the rise where there is no share to measure it at."""


def distances(of_images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distances (n, n) between shapes (n, 196) of centred images, each after the best of nine moves.

    The moves are by one value of a shape, two pixels, along either axis.
    """
    grid = of_images.astype(np.float64).reshape(-1, SIDE, SIDE)
    base = grid.reshape(len(grid), -1)
    squares = (base**2).sum(axis=1)
    nearest = np.full((len(grid), len(grid)), np.inf)
    # To move one of a pair is to move the other the other way, so that the four other moves are these, transposed.
    for down, across in ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1)):
        moved = np.roll(grid, (down, across), (1, 2)).reshape(len(grid), -1)
        nearest = np.minimum(nearest, squares[:, None] + squares[None] - 2 * moved @ base.T)
    found: NDArray[np.float64] = np.sqrt(np.maximum(np.minimum(nearest, nearest.T), 0))
    return found


def shares(of_images: NDArray[np.float32], bound: float) -> NDArray[np.float64]:
    """Share of pairs of shapes (n, 196), n > 1, of centred images within each of `RADII` times `bound`."""
    pairs = np.sort(distances(of_images)[np.triu_indices(len(of_images), 1)])
    return np.searchsorted(pairs, RADII * bound) / len(pairs)


def rise(of_pairs: NDArray[np.float64], least: float = LEAST_SHARE) -> float:
    """Least rise of the share of pairs, in doublings of its odds, as the distance doubles; 0 at a plateau.

    `STEEPEST` where no share of `of_pairs` lies between `least` and `MOST_SHARE`.
    """
    held = of_pairs.clip(_TINY, 1 - _TINY)
    odds = np.log2(held) - np.log2(1 - held)
    before, after = odds[:-DOUBLED], odds[DOUBLED:]
    measured = (of_pairs[:-DOUBLED] >= least) & (of_pairs[:-DOUBLED] <= MOST_SHARE)
    return float(min((after - before)[measured].min(), STEEPEST)) if measured.any() else STEEPEST
