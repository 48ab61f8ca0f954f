"""Mode collapse: a class whose samples vary far less than real digits do.

The statistic is the least ratio, over the classes, of the spread of the judge's features of generated images to that of
real ones; the spread is the trace of the covariance. Real data give .9 to 1.1. A generator that always draws the same
seven gets about 0 although every sample is judged correct. Below .25 the evidence is flagged. The features, not the
pixels, are compared because pixel noise is not variety.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.types import Evidence

LEAST_RATIO = 0.25
"""A class under this share of the real spread counts as collapsed. Halves of MNIST's test set give .9 to 1.1."""

REAL_RANGE = (0.9, 1.1)
"""Range of the ratios of one half of MNIST's test set to the other, digit by digit."""


def feature_spread(features: NDArray[np.float32], labels: NDArray[np.int64], classes: int = 10) -> NDArray[np.float64]:
    """Trace of the covariance of each class's features: (N, F), (N,) -> (classes,)."""
    spread = np.zeros(classes)
    for digit in range(classes):
        rows = features[labels == digit].astype(np.float64)
        if len(rows) > 1:
            spread[digit] = rows.var(axis=0, ddof=1).sum()
    return spread


def mode_collapse(generated: NDArray[np.float64], real: NDArray[np.float64]) -> Evidence:
    """Evidence from the spread of generated and of real features, each (classes,).

    Only samples that are read as asked should be measured: a misread one is far from the others, and would pass for
    variety.
    """
    ratio = generated / np.maximum(real, 1e-12)
    worst = int(ratio.argmin())
    collapsed = [str(digit) for digit in np.flatnonzero(ratio < LEAST_RATIO)]
    if collapsed:
        message = (
            f"Samples of {'digits' if len(collapsed) > 1 else 'digit'} {', '.join(collapsed)} vary less than "
            f"{LEAST_RATIO:.0%} as much as real ones do: the generator draws nearly the same image again and again."
        )
    else:
        message = f"The least varied digit, {worst}, varies {ratio[worst]:.0%} as much as real ones do."
    low, high = REAL_RANGE
    return Evidence(
        "mode-collapse", bool(collapsed), float(ratio[worst]), low, high, message, "mode collapse", integrity=True
    )
