"""Likeness of sets of samples, whatever noise each was drawn from.

A rotation of a generator's latent space changes every sample and no distribution. So distributions are compared, class
by class where a task asks for classes, by a two-sample statistic: the squared kernel distance (Gretton et al. 2012,
JMLR 13) in random Fourier features (Rahimi and Recht 2007), over its floor, the value expected of two sets of this
size from one and the same generator. 1 for a rotated copy, less for one that is not rotated, since both got the same
noise.

The means of samples alone would not do: those of generators that are trained to the end converge.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.likeness.distances import squared_distances
from harness.types import Array

NAME = "likeness.samples"
TITLE = "distributions of samples"
THRESHOLD = 3.0
"""Ratio to the floor up to which generators are called copies. See docs/evidence.md."""
FEATURES = 256
WIDTHS = (3.0, 6.0)
"""Widths of the Gaussian kernels, half of the features each. Digits of one class are 5 to 8 apart."""
_NO_SPREAD = 1e-9
"""Variance of the means of features below which there is no floor to compare with."""


def sketch(images: Array, labels: NDArray[np.int64] | None = None) -> dict[str, Array]:
    """Sketch samples (n, …) of classes (n,): the mean features of each class; last, the summed variance of these means.

    A class with fewer than two samples counts with features of 0. The result has 256 · classes + 1 numbers.
    """
    values = np.asarray(images, np.float32).reshape(len(images), -1)
    groups = np.zeros(len(values), np.int64) if labels is None else labels
    means, variance = [], 0.0
    for group in range(int(groups.max(initial=0)) + 1):
        own = values[groups == group]
        if len(own) < 2:
            means.append(np.zeros(FEATURES))
            continue
        found = features(own)
        means.append(found.mean(axis=0, dtype=np.float64))
        found -= means[-1].astype(np.float32)
        variance += float(np.square(found, out=found).sum(dtype=np.float64)) / (len(own) - 1) / len(own)
    return {NAME: np.append(np.concatenate(means), variance).astype(np.float32)}


def features(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Calculate cos(xW + b) of rows (n, d), (n, 256); W and b are the same for all rows of one length."""
    # Imported here, so that a run where all is known does without.
    import torch

    from reference.products import linear

    weights, phases = (torch.from_numpy(one) for one in _drawn(values.shape[1]))
    with torch.no_grad():
        found: NDArray[np.float32] = linear(torch.from_numpy(values), weights, phases).numpy()
    return np.cos(found, out=found)


@lru_cache(maxsize=4)
def _drawn(width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The weights Wᵀ (256, width) and phases b (256,) for rows of a length."""
    generator = np.random.default_rng([FEATURES, width])
    widths = np.repeat(WIDTHS, FEATURES // len(WIDTHS))
    weights = np.ascontiguousarray((generator.standard_normal((width, FEATURES)) / widths).T, np.float32)
    phases = (2 * np.pi * generator.random(FEATURES)).astype(np.float32)
    return weights, phases


def distances(sketches: Array) -> NDArray[np.float64]:
    """Calculate the ratios to the floor of all pairs of sketches (n, d): (n, n); infinite where samples don't vary."""
    variances = sketches[:, -1].astype(np.float64)
    # Twice the smaller one: noise that varies more than any digits makes nobody else look like its copy.
    floor = 2 * np.minimum(variances[:, None], variances[None, :])
    still = floor < 2 * _NO_SPREAD
    squares = squared_distances(sketches[:, :-1])
    found: NDArray[np.float64] = np.where(still, np.inf, squares / np.where(still, 1, floor))
    return found
