"""Spread of a judge's features, digit by digit; kept among the facts about a judge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def feature_spread(features: NDArray[np.float32], labels: NDArray[np.int64], classes: int = 10) -> NDArray[np.float64]:
    """Trace of the covariance of each class's features: (N, F), (N,) -> (classes,)."""
    spread = np.zeros(classes)
    for digit in range(classes):
        rows = features[labels == digit].astype(np.float64)
        if len(rows) > 1:
            spread[digit] = rows.var(axis=0, ddof=1).sum()
    return spread
