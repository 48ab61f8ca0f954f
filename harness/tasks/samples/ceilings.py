"""Images that any model should beat: noise, and samples of a Gaussian with MNIST's principal components."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from harness.metrics.one_thread import one_thread
from harness.mnist import Split
from harness.types import Images

COMPONENTS = 100
"""Principal components that samples vary along."""
_FITTED = 10_000
"""Training images from which the components are computed, the first ones."""
_SEED = 20_261_126
_LEVELS = 255
"""Gray values are multiples of 1/255, as MNIST's are."""


def noise(train: Split, n: int) -> Images:
    """Draw n images of independent, uniform gray values."""
    return _gray(np.random.default_rng(_SEED).integers(0, _LEVELS + 1, (n, 1, 28, 28)))


def gaussian(train: Split, n: int) -> Images:
    """Draw n images of a Gaussian with the mean and the 100 largest principal components of the training images.

    The noise is multiplied by the symmetric root of the covariance, which does not depend on the signs of the
    components; values are clipped to [0, 1].
    """
    images = train.images[:_FITTED].reshape(-1, 784).astype(np.float64)
    # Matrix products take one thread, since the last digits of their sums change with the number of threads.
    with one_thread():
        mean = images.mean(axis=0)
        images -= mean
        variances, components = np.linalg.eigh(images.T @ images / (len(images) - 1))
        chosen = components[:, -COMPONENTS:]  # (784, 100)
        root = chosen * np.sqrt(np.maximum(variances[-COMPONENTS:], 0)) @ chosen.T
        drawn: NDArray[np.float64] = mean + np.random.default_rng(_SEED + 1).standard_normal((n, 784)) @ root
    return _gray(np.rint(drawn.clip(0, 1) * _LEVELS).reshape(n, 1, 28, 28))


def _gray(levels: NDArray[np.integer] | NDArray[np.floating]) -> Images:
    gray: Images = levels.astype(np.float32) / np.float32(_LEVELS)
    return gray


CEILINGS: Mapping[str, tuple[str, Callable[[Split, int], Images]]] = {
    "noise": ("Noise", noise),
    "pca-samples": ("Samples of a Gaussian, 100 principal components", gaussian),
}
"""Titles and functions of training digits and n, by name."""
