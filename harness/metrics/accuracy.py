"""Share of samples that are classified as asked, with Wilson's score interval.

E. B. Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22(158), eq. 5. Unlike
the normal approximation it stays inside [0, 1] and does not collapse at 0 or 1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.types import Metric

Z95 = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


def wilson(successes: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Ends of Wilson's score interval for `successes` of `n`; (0, 1) for n = 0."""
    if not 0 <= successes <= max(n, 0):
        raise ValueError(f"{successes} successes of {n}: must lie between 0 and n")
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Rounding must not push an end past the estimate when all or none succeed.
    return min(max(0.0, centre - half), share), max(min(1.0, centre + half), share)


def accuracy(asked: NDArray[np.int64], judged: NDArray[np.int64], title: str = "accuracy") -> Metric:
    """Share of `judged` labels (N,) that equal the `asked` ones (N,)."""
    hits, n = int((asked == judged).sum()), len(asked)
    low, high = wilson(hits, n)
    return Metric(hits / n if n else None, "share", "higher", n, low, high, title=title)


def confusion(asked: NDArray[np.int64], judged: NDArray[np.int64], classes: int = 10) -> NDArray[np.int64]:
    """Counts (classes, classes): row = label asked for, column = label judged."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (asked, judged), 1)
    return counts
