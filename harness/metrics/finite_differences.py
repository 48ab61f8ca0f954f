"""The determinant of a map's Jacobian from the map's values alone, at points that the asker chooses.

Along D orthonormal directions q the central differences (f(x + h q) − f(x − h q)) / 2h are the columns of J Q, and
|det J Q| = |det J|. Nothing that the map says of its own derivative enters. Directions and step are drawn, so that a
map can't be made smooth along the coordinates and steep elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.metrics.one_thread import one_thread

if TYPE_CHECKING:
    import torch

LEAST_STEP, LARGEST_STEP = 0.01, 0.03
"""Steps are drawn between these. Smaller ones lose digits of a float32, larger ones see the map bend."""


def directions(dimensions: int, generator: torch.Generator) -> tuple[NDArray[np.float64], float]:
    """Orthonormal directions as rows (D, D), in random order, and a step.

    Random signs and a cosine transform, twice: each direction is spread over all coordinates (Ailon and Chazelle 2009,
    doi 10.1137/060673096), at a hundredth of the cost of a QR decomposition, and the same bits for any number of
    threads.
    """
    import torch
    from scipy.fft import dct

    rows = np.eye(dimensions)
    for _ in range(2):
        signs = torch.randint(2, (dimensions,), generator=generator).numpy() * 2 - 1
        rows = dct(rows * signs, norm="ortho", axis=1)
    order = torch.randperm(dimensions, generator=generator).numpy()
    step = LEAST_STEP + (LARGEST_STEP - LEAST_STEP) * float(torch.rand((), generator=generator))
    return rows[order], step


def probes(point: NDArray[np.floating], rows: NDArray[np.float64], step: float) -> NDArray[np.float32]:
    """The points (2 D, D) at which the map is asked for: step forward along each direction, then step back."""
    return np.concatenate([point + step * rows, point - step * rows]).astype(np.float32)


def log_determinant(values: NDArray[np.floating], asked: NDArray[np.float32]) -> float:
    """Log |det J| from the map's values (2 D, D) at `asked` (2 D, D), the result of `probes`.

    The differences of what was asked are taken as it was asked, since a float32 can't hold every step.
    """
    half = len(values) // 2
    moved = values[:half].astype(np.float64) - values[half:]
    step = asked[:half].astype(np.float64) - asked[half:]
    with one_thread():
        return float(np.linalg.slogdet(moved)[1] - np.linalg.slogdet(step)[1])
