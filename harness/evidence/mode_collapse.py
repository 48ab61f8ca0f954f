"""Mode collapse: a class of which most samples are as good as one image.

The statistic is the largest share, over the digits, of pairs of samples that are alike: their shapes, after the best
move by two pixels, are closer than one in a thousand pairs of real digits of the class. Noise on the pixels and a shift
are no variety. A generator that draws one image has 1, one that draws m images equally often 1 / m, real digits .001.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.alike import RADII
from harness.types import Evidence

MOST = 0.5
"""Share of alike pairs in a class from which it counts as collapsed: fewer than two images, by Simpson's index."""
UNUSUAL = 0.25
"""Share from which a class is worth a look. The shipped conditional VAE, whose samples are smooth, has .13."""
REAL = 0.011
"""Most that a class of MNIST's digits has, of 100 drawn ones."""
BOUNDS = np.array([2.22, 0.73, 2.69, 2.32, 2.01, 2.23, 1.92, 1.71, 2.26, 1.73])
"""Distance of shapes by digit within which one in a thousand pairs of MNIST's training digits are."""


def mode_collapse(by_class: NDArray[np.float64]) -> Evidence:
    """Evidence from the share of alike pairs by digit and distance, (classes, radii).

    Only samples that are read as asked should be measured: a misread one is far from the others, and would pass for
    variety.
    """
    alike = by_class[:, int(np.searchsorted(RADII, 1.0))]
    worst, share = int(alike.argmax()), float(alike.max())
    collapsed = [str(digit) for digit in np.flatnonzero(alike >= MOST)]
    if collapsed:
        message = (
            f"Samples of {'digits' if len(collapsed) > 1 else 'digit'} {', '.join(collapsed)} are nearly always the "
            f"same image: of {worst}, {share:.0%} of the pairs are alike; of real digits .1 %."
        )
    else:
        message = f"Of the least varied digit, {worst}, {share:.1%} of the pairs are alike; of real digits .1 %."
    return Evidence(
        "mode-collapse",
        bool(collapsed),
        share,
        0.0,
        REAL,
        message,
        "mode collapse",
        integrity=True,
        flagged_from=MOST,
        unusual_from=UNUSUAL,
    )
