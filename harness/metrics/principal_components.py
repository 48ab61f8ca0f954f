"""Principal components: the linear code of k numbers with the least squared error.

Pearson 1901, "On lines and planes of closest fit to systems of points in space".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.one_thread import one_thread

_ROWS = 1000
"""Images that are held in double precision at a time."""


def principal_components(images: NDArray[np.float32], k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (D,) and the k directions of largest variance as orthonormal rows (k, D), of images (N, …) of D pixels.

    Sums are taken by one thread, since the last digits of a product change with the number of threads.
    """
    pixels = images.reshape(len(images), -1)
    total = np.zeros(pixels.shape[1])
    products = np.zeros((pixels.shape[1], pixels.shape[1]))
    with one_thread():
        for start in range(0, len(pixels), _ROWS):
            rows = pixels[start : start + _ROWS].astype(np.float64)
            total += rows.sum(axis=0)
            products += rows.T @ rows
        mean = total / len(pixels)
        vectors = np.linalg.eigh(products / len(pixels) - np.outer(mean, mean))[1]
    components: NDArray[np.float64] = np.ascontiguousarray(vectors[:, ::-1][:, :k].T)
    return mean, components
