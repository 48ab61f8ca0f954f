"""Round trip: a flow that is no bijection, so that what it calls a density does not sum to 1.

There and back again, test digits, images that are no digits, and draws of the codes' distribution have to come out as
they went in. A map that folds its space can hide the fold in the last bits of a code; so codes are also moved a little,
and then the logits may move only a little. The statistic is the largest root-mean-square distance of a single value
from where it should be, in units of the logits.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.types import Evidence

MOST = 0.05
"""Distance above which the evidence is flagged; rounding gives the shipped flow 1e-5."""
MOST_MOVED = 100.0
"""Distance that a moved code's logits may move, in units of the move."""


def distance(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The largest root-mean-square difference of the rows of (N, D)."""
    return float(np.sqrt(((one.astype(np.float64) - other) ** 2).mean(axis=1)).max())


def round_trip(distances: Mapping[str, float], moved: float) -> Evidence:
    """Evidence from `distance`s by what made the trip, and from how far the logits of moved codes went, in moves."""
    name = max(distances, key=lambda key: distances[key])
    found = max(distances[name], moved / MOST_MOVED * MOST)
    flag = not found <= MOST
    message = f"There and back, {name} come back to within {distances[name]:.2g}"
    message += f"; codes that are moved a little move the logits {moved:.3g} times as far"
    if flag:
        message += ": the map is no bijection, or its inverse is another map's. The density is not believed"
    return Evidence("round-trip", flag, min(found, 1e6), 0.0, MOST, f"{message}.", "round trip")
