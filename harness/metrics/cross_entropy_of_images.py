"""Cross-entropy of gray images: the loss of pixels that are lit with the probability that their gray value says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlog1py, xlogy

LEAST = 1e-7
"""Probabilities closer to 0 or 1 are taken as this far away: about the last bit of a float32 below 1."""
_ROWS = 500
"""Images that are held in double precision at a time."""


def image_cross_entropy(
    probabilities: NDArray[np.float32], originals: NDArray[np.float32]
) -> NDArray[np.float64] | None:
    """−x log p − (1 − x) log(1 − p), a mean over the pixels of each image, (N,) in nats a pixel.

    Parameters
    ----------
    probabilities, originals : (N, …); originals lie in [0, 1]. None is returned where a probability does not
    """
    if probabilities.min(initial=0.0) < 0 or probabilities.max(initial=1.0) > 1:
        return None
    found = np.empty(len(originals))
    for start in range(0, len(originals), _ROWS):
        part = slice(start, start + _ROWS)
        p = probabilities[part].astype(np.float64).reshape(len(originals[part]), -1).clip(LEAST, 1 - LEAST)
        x = originals[part].astype(np.float64).reshape(p.shape)
        found[part] = -(xlogy(x, p) + xlog1py(1 - x, -p)).mean(axis=1)
    return found
