"""Corruption of images for the inpainting tasks: a gray patch, noisy rows, a bottom half of coin flips.

Draws come from a CPU generator and are the same on every machine. Images are float32 (N, 1, 28, 28) in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.types import Images, Mask

if TYPE_CHECKING:
    import torch

PATCH = 6
"""Side of a patch."""
CORNER = 11
"""Row and column of a patch's first pixel, before it is shifted."""
SHIFT = 4
"""Largest shift of a patch in either direction."""
GRAY = 0.5
NOISE = 0.3
"""Standard deviation of the noise in a row, in gray values."""
FILL = (1e-4, 0.9999)
"""Values in a missing half: the ends of the range that the coursework's flow can take."""


@dataclass(frozen=True)
class Corrupted:
    """Images, what is shown of them, and which pixels are missing."""

    originals: Images
    shown: Images
    mask: Mask
    """(N, 1, 28, 28), True where a pixel of `shown` is corrupted."""

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Corrupted:
        return Corrupted(self.originals[rows], self.shown[rows], self.mask[rows])


def gray_patches(originals: Images, generator: torch.Generator) -> Corrupted:
    """Gray patches at rows 11 + j … 16 + j, columns 11 + k … 16 + k; j and k uniform on −4 … 4."""
    import torch

    shifts = torch.randint(-SHIFT, SHIFT + 1, (len(originals), 2), generator=generator).numpy()
    within = CORNER + shifts[:, :, None] + np.arange(PATCH)  # (N, 2, 6): rows, columns
    mask = np.zeros(originals.shape, np.bool_)
    image = np.arange(len(originals))[:, None, None]
    mask[image, 0, within[:, 0, :, None], within[:, 1, None, :]] = True
    return Corrupted(originals, np.where(mask, np.float32(GRAY), originals), mask)


def noisy_rows(originals: Images, generator: torch.Generator) -> Corrupted:
    """Rows 0, 2 … 26 with 0.3 · N(0, 1) added, then clipped to [0, 1]."""
    import torch

    n = len(originals)
    # In double precision the last bit of a logarithm, which differs between machines, is rounded away.
    noise = NOISE * torch.randn(n, 1, 14, 28, generator=generator, dtype=torch.float64).numpy()
    mask = np.zeros(originals.shape, np.bool_)
    mask[:, :, ::2] = True
    shown = originals.copy()
    shown[:, :, ::2] = np.clip(shown[:, :, ::2] + noise, 0, 1)
    return Corrupted(originals, shown, mask)


def coin_flips(originals: Images, generator: torch.Generator) -> Corrupted:
    """The bottom half, pixels 392 … 783, filled with .0001 and .9999, Bernoulli(½)."""
    import torch

    coins = torch.randint(2, (len(originals), 1, 14, 28), generator=generator).numpy()
    mask = np.zeros(originals.shape, np.bool_)
    mask[:, :, 14:] = True
    shown = originals.copy()
    shown[:, :, 14:] = np.array(FILL, np.float32)[coins]
    return Corrupted(originals, shown, mask)
