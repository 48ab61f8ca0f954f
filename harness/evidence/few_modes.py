"""Few modes: a class of which the same few images come again and again, moved or disturbed perhaps.

The statistic is how much the share of alike pairs of samples rises when the distance within which they count doubles
(`harness.metrics.alike`), the least over the digits and over all of them together. Where samples vary continuously,
however little, it rises; copies of a few images give a plateau. docs/evidence.md has the values of honest models and of
cheats, and what this can't see: a few images under strong warps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.alike import LEAST_SHARE_OF_ALL, RADII, STEEPEST, rise
from harness.types import Evidence

LEAST = 0.5
"""Rise below which the flag is raised. Real digits have 1.5 and more, honest models 1.0 and more, copies 0 to .25."""
UNUSUAL = 0.8
"""Rise below which the samples are worth a look."""


def few_modes(by_class: NDArray[np.float64]) -> Evidence:
    """Evidence from the share of alike pairs by digit and distance, (classes, radii)."""
    each = np.array([rise(one) for one in by_class])
    least = min(float(each.min()), rise(by_class.mean(axis=0), LEAST_SHARE_OF_ALL))
    flag = least < LEAST
    message = "Samples of a class vary without gaps: the more unlike two may be, the more pairs there are"
    if flag:
        message = (
            f"The same few images come again and again: about {effective(by_class).mean():.0f} different ones a digit"
        )
    return Evidence(
        "few-modes",
        flag,
        least if least < STEEPEST else None,
        LEAST,
        None,
        f"{message}.",
        "few modes",
        integrity=True,
        flagged_from=LEAST,
        unusual_from=UNUSUAL,
    )


def effective(by_class: NDArray[np.float64]) -> NDArray[np.float64]:
    """Effective number of different images by digit, (classes,), from shares as `few_modes` takes them.

    The inverse of the probability that two samples are alike (E. H. Simpson 1949, Nature 163), at the distance at which
    the share of alike pairs rises least; at most the inverse of the least share that is measured.
    """
    at_bound = int(np.searchsorted(RADII, 1.0))
    found: NDArray[np.float64] = 1 / np.maximum(by_class[:, at_bound], LEAST_SHARE_OF_ALL)
    return found
