"""Steps agree: a model that draws completions by other predictions than those it is scored by.

The statistic is the largest difference between the two predictions of a pixel, for as long as a completion follows the
true image. Honest models give rounding, below 1e-4; above that the evidence is flagged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.evidence.batch_dependence import SAME
from harness.types import Evidence


def steps_agree(
    predicted: NDArray[np.float64], drawing: NDArray[np.float64], drawn: NDArray[np.bool_], truth: NDArray[np.float32]
) -> Evidence:
    """Evidence from predictions of known images and those that completions were drawn by.

    Parameters
    ----------
    predicted : (N, T), each pixel given the true ones before it
    drawing, drawn : (N, samples, T), each pixel given those drawn before it, and what was drawn
    truth : (N, T), 0 and 1
    """
    wrong = drawn != (truth[:, None] > 0.5)
    follows = np.concatenate([np.zeros_like(wrong[:, :, :1]), wrong[:, :, :-1]], axis=2).cumsum(axis=2) == 0
    largest = float((np.abs(predicted[:, None] - drawing) * follows).max())
    flag = largest > SAME
    message = "start and step predict the same as next_pixel_probabilities, wherever both were asked the same."
    if flag:
        message = (
            f"start and step predict otherwise than next_pixel_probabilities, by up to {largest:.2g}: the completions "
            "were drawn from another model than the one that is scored."
        )
    return Evidence("steps-agree", flag, largest, 0.0, SAME, message, "steps agree")
