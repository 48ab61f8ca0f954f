"""Likeness of answers to the same questions.

All good answers resemble the truth, so what is compared are residuals: the answer less the truth, less the best answer
that is known to be the only one (a Bayes predictor's), or, of samples, less the mean sample of their class. The
distance of two entries is the mean square of the difference of their residuals, over that of the smaller residual: 0
for a copy, 2 for residuals that have nothing in common.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.likeness.distances import squared_distances
from harness.likeness.projection import count_sketch
from harness.types import Array

NAME = "likeness.answers"
TITLE = "answers to the same questions"
THRESHOLD = 0.004
"""Distance up to which predictions are called copies. Strict, since it is not measured how near two honest predictors
come (docs/evidence.md)."""
DRAWS, DRAWS_TITLE = "likeness.draws", "samples for the same noise"
DRAWS_THRESHOLD = 0.002
"""The same for samples. Independent trainings of conditional VAEs have .09 and more, with equal seed and recipe, too;
small VAEs after one epoch, which are mostly their first weights, .004."""
DRAWS_TAKEN = 500
"""Samples that are sketched, the first: the error of a sketch of 256 numbers is that of these numbers already."""
_NO_RESIDUAL = 1e-10
"""Mean square of a residual below which an answer is exact, and the task left it no freedom."""


def sketch(residuals: Array) -> dict[str, Array]:
    """Sketch residuals of any shape, whose order is the same for all entries: (257,), their mean square last."""
    values = np.asarray(residuals, np.float64)
    drawn = count_sketch(values)
    with np.errstate(over="ignore"):
        mean = np.float32(np.mean(np.square(values)) if values.size else 0.0)
    return {NAME: np.append(drawn, mean)}


def distances(sketches: Array) -> NDArray[np.float64]:
    """Calculate the distances of all pairs of sketches (n, 257): (n, n); infinite beside an answer that is exact."""
    rows, means = sketches[:, :-1].astype(np.float64), sketches[:, -1].astype(np.float64)
    squares = squared_distances(rows)
    lengths = np.square(rows).sum(axis=1)
    least = np.minimum(lengths[:, None], lengths[None, :])
    exact = means < _NO_RESIDUAL
    unknown = exact[:, None] | exact[None, :] | (least <= 0)
    found: NDArray[np.float64] = np.where(unknown, np.inf, squares / np.where(least > 0, least, 1))
    return found


def samples(images: Array, labels: NDArray[np.int64] | None = None) -> dict[str, Array]:
    """Sketch samples (n, …) drawn from the same noise: less their mean, or less that of their class."""
    values = np.asarray(images[:DRAWS_TAKEN], np.float32)
    values = values.reshape(len(values), -1)
    groups = np.zeros(len(values), np.int64) if labels is None else labels[:DRAWS_TAKEN]
    residuals = values.copy()
    for group in np.unique(groups):
        own = groups == group
        residuals[own] -= values[own].mean(axis=0)
    return {DRAWS: sketch(residuals)[NAME]}
