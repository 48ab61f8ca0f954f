"""Shapes of digits: images in the middle of their frame, blurred and reduced to 14 × 14 values.

Where strokes are matters for these values; noise of single pixels, and a shift of the whole image, hardly do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.types import Images

BLUR = 1.0
"""Standard deviation of the blur, pixels."""
SIDE = 14
VALUES = SIDE * SIDE
MOST_MOVED = 4
"""Pixels by which an image is moved at most, along each axis."""


def centred(images: Images) -> Images:
    """Move images (N, 1, 28, 28) by whole pixels until their centre of mass is that of the frame; borders wrap around.

    MNIST's digits are placed so: a digit that was moved is back where it was.
    """
    ink = images[:, 0].astype(np.float64)
    total = np.maximum(ink.sum(axis=(1, 2)), 1e-6)
    places, middle = np.arange(ink.shape[1]), (ink.shape[1] - 1) / 2
    moves = [
        np.rint(middle - (ink.sum(axis=axis) * places).sum(axis=1) / total).clip(-MOST_MOVED, MOST_MOVED)
        for axis in (2, 1)
    ]
    moved = images.copy()
    steps, own = np.unique(np.stack(moves, axis=1).astype(int), axis=0, return_inverse=True)
    for index, (down, across) in enumerate(steps.tolist()):
        if down or across:
            rows = own == index
            moved[rows] = np.roll(images[rows], (down, across), (2, 3))
    return moved


def shapes(images: Images) -> NDArray[np.float32]:
    """Blurred and reduced images, (N, 196); distances are in gray values, as those of whole images are."""
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(images[:, 0], (0, BLUR, BLUR))
    reduced = blurred.reshape(len(images), SIDE, 2, SIDE, 2).mean(axis=(2, 4)) * 2
    found: NDArray[np.float32] = np.ascontiguousarray(reduced.reshape(len(images), VALUES), np.float32)
    return found
