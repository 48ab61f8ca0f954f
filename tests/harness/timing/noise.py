"""Times as a machine gives them: slow drift, effects of processes, and calls with heavy tails."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.timing.order import AGAIN, ENTRY, REFERENCE, balanced


class Machine(NamedTuple):
    """The sizes of its noise, as standard deviations of logarithms but for `drift` and `spikes`."""

    process: float = 0.03
    call: float = 0.02
    drift: float = 0.2
    """Change of the logarithm of all times over the rounds of one entry."""
    spikes: float = 0.05
    """Share of calls that take half as long again, as when another process has a turn."""


def session(
    factor: float, machine: Machine, generator: np.random.Generator, rounds: int = 6, calls: int = 8
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds (rounds, calls) of an entry that takes `factor` times as long as its reference, and of that twice."""
    seconds = {who: np.empty((rounds, calls)) for who in (ENTRY, REFERENCE, AGAIN)}
    slope, phase = generator.uniform(-1, 1) * machine.drift, generator.uniform(0, 2 * np.pi)
    moment = 0
    for number, order in enumerate(balanced(rounds, generator)):
        for who in order:
            at = moment / (3 * rounds)
            log = np.log(0.02) + slope * at + machine.drift / 2 * np.sin(2 * np.pi * at + phase)
            log += machine.process * generator.standard_t(5) + (np.log(factor) if who == ENTRY else 0.0)
            each = log + machine.call * generator.standard_t(3, size=calls)
            each += np.log(1.5) * (generator.random(calls) < machine.spikes)
            seconds[who][number] = np.exp(each)
            moment += 1
    return seconds[ENTRY], seconds[REFERENCE], seconds[AGAIN]
