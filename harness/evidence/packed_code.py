"""Packed code: pixels hidden in the last bits of a code's floating-point numbers.

The statistic is the squared error with codes rounded to 8 bits a coordinate over the error with the codes as they came:
about 1 for a code of k numbers, whatever their scale, and far more for one whose low bits carry the image. Since the
error with rounded codes is graded, packing earns nothing by itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.evidence.memorised import ratio
from harness.types import Evidence

MOST = 1.5
"""Ratio above which the evidence is flagged."""


def packed_code(errors: NDArray[np.float64], errors_unrounded: NDArray[np.float64]) -> Evidence:
    """Evidence from the squared errors (N,) of the same images with rounded codes and with the codes as they came."""
    found = ratio(errors, errors_unrounded)
    flag = found > MOST
    message = (
        f"With codes rounded to 8 bits a number the squared error is {errors.mean():.4g}, with codes as they came "
        f"{errors_unrounded.mean():.4g}"
    )
    if flag:
        message += ": the low bits of the code carry what its numbers should not"
    return Evidence("packed-code", flag, found, None, MOST, f"{message}.", "packed code", integrity=True)
