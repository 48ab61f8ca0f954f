"""Same for all: what is filled in does not depend on the image.

The statistic is the standard deviation of the answers at a pixel over the images in which it is missing, in quadratic
mean over the pixels, relative to that of the digits themselves. A constant or the mean image comes near the error of a
mediocre model and has 0 here; models that complete digits have .3 to 1. Below .05 the evidence is flagged.
"""

from __future__ import annotations

import numpy as np

from harness.types import Evidence, Images, Mask

LEAST_VARIED = 0.05
"""Least spread of answers from image to image, as a share of that of the digits."""


def same_for_all(images: Images, originals: Images, mask: Mask) -> Evidence:
    """Evidence from answers, the originals, and which pixels were missing."""
    count = mask.sum(axis=0)  # (1, 28, 28)
    asked = count > 1

    def variance(values: Images) -> float:
        wide = values.astype(np.float64)
        mean = np.where(mask, wide, 0).sum(axis=0) / np.maximum(count, 1)
        squares = np.where(mask, (wide - mean) ** 2, 0).sum(axis=0) / np.maximum(count, 1)
        return float(squares[asked].sum())

    of_digits = variance(originals)
    ratio = float(np.sqrt(variance(images) / of_digits)) if of_digits > 0 else 1.0
    flag = ratio < LEAST_VARIED
    message = f"At one and the same pixel, answers about different images differ {ratio:.2g} times as much as digits do"
    message += ": what is filled in does not depend on the image." if flag else "."
    return Evidence("same-for-all", flag, ratio, LEAST_VARIED, None, message, "same for all", integrity=True)
