"""Ratios of times with their intervals, from calls of several processes (Kalibera and Jones 2013, ISMM).

Times vary between processes (memory layout, placement, the machine's load at the time) more than between the calls of
one, so more calls of one process do not make a result more certain: the bootstrap resamples rounds of processes, and
within each process its calls. The time of a process is the median of its calls; a ratio is the geometric mean over
rounds. Six rounds are few, hence the interval is Hesterberg's expanded percentile interval (2015, The American
Statistician 69:371), whose ends lie where those of Student's t would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Times = NDArray[np.float64]
"""Seconds of the timed calls, (rounds, calls)."""


@dataclass(frozen=True)
class Estimate:
    """A logarithm of a time or of a ratio of times."""

    value: float
    low: float
    """Ends of the interval."""
    high: float
    error: float
    """Standard error of the mean over rounds."""
    degrees: int
    """Rounds − 1."""


def log_time(times: Times, generator: np.random.Generator, resamples: int, level: float = 0.05) -> Estimate:
    """Estimate the logarithm of the seconds of a call, with an interval of confidence 1 − `level`."""
    return _estimate([(times, 1.0)], generator, resamples, level)


def log_ratio(entry: Times, first: Times, second: Times, generator: np.random.Generator, resamples: int) -> Estimate:
    """Estimate the logarithm of the entry's time over the reference's, which was measured twice in each round.

    The difference is taken within rounds, so that a drift over rounds cancels.
    """
    return _estimate([(entry, 1.0), (first, -0.5), (second, -0.5)], generator, resamples, 0.05)


def log_control(first: Times, second: Times, generator: np.random.Generator, resamples: int) -> Estimate:
    """Estimate the logarithm of the reference's time over its own in a second set of processes, 0 but for noise."""
    return _estimate([(first, 1.0), (second, -1.0)], generator, resamples, 0.05)


def told_apart(ratio: Estimate, control: Estimate, level: float) -> bool:
    """Tell whether an entry's time differs from its reference's: by more than chance, and by more than the control.

    By chance at `level`, Student's t over rounds; and by more than either end of the control's interval, since what
    makes the reference differ from itself may make the entry differ from it.
    """
    bound = max(abs(control.low), abs(control.high), abs(control.value))
    least = float(stats.t.ppf(1 - level / 2, ratio.degrees)) * ratio.error
    return abs(ratio.value) > max(bound, least)


def _estimate(
    parts: list[tuple[Times, float]], generator: np.random.Generator, resamples: int, level: float
) -> Estimate:
    logs = [(np.log(times), weight) for times, weight in parts]
    rounds = len(logs[0][0])
    by_round = sum(weight * np.median(values, axis=1) for values, weight in logs)
    by_round = np.asarray(by_round, dtype=np.float64)
    value, error = float(by_round.mean()), float(by_round.std(ddof=1) / rounds**0.5)
    chosen = generator.integers(rounds, size=(resamples, rounds))
    drawn = np.zeros((resamples, rounds))
    for values, weight in logs:
        calls = values.shape[1]
        rows = generator.integers(calls, size=(resamples, rounds, calls))
        drawn += weight * np.median(values[chosen[:, :, None], rows], axis=2)  # (resamples, rounds)
    expanded = float(stats.norm.cdf(-((rounds / (rounds - 1)) ** 0.5) * stats.t.ppf(1 - level / 2, rounds - 1)))
    low, high = np.quantile(drawn.mean(axis=1), (expanded, 1 - expanded))
    return Estimate(value, min(float(low), value), max(float(high), value), error, rounds - 1)
