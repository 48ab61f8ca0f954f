"""Known pixels: pixels of an inpainted image that were not missing, and came back altered.

The statistic is the largest change of a known pixel, in gray values. Honest models put known pixels back and give 0, or
rounding (below 1e-6) where they map to another range and back; above that the evidence is flagged.
"""

from __future__ import annotations

import numpy as np

from harness.types import Evidence, Images, Mask

UNCHANGED = 1e-6
"""Largest difference of a known pixel that rounding explains."""


def known_pixels(images: Images, corrupted: Images, mask: Mask) -> Evidence:
    """Evidence from answers, what was shown, and which pixels were missing."""
    # Double: the difference of two float32 may be none.
    difference = np.where(mask, 0, np.abs(images.astype(np.float64) - corrupted)).reshape(len(images), -1)
    largest, altered = float(difference.max()), int((difference.max(axis=1) > UNCHANGED).sum())
    flag = largest > UNCHANGED
    message = (
        f"Known pixels were altered in {altered:,} of {len(images):,} images, by up to {largest:.2g}. "
        "Put them back: torch.where(mask, recovered, images)."
        if flag
        else "All known pixels came back unchanged."
    )
    return Evidence("known-pixels", flag, largest, 0.0, UNCHANGED, message, "known pixels")
