"""Compares the times of all entries of a board with each other: which differ, and the ranks that this supports."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from harness.ranking import holm
from harness.ranking.intervals import Rank, intervals
from harness.timing.protocol import BOARD_LEVEL
from harness.types import Timing


def faster(timings: Sequence[Timing], level: float = BOARD_LEVEL) -> NDArray[np.bool_]:
    """Tell which entries are faster than which others: (n, n), True where the row's entry is faster than the column's.

    Differences of the logarithms of `times_reference`, by Welch's t and Holm's procedure over all pairs: where all
    entries are equally fast, the chance that any two are told apart is at most `level`. Two entries that differ by less
    than either's reference may differ from itself, by the interval of `Timing.control`, are not told apart. All must be
    "measured".
    """
    n = len(timings)
    result = np.zeros((n, n), dtype=np.bool_)
    if n < 2:
        return result
    value = np.log([_known(timing) for timing in timings])
    error = np.array([timing.error or 0.0 for timing in timings])
    degrees = np.array([max(timing.processes - 1, 1) for timing in timings])
    noise = np.array([_noise(timing) for timing in timings])
    first, second = np.triu_indices(n, 1)
    difference = value[first] - value[second]
    variance = error[first] ** 2 + error[second] ** 2
    # Welch and Satterthwaite.
    freedom = variance**2 / (error[first] ** 4 / degrees[first] + error[second] ** 4 / degrees[second] + 1e-300)
    statistic = np.abs(difference) / np.sqrt(variance + 1e-300)
    chance = 2 * stdtr(np.maximum(freedom, 1.0), -statistic)
    told = holm.rejected(chance, level) & (np.abs(difference) > np.maximum(noise[first], noise[second]))
    result[first, second] = told & (difference < 0)
    result[second, first] = told & (difference > 0)
    return result


def ranks(timings: Sequence[Timing], level: float = BOARD_LEVEL) -> list[Rank]:
    """Give each entry's rank by time as an interval: from 1 + those that are faster to n − those that are slower."""
    return intervals(faster(timings, level))


def _known(timing: Timing) -> float:
    metric = timing.metrics.get("times_reference")
    if metric is None or metric.value is None:
        raise ValueError("only measured timings can be compared")
    return metric.value


def _noise(timing: Timing) -> float:
    """The largest distance from 1 of the control and of the ends of its interval, as a logarithm."""
    control = timing.control
    if control is None:
        return 0.0
    known = [end for end in (control.value, control.low, control.high) if end is not None and end > 0]
    return max((abs(float(np.log(end))) for end in known), default=0.0)
