"""Checks the probabilities that a model gave, and turns them into log-likelihoods."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.hints import of_no_probabilities
from harness.types import refuse

TOLERANCE = 1e-6
"""Largest distance of a probability from [0, 1] that is accepted; it is then clipped."""
_FLOAT32_EPSILON = torch.finfo(torch.float32).eps


def checked(found: Any, shape: tuple[int, ...], method: str) -> Tensor:
    """The probabilities that `method` returned, as double of this shape, clipped to lie strictly between 0 and 1.

    They are clipped to [ε, 1 − ε], where ε is the resolution of the model's own floating-point type at 1, and at most
    that of float32. GradingError, stage "answers", for another number of values, integers, NaN, or values outside
    [0, 1] by more than `TOLERANCE`.
    """
    values = torch.as_tensor(found)
    if values.numel() != torch.Size(shape).numel() or not values.is_floating_point():
        got = f"{tuple(values.shape)} of {str(values.dtype).removeprefix('torch.')}"
        raise refuse(
            "answers",
            "wrong-shape",
            f"{method} returned probabilities {got}; {shape} of floating-point numbers wanted.",
        )
    # A double next to 1 leaves more of the other value's probability than a float32 does.
    least = min(torch.finfo(values.dtype).eps, _FLOAT32_EPSILON)
    values = values.detach().double().reshape(shape)
    low, high = (float(end) for end in values.aminmax()) if values.numel() else (0.0, 1.0)
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        message = f"{method} returned probabilities in [{low:.4g}, {high:.4g}]; they must lie in [0, 1]."
        raise refuse("answers", "out-of-range", f"{message} {of_no_probabilities(low, high)}".strip())
    return values.clamp(least, 1 - least)


def log_likelihood(probabilities: Tensor, pixels: Tensor) -> Tensor:
    """Log P of each of `pixels`, 0 or 1, given the probability that it is 1; both tensors of one shape."""
    # |p − (1 − x)| is p for 1 and 1 − p for 0, to the last bit, in one new array: what costs here is fresh memory.
    return (probabilities - (pixels <= 0.5).to(probabilities.dtype)).abs_().log_()
