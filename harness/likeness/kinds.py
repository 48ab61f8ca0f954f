"""The kinds of likeness: the array of a sketch that is compared, the distance, and its threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.likeness import answers, centres, units
from harness.types import Array


@dataclass(frozen=True)
class Kind:
    """One way in which entries are compared."""

    name: str
    """Name of the array among an entry's sketches."""
    title: str
    """The thing that is alike, in the plural: "answers to the code 0"."""
    threshold: float
    distances: Callable[[Array], NDArray[np.float64]]
    """Distances of all pairs of n sketches of equal length: (n, d) -> (n, n), infinite where there is nothing to
    compare."""
    unit: str
    """The unit of a distance, for a sentence: "{value} …"."""


KINDS = (
    Kind(
        answers.NAME,
        answers.TITLE,
        answers.THRESHOLD,
        answers.distances,
        "of the error, or of the variance of the answers, of either",
    ),
    Kind(
        answers.DRAWS,
        answers.DRAWS_TITLE,
        answers.DRAWS_THRESHOLD,
        answers.distances,
        "of the variety of either",
    ),
    Kind(
        centres.NAME,
        centres.TITLE,
        centres.THRESHOLD,
        centres.distances,
        "of the variance of the samples of either",
    ),
    Kind(
        units.NAME,
        units.TITLE,
        units.THRESHOLD,
        units.distances,
        "(1 − cosine of the nearest units, more where some are left out)",
    ),
)
