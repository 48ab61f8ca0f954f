"""Pictures for reports: arrays of gray values laid out as a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def grid(images: NDArray[np.float32], gap: int = 2) -> NDArray[np.uint8]:
    """Lay out images (rows, columns, H, W) in [0, 1] as one picture, white on black, `gap` pixels apart.

    Returns
    -------
    uint8, (rows · (H + gap) − gap, columns · (W + gap) − gap)
    """
    rows, columns, height, width = images.shape
    padded = np.zeros((rows, columns, height + gap, width + gap), np.float32)
    padded[:, :, :height, :width] = images
    # (rows, columns, H, W) -> (rows, H, columns, W)
    whole = padded.transpose(0, 2, 1, 3).reshape(rows * (height + gap), columns * (width + gap))
    picture: NDArray[np.uint8] = np.rint(whole[: -gap or None, : -gap or None].clip(0, 1) * 255).astype(np.uint8)
    return picture
