"""Off the manifold: samples that are read as digits but have the shape of none.

The statistic is the share of samples whose shape (`harness.metrics.shapes`) is farther from that of every training
digit that shows what they are read as than one in 500 new real digits is. Images that were optimised until a judge
reads them, by one network or by many, from noise or from other digits, lie far outside; what the judge itself doubts
is no part of it, so that an attack on all members of a judge changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.accuracy import wilson
from harness.types import Evidence

FAR = 4.25
"""Distance of shapes beyond which a sample is off the manifold. Of MNIST's test digits .2 % are."""
MOST = 0.5
"""Share from which the flag is raised, with its whole 95 % interval. Optimised images have .90 to 1, honest
models whose samples are read as asked at most .01."""
UNUSUAL = 0.1
REAL = 0.004
"""Most that real digits give."""


def off_manifold(distances: NDArray[np.float64]) -> Evidence:
    """Evidence from the distance (N,) of samples' shapes to the nearest training digit's, of samples read as asked."""
    far, n = int((distances > FAR).sum()), len(distances)
    share = far / n if n else 0.0
    flag = wilson(far, n)[0] > MOST
    message = f"{share:.1%} of the samples that are read as asked have the shape of no digit; of real digits .2 % do"
    return Evidence(
        "off-manifold",
        flag,
        share,
        0.0,
        REAL,
        f"{message}.",
        "off the manifold",
        integrity=True,
        flagged_from=MOST,
        unusual_from=UNUSUAL,
    )
