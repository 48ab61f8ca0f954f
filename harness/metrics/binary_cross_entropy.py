"""Cross-entropy of predicted pixels, in nats a pixel: −x log p − (1 − x) log(1 − p)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 2.0**-24
"""Smallest probability of a value that counts: half the distance of 1 to the float32 below it, so that a prediction of
exactly 0 or 1 costs 16.6 nats, not infinitely many, where it is wrong."""


def cross_entropy(probabilities: NDArray[Any], pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Nats for each of `pixels` (…), 0 or 1, lit with the given probabilities (…)."""
    lit = probabilities.astype(np.float64)
    nats: NDArray[np.float64] = -np.log(np.maximum(np.where(pixels > 0.5, lit, 1 - lit), LEAST))
    return nats
