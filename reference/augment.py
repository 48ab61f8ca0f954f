"""Random affine and elastic distortions of digits, drawn for each image separately.

Source: Simard, Steinkraus and Platt 2003, "Best practices for convolutional neural networks applied to
visual document analysis": small rotations, scalings, shears and shifts, and a smooth random displacement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Distortion:
    """Strength of the distortions; each draw is uniform in ± the value unless its line says otherwise."""

    rotation: float = 13.0
    """Degrees."""
    log_scale: float = 0.12
    """Natural logarithm of the scale, drawn for each axis."""
    shear: float = 0.18
    """Horizontal shift by row, in pixels a pixel."""
    shift: float = 1.6
    """Pixels, drawn for each axis."""
    elastic: float = 1.0
    """Standard deviation of the displacement at the knots of the elastic field, in pixels."""
    thickness: float = 0.0
    """Largest share of a change to strokes one pixel wider on each side; strokes get thinner by at most half of it."""
    knots: int = 6
    """Knots of the elastic field along each axis; between them it is interpolated bicubically."""


def distort(images: Tensor, generator: torch.Generator, strength: Distortion = Distortion()) -> Tensor:
    """Distort each image at random.

    Parameters
    ----------
    images : float32 in [0, 1], shape (N, 1, H, W); pixels outside an image count as 0 (ink-free)
    generator : CPU generator of all draws

    Returns
    -------
    float32 in [0, 1], same shape
    """
    n, _, height, _ = images.shape

    def uniform(limit: float, *shape: int) -> Tensor:
        return (torch.rand(n, *shape, generator=generator) * 2 - 1) * limit

    angle = uniform(strength.rotation * math.pi / 180)
    scale = uniform(strength.log_scale, 2).exp()  # (N, 2)
    shear = uniform(strength.shear)
    cos, sin = angle.cos(), angle.sin()
    zero, one = torch.zeros(n), torch.ones(n)
    rotate = torch.stack([cos, -sin, sin, cos], 1).view(n, 2, 2)
    slant = torch.stack([one, shear, zero, one], 1).view(n, 2, 2)
    linear = (rotate @ slant) * scale[:, None, :]  # (N, 2, 2)
    shift = uniform(2 * strength.shift / height, 2)  # in the grid's units: the image spans -1 … 1
    grid = functional.affine_grid(torch.cat([linear, shift[:, :, None]], 2), list(images.shape), align_corners=False)

    knots = torch.randn(n, 2, strength.knots, strength.knots, generator=generator)
    field = functional.interpolate(knots, size=images.shape[2:], mode="bicubic", align_corners=True)  # (N, 2, H, W)
    # Images differ in how elastic they are, so that undistorted ones stay in the mixture.
    amount = torch.rand(n, 1, 1, 1, generator=generator) * 2 * strength.elastic / height
    grid = grid + (field * amount).permute(0, 2, 3, 1)  # (N, H, W, 2)
    distorted = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    if strength.thickness:
        distorted = _thicken(distorted, uniform(strength.thickness, 1, 1, 1))
    return distorted


def _thicken(images: Tensor, share: Tensor) -> Tensor:
    """Move images (N, 1, H, W) towards their dilation by a positive share (N, 1, 1, 1), or erosion by a negative one.

    Erosion goes half as far, because thin strokes fade under it before they vanish.
    """
    wider = functional.max_pool2d(images, 3, 1, 1)
    thinner = -functional.max_pool2d(-images, 3, 1, 1)
    return images + share.clamp(min=0) * (wider - images) + share.clamp(max=0) / 2 * (images - thinner)


def coarsen(images: Tensor, generator: torch.Generator, share: float = 0.1) -> Tensor:
    """Replace some of the images by coarse scans: reduced to fewer pixels, enlarged again, contrast stretched.

    Digits from other sources have a lower resolution and thicker strokes than MNIST's.

    Parameters
    ----------
    images : float32 in [0, 1], (N, 1, H, W); about `share` of them are replaced
    """
    chosen = (torch.rand(len(images), generator=generator) < share).nonzero().squeeze(1)
    if len(chosen) == 0:
        return images
    side = int(torch.randint(10, 16, (), generator=generator))
    few = functional.interpolate(images[chosen], size=(side, side), mode="area")
    many = functional.interpolate(few, size=images.shape[2:], mode="bicubic", align_corners=False)
    stretched = (many - 0.1) / (many.amax((1, 2, 3), keepdim=True) * 0.9 - 0.1).clamp(0.2)
    return images.index_copy(0, chosen, stretched.clamp(0, 1))
