"""Checks that samples are gray values in [0, 1]; nothing is rescaled silently."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.types import Entry, Kind, refuse

OVERSHOOT = 0.01
"""Largest distance from [0, 1] at which a value is clipped, with a note; farther is an error."""


def gray_values(images: NDArray[np.float32], entry: Entry, notes: list[str]) -> NDArray[np.float32]:
    """Return the samples in [0, 1], and add to `notes` what was done to them.

    The option value_range of entries that are no weights says that they lie in [−1, 1]; architectures map their own.
    Raises GradingError, stage "answers", for values outside the range.
    """
    if entry.kind is not Kind.WEIGHTS and entry.options.get("value_range") == "-1,1":
        images = (images + np.float32(1)) / np.float32(2)
        notes.append("The samples were mapped from [-1, 1] to [0, 1], as the option value_range says.")
    low, high = float(images.min()), float(images.max())
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        hint = ""
        if -1.01 <= low < -0.5 and high <= 1.01:
            hint = " They look like [-1, 1], the range of a tanh: return (x + 1) / 2."
        elif low >= 0 and high > 50:
            hint = " They look like 0 to 255: divide by 255."
        raise refuse(
            "answers",
            "out-of-range",
            f"The samples' values lie in [{low:.4g}, {high:.4g}]; allowed is [0, 1].{hint}",
        )
    if low < 0 or high > 1:
        notes.append(f"The samples' values lie in [{low:.4f}, {high:.4f}], slightly outside [0, 1]; they were clipped.")
        images = images.clip(0, 1)
    return images
