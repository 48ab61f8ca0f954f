"""Tells from their range what numbers are that should have been probabilities."""

from __future__ import annotations

_LEAST_LOGITS = 1.5
"""Logits of a model that has learned anything go farther than this from 0, on one side at least.

A pixel that is black in nearly every image alone has a logit below −4; a model that is no better than a coin at all
pixels gives 0 ± 0.1.
"""
_ROUNDING = 0.01


def of_no_probabilities(low: float, high: float, instead: str = "sigmoid") -> str:
    """Return a sentence on numbers in [low, high] that are not all in [0, 1]; empty for NaN and infinity.

    `instead` is the function that makes probabilities of logits.
    """
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        return ""
    # Of numbers that leave the range a little, some are positive.
    if high <= _ROUNDING and (low < -_LEAST_LOGITS or (high < -_ROUNDING and low > -_LEAST_LOGITS)):
        return "They look like logarithms of probabilities: return their exp()."
    if low >= -_ROUNDING and 100 < high <= 255 + _ROUNDING:
        return "They look like gray values up to 255: divide them by 255."
    if low < -_LEAST_LOGITS or (low < -_ROUNDING and high > 1 + _LEAST_LOGITS):
        return f"They look like logits: return their {instead}."
    if -1 - _ROUNDING <= low < -1 + _ROUNDING and high <= 1 + _ROUNDING:
        return "They look like values in [−1, 1], as of a tanh: return (values + 1) / 2."
    return (
        "They are hardly logits, which go much farther, and leave the range of probabilities: end the model in a "
        f"{instead}, which can't."
    )
