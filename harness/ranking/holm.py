"""Holm's step-down procedure: which of several hypotheses are rejected, together at one level.

S. Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2). The
chance of any false rejection is at most the level, however the tests depend on each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
"""Chance that any two entries of a board are told apart though they are equal, at most."""


def rejected(chances: NDArray[np.float64], level: float = LEVEL) -> NDArray[np.bool_]:
    """Tell which of the hypotheses with these p-values (m,) are rejected, (m,).

    >>> rejected(np.array([0.01, 0.04, 0.02])).tolist()  # .01 ≤ .05 / 3, .02 ≤ .05 / 2, .04 ≤ .05
    [True, True, True]
    >>> rejected(np.array([0.01, 0.04, 0.03])).tolist()  # .03 > .05 / 2 ends it
    [True, False, False]
    """
    order = np.argsort(chances, kind="stable")
    holds = chances[order] <= level / np.arange(len(order), 0, -1)
    result = np.zeros(len(order), dtype=np.bool_)
    result[order] = np.logical_and.accumulate(holds)
    return result
