"""Mean squared error of images, one number an image, over the missing pixels or over all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 40
_ROWS = 500
"""Images that are held in double precision at a time."""


def squared_error(
    images: NDArray[np.float32], originals: NDArray[np.float32], mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Mean squared difference of each image from its original, in double precision.

    Parameters
    ----------
    images, originals : (N, …)
    mask : (N, …), True where a pixel counts; each image has at least one. All count if absent

    Returns
    -------
    (N,), in squared gray values
    """
    errors = np.empty(len(images))
    for start in range(0, len(images), _ROWS):
        part = slice(start, start + _ROWS)
        rows = len(images[part])
        squares = (images[part].astype(np.float64) - originals[part]).reshape(rows, -1) ** 2  # (rows, pixels)
        if mask is None:
            errors[part] = squares.mean(axis=1)
        else:
            counted = mask[part].reshape(rows, -1)
            errors[part] = (squares * counted).sum(axis=1) / counted.sum(axis=1)
    return errors


def histogram(errors: NDArray[np.float64], bins: int = BINS) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts (bins,) of errors (N,) between equally spaced edges (bins + 1,) from 0 to the largest error."""
    top = float(errors.max(initial=0.0))
    counts, edges = np.histogram(errors, bins=bins, range=(0.0, top if top > 0 else 1.0))
    return counts.astype(np.int64), edges
