"""Altered digits: the same handwriting, but no image of a data set.

A smooth random displacement (Simard, Steinkraus and Platt 2003), a small rotation and a scale, drawn for each image.
Cubic splines keep strokes as sharp as they were, so that altered digits are about as hard to code as others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_LEVELS = 255


class Warp(NamedTuple):
    """The strength of an alteration."""

    rotation: float
    """Largest rotation, degrees."""
    scale: float
    """Largest logarithm of the scale of each axis."""
    elastic: float
    """Standard deviation of the displacement at the knots, pixels."""
    knots: int
    """Knots of the displacement along each axis; between them it is interpolated cubically."""


SLIGHT = Warp(3.0, 0.03, 0.3, 7)
"""No pixel stays as it was, and the image looks the same."""
STRONG = Warp(5.0, 0.03, 1.2, 4)
"""Other handwriting, which no small shift, rotation or scale makes of the image: a stored test image, put in the place
of the altered one's lower half, has an error of .050 there, and fitted to the upper half by an affine map .070; the
mean image has .067. The judge reads 99.3 % of such digits."""


def warped(images: NDArray[np.float32], generator: torch.Generator, warp: Warp = SLIGHT) -> NDArray[np.float32]:
    """Images (N, 1, H, W) in [0, 1], each altered by draws of its own; multiples of 1/255, as scans are."""
    import torch
    from scipy.ndimage import map_coordinates, zoom

    n, _, height, width = images.shape
    angles = (torch.rand(n, generator=generator) * 2 - 1).numpy() * np.deg2rad(warp.rotation)
    scales = ((torch.rand(n, 2, generator=generator) * 2 - 1) * warp.scale).exp().numpy()
    knots = (torch.randn(n, 2, warp.knots, warp.knots, generator=generator) * warp.elastic).numpy()
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    down, across = rows - (height - 1) / 2, columns - (width - 1) / 2
    enlarged = height / warp.knots, width / warp.knots
    altered = np.empty_like(images)
    for index in range(n):
        field = [zoom(knot, enlarged, order=3) for knot in knots[index].astype(np.float64)]
        cos, sin = np.cos(angles[index]), np.sin(angles[index])
        places = [
            (cos * down - sin * across) * scales[index, 0] + (height - 1) / 2 + field[0],
            (sin * down + cos * across) * scales[index, 1] + (width - 1) / 2 + field[1],
        ]
        image = map_coordinates(images[index, 0].astype(np.float64), places, order=3, mode="constant")
        altered[index, 0] = np.rint(image.clip(0, 1) * _LEVELS) / _LEVELS
    return altered
