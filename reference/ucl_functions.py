"""The functions of UCL's homework 4 (COMPGI22): posteriors of missing pixels, predictions from Dirichlet posteriors.

One case at a time, with numpy. `docs/derivations.md` derives them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def one_pixel_posterior(probabilities: Values, images: Values) -> Values:
    """Calculate the posterior (2,) of the values 0 and 1 of a missing pixel.

    `images` (2, T) is the image with either value, and column t of `probabilities` (2, T − 1) is P(xₜ₊₁ = 1 | x₁ … xₜ).
    """
    lit = images[:, 1:] == 1
    total = np.log(np.where(lit, probabilities, 1 - probabilities)).sum(axis=1)
    weights = np.exp(total - total.max())
    normalised: Values = weights / weights.sum()
    return normalised


def two_by_two_posterior(probabilities: Values, images: Values) -> Values:
    """Calculate the posterior (16,) of all values of 2 × 2 missing pixels, for arrays (16, T − 1) and (16, T)."""
    return one_pixel_posterior(probabilities, images)


def dirichlet_predictions(one_hot: Values, alpha: Values, period: int) -> Values:
    """Calculate P(xₜ₊₁ | x₁ … xₜ) (L − 1, 4) of a stream (L, 4) of 1, 2, 3 and RESET that begins after a RESET."""
    rows, counts = [], np.zeros(3)
    for t, symbol in enumerate(one_hot[:-1], 1):
        counts = np.zeros(3) if symbol[3] else counts + symbol[:3]
        due = (t + 1) % period == 0
        letters = (alpha + counts) / (alpha + counts).sum()
        rows.append(np.append(letters * (not due), float(due)))
    return np.array(rows)
