"""Shapes of digits: images in the middle of their frame, blurred and reduced to 14 × 14 values.

Where strokes are matters for these values; noise of single pixels, and a shift of the whole image, hardly do.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from harness.metrics.one_thread import one_thread
from harness.types import Images

BLUR = 1.0
"""Standard deviation of the blur, pixels."""
SIDE = 14
VALUES = SIDE * SIDE
_ROWS = 500
"""Images that are held in double precision at a time."""
MOST_MOVED = 4
"""Pixels by which an image is moved at most, along each axis."""


def centred(images: Images) -> Images:
    """Move images (N, 1, 28, 28) by whole pixels until their centre of mass is that of the frame; borders wrap around.

    MNIST's digits are placed so: a digit that was moved is back where it was.
    """
    side = images.shape[2]
    down, across = np.divmod(np.arange(side * images.shape[3], dtype=np.float64), images.shape[3])
    weights = np.stack([np.ones_like(down), down, across], axis=1)
    sums = np.empty((len(images), 3))
    for start in range(0, len(images), _ROWS):
        ink = images[start : start + _ROWS].reshape(-1, len(down)).astype(np.float64)
        with one_thread():
            sums[start : start + _ROWS] = ink @ weights
    centres = sums[:, 1:] / np.maximum(sums[:, :1], 1e-6)
    moves = np.rint((side - 1) / 2 - centres).clip(-MOST_MOVED, MOST_MOVED).astype(int)
    moved = images.copy()
    steps, own = np.unique(moves, axis=0, return_inverse=True)
    for index, (down, across) in enumerate(steps.tolist()):
        if down or across:
            rows = own == index
            moved[rows] = np.roll(images[rows], (down, across), (2, 3))
    return moved


def shapes(images: Images) -> NDArray[np.float32]:
    """Blurred and reduced images, (N, 196); distances are in gray values, as those of whole images are."""
    along = _reduction()
    found = np.empty((len(images), VALUES), np.float32)
    for start in range(0, len(images), _ROWS):
        values = images[start : start + _ROWS, 0].astype(np.float64)
        with one_thread():
            across = (values.reshape(-1, values.shape[2]) @ along.T).reshape(len(values), -1, SIDE)  # (n, 28, 14)
            found[start : start + _ROWS] = (along @ across).reshape(-1, VALUES)
    return found


@cache
def _reduction() -> NDArray[np.float64]:
    """The matrix (14, 28) that blurs along one axis and reduces pairs of pixels; both are linear."""
    from scipy.ndimage import gaussian_filter1d

    blurred: NDArray[np.float64] = gaussian_filter1d(np.eye(2 * SIDE), BLUR, axis=0)
    reduced: NDArray[np.float64] = blurred.reshape(SIDE, 2, -1).sum(axis=1) / np.sqrt(2)
    return reduced
