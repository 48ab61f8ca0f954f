"""Likeness of a generator's answers to the code 0, one for each class.

No rotation of the latent space, which changes every other answer, moves them, and no noise of drawing blurs them. The
distance of two entries is the squared distance of these answers, over the variance of the samples of either: 0 for a
copy, whatever its latent space was rotated by.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.likeness.distances import squared_distances
from harness.likeness.projection import count_sketch
from harness.types import Array

NAME = "likeness.centres"
TITLE = "answers to the code 0"
THRESHOLD = 0.003
"""Distance up to which generators are called copies. Independent trainings have .037 and more, after 120 epochs, too.
See docs/evidence.md."""
_TAKEN = 2_000
"""Samples, the first, from which the variance is estimated."""
_NO_SPREAD = 1e-3
"""Variance of samples, in squared gray values summed over pixels and classes, below which a generator has collapsed."""


def sketch(centres: Array, samples: Array, labels: NDArray[np.int64]) -> dict[str, Array]:
    """Sketch the answers to the code 0 (classes, …), beside samples (n, …) of classes (n,), of which only the variance
    counts: 256 · classes numbers, and the variance of the first samples, summed over pixels and classes.
    """
    values = np.asarray(samples[:_TAKEN], np.float32)
    values = values.reshape(len(values), -1)
    groups = [values[labels[:_TAKEN] == label] for label in range(len(centres))]
    variance = sum(float(own.var(axis=0, dtype=np.float64).sum()) for own in groups if len(own))
    drawn = [count_sketch(centre) for centre in centres]
    return {NAME: np.append(np.concatenate(drawn), np.float32(variance))}


def distances(sketches: Array) -> NDArray[np.float64]:
    """Calculate the distances of all pairs of sketches (n, d): (n, n); infinite where samples don't vary."""
    variances = sketches[:, -1].astype(np.float64)
    least = np.minimum(variances[:, None], variances[None, :])
    still = least < _NO_SPREAD
    squares = squared_distances(sketches[:, :-1])
    found: NDArray[np.float64] = np.where(still, np.inf, squares / np.where(still, 1, least))
    return found
