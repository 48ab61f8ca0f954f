"""Count sketches: a few numbers of long vectors, whose distances approximate those of the vectors.

Charikar, Chen and Farach-Colton 2002 ("Finding frequent items in data streams"): each value, with a random sign, is
added to a random one of the numbers. Signs and places are the same for all vectors of one length, so sketches are
linear: the sketch of a difference is the difference of the sketches.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.types import Array

NUMBERS = 256
"""Numbers in a sketch. Squared distances come out with a relative standard deviation of √(2 / 256) = 9 %."""
_MOST = 1 << 20
"""Values of a vector that enter its sketch, evenly spaced."""


def count_sketch(values: Array) -> NDArray[np.float32]:
    """Reduce values of any shape to (256,)."""
    flat = np.ascontiguousarray(values).reshape(-1)
    taken = flat[:: max(1, -(-flat.size // _MOST))].astype(np.float64)
    places, signs = _drawn(taken.size)
    with np.errstate(over="ignore"):  # sums of huge answers become infinite, and are then like nobody's
        return np.bincount(places, weights=signs * taken, minlength=NUMBERS).astype(np.float32)


@lru_cache(maxsize=4)
def _drawn(size: int) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """The places and signs for vectors of a length."""
    generator = np.random.default_rng([NUMBERS, size])
    places = generator.integers(NUMBERS, size=size, dtype=np.int16)
    signs = (generator.integers(2, size=size, dtype=np.int8) * 2 - 1).astype(np.int8)
    return places, signs
