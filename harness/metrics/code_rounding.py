"""Rounding of codes to 8 bits a coordinate: as much as k numbers may say about an image.

A float32 has 32 bits, so that k of them could hold an image's pixels in their mantissas. A uniform quantiser (Bennett
1948, "Spectra of quantized signals") over each coordinate's range on images that are not graded leaves 256 values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = 8


def code_range(codes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Least and largest value of each coordinate, (k, 2), of codes (N, k)."""
    return np.stack([codes.min(axis=0), codes.max(axis=0)], axis=1).astype(np.float64)


def rounded(codes: NDArray[np.float32], ranges: NDArray[np.float64], bits: int = BITS) -> NDArray[np.float32]:
    """The nearest of 2^bits equally spaced values, ends included, of each coordinate.

    Parameters
    ----------
    codes : (N, k), finite; values outside a range go to its end
    ranges : (k, 2), low and high; a coordinate with a range of one value takes this value
    """
    low, span = ranges[:, 0], ranges[:, 1] - ranges[:, 0]
    steps = 2**bits - 1
    share = (codes - low) / np.where(span > 0, span, 1.0)
    nearest: NDArray[np.float32] = (low + np.rint(share.clip(0, 1) * steps) / steps * span).astype(np.float32)
    return nearest
