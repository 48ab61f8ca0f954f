"""Same for all: the answer does not follow the image.

The statistic is the squared correlation, over all missing pixels of all images, between the answer less the mean answer
at that pixel and the original less the mean original there. A brightness, a contrast or an offset of the answers
changes nothing, so that the mean digit, lit up and down by whatever, stays what it is. Answers against the trend count
as 0.
"""

from __future__ import annotations

import numpy as np

from harness.types import Evidence, Images, Mask

LEAST = 0.07
"""Least squared correlation. The mean digit, made brighter with the known part's ink, has .002 (patch), .033 (half) and
.049 (rows); energy-based learning at its two published settings .11 and more. docs/evidence.md has the others."""
UNUSUAL = 0.10
"""Squared correlation below which the answers are worth a look."""
AS_GOOD = 1.1
"""Error, as a multiple of the mean image's, up to which the flag is raised: a worse answer has won nothing by it."""


def squared_correlation(images: Images, originals: Images, mask: Mask) -> float:
    """Squared correlation in [0, 1] of answers with originals, both (N, 1, 28, 28), about their means at each pixel.

    Only pixels that are missing in two images at least have a part in it; 0 where answers don't vary.
    """
    count = mask.sum(axis=0)  # (1, 28, 28)
    used = mask & (count > 1)

    def centred(values: Images) -> Images:
        wide = np.where(used, values.astype(np.float64), 0)
        centred: Images = np.where(used, wide - wide.sum(axis=0) / np.maximum(count, 1), 0)
        return centred

    answered, true = centred(images), centred(originals)
    common = float((answered * true).sum())
    scale = float((answered**2).sum()) * float((true**2).sum())
    return common**2 / scale if common > 0 and scale > 0 else 0.0


def mean_error(originals: Images, mask: Mask) -> float:
    """Mean squared error over the missing pixels of the mean, at each pixel, of the originals where it is missing."""
    count = mask.sum(axis=0)
    wide = np.where(mask, originals.astype(np.float64), 0)
    mean = wide.sum(axis=0) / np.maximum(count, 1)
    return float((np.where(mask, wide - mean, 0) ** 2).sum() / mask.sum())


def same_for_all(images: Images, originals: Images, mask: Mask) -> Evidence:
    """Evidence from answers, the originals, and which pixels were missing.

    A flag takes an error like that of the mean image: a model that has learnt next to nothing is no cheat.
    """
    error = float((np.where(mask, images.astype(np.float64) - originals, 0) ** 2).sum() / mask.sum())
    found = squared_correlation(images, originals, mask)
    message = (
        f"The answers explain {found:.1%} of how the missing parts of digits differ from the mean digit, at the best "
        "brightness and contrast"
    )
    if found < LEAST:
        message += ": what is filled in hardly follows the image"
    return Evidence(
        "same-for-all",
        found < LEAST and error < AS_GOOD * mean_error(originals, mask),
        found,
        LEAST,
        None,
        f"{message}.",
        "same for all",
        integrity=True,
        flagged_from=LEAST,
        unusual_from=UNUSUAL,
    )
