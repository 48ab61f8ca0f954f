"""Finds the missing pixels of images, and fills them in with both values."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 1024
"""Largest number of sequences that are computed together."""
MOST_MISSING = 8
"""Largest number of missing pixels in an image: 2ᵏ completions are computed for k of them."""


def missing_positions(images: Tensor) -> Tensor:
    """The positions (N, k), ascending, of the pixels that are −1 in images (N, T), k of them in each.

    ValueError where the images differ in k, or k is not from 1 to `MOST_MISSING`.
    """
    missing = images < 0
    counts = missing.sum(1)
    k = int(counts[0])
    if not 1 <= k <= MOST_MISSING or bool((counts != k).any()):
        raise ValueError(
            f"every image must have the same number of missing pixels, 1 to {MOST_MISSING}; found {set(counts)}"
        )
    return missing.nonzero()[:, 1].view(-1, k)


def with_both_values(rows: Tensor, positions: Tensor) -> Tensor:
    """Each row of (R, T) twice, with 0 and then with 1 at its image's position: (2R, T).

    `positions` is (images,); the rows of an image stand together, R / images of them.
    """
    twice = rows.repeat_interleave(2, 0)
    at = positions.repeat_interleave(len(twice) // len(positions))
    twice[torch.arange(len(twice)), at] = torch.arange(2, dtype=rows.dtype).repeat(len(rows))
    return twice
