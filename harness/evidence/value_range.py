"""Value range: inpainted images whose values are not gray values in [0, 1].

The statistic is the share of values more than .01 outside [0, 1]. Honest models give 0, or a few per cent where nothing
bounds their output. The evidence is flagged where the values look like [-1, 1] or 0 to 255, or leave [-1, 2].
"""

from __future__ import annotations

import numpy as np

from harness.types import Evidence, Images, Mask

OVERSHOOT = 0.01
"""Largest distance from [0, 1] at which a value is not counted."""
_NAME, _TITLE = "value-range", "value range"


def value_range(images: Images, corrupted: Images, mask: Mask) -> Evidence:
    """Evidence from answers, what was shown, and which pixels were missing."""
    low, high = float(images.min()), float(images.max())
    outside = float(((images < -OVERSHOOT) | (images > 1 + OVERSHOOT)).mean())
    found = f"The values lie in [{low:.4g}, {high:.4g}]"
    if _signed(images, corrupted, mask):
        message = f"{found} and look like [-1, 1], the range of a tanh; they were not rescaled. Return (x + 1) / 2."
    elif low >= -1 and high > 50:
        message = f"{found} and look like 0 to 255; they were not rescaled. Divide by 255."
    elif low < -1 or high > 2:
        message = f"{found}, far outside [0, 1]; they were scored as they are."
    else:
        text = "." if outside == 0 else f", {outside:.2%} of them outside [0, 1]; they were scored as they are."
        return Evidence(_NAME, False, outside, 0.0, None, found + text, _TITLE)
    return Evidence(_NAME, True, outside, 0.0, None, message, _TITLE)


def _signed(images: Images, corrupted: Images, mask: Mask) -> bool:
    """True where known pixels x came back as 2x − 1, or many missing ones are far below black."""
    low, high = float(images.min()), float(images.max())
    if low < -1.5 or high > 1.5:
        return False
    known, shown = images[~mask], corrupted[~mask]
    as_signed, as_shown = np.abs(known - (2 * shown - 1)).mean(), np.abs(known - shown).mean()
    return bool(as_signed < 0.5 * as_shown) or float((images[mask] < -0.5).mean()) > 0.1
