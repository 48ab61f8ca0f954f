"""Gibbs sampling of binary units whose draws come out the same for any batch, order, thread or processor.

A unit with input a is 1 with probability σ(a): where a exceeds log(u/(1 − u)), u uniform on (0, 1). Inputs are sums of
weights over units that are 1. With weights rounded to multiples of 1/1024, such sums are exact in float32 whatever the
order of the additions, as long as they stay below 16,384; and the thresholds come from one table, so that no rounding
of a sigmoid decides a draw either.

Geman and Geman 1984 ("Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images").
"""

from __future__ import annotations

import torch
from torch import Tensor

STEP = 1024
"""Weights are multiples of 1/`STEP`."""
LEVELS = 1 << 16
"""Numbers that a threshold is drawn from."""


def _thresholds() -> Tensor:
    """log(u/(1 − u)) for the 65,536 values u = (i + ½)/65536."""
    uniform = (torch.arange(LEVELS, dtype=torch.float64) + 0.5) / LEVELS
    return torch.logit(uniform).float()


THRESHOLDS = _thresholds()


def rounded(weights: Tensor) -> Tensor:
    """Round weights to multiples of 1/`STEP`."""
    return (weights * STEP).round() / STEP


class Draws:
    """Draws of binary units, sweep after sweep, that chains share: each chain by itself is drawn as it should be."""

    def __init__(self, units: int, generator: torch.Generator) -> None:
        self._units, self._generator = units, generator

    def next(self) -> Tensor:
        """Thresholds (1, units): a unit is 1 where its input is larger."""
        return THRESHOLDS[torch.randint(LEVELS, (1, self._units), generator=self._generator)]
