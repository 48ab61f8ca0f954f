"""Near copies: the share of images that lie closer to a given set than new real images of the same digit do.

The distance is Euclidean, in pixels, to the nearest image of the set. What counts as near is set by real data, digit by
digit, since two ones are far closer to each other than two eights: by the distances of real test images to the training
set. Nearest neighbours in pixels find copies and little else, as C. Meehan, K. Chaudhuri and S. Dasgupta 2020, "A
non-parametric test to detect data-copying in generative models", arXiv:2004.05675, discuss; a copy that is shifted by a
pixel is far away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUANTILE = 0.01
"""Share of real images of each digit that count as near copies, by the definition of the bound."""


def bounds(
    distances: NDArray[np.float64], digits: NDArray[np.int64], classes: int = 10, quantile: float = QUANTILE
) -> NDArray[np.float64]:
    """Compute the distance (classes,) below which an image counts as a near copy of one of that digit.

    Parameters
    ----------
    distances : of real images to the nearest of a set that they do not belong to, (M,)
    digits : of those nearest images, (M,)

    Returns
    -------
    the lower quantile by digit; 0, which nothing is below, for a digit that is nobody's nearest
    """
    found = np.zeros(classes)
    for digit in range(classes):
        own = distances[digits == digit]
        found[digit] = np.quantile(own, quantile, method="lower") if len(own) else 0.0
    return found


def near_copies(
    distances: NDArray[np.float64], digits: NDArray[np.int64], bound: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell which images (N,) lie below the bound (classes,) of the digit that their nearest image shows.

    Parameters
    ----------
    distances : to the nearest image of the set, (N,); digits : of that image, (N,)
    """
    near: NDArray[np.bool_] = distances < bound[digits]
    return near
