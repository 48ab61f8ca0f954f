"""Langevin dynamics of some pixels while the others stand still, for the energy of `reference.ebm`.

The gradient by the moving pixels is six matrix products, of which the first and the last need their columns of the
first layer alone: what the still pixels add to its units is computed once. There is neither a graph nor a gradient of
the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.products import linear


class PartialSlope:
    """∂E/∂x by some of the numbers in x, E = sign · f(x), f being linear layers with leaky ReLUs between them.

    Parameters
    ----------
    layers : of f, the last one with a single output
    sign : of the energy
    negative : slope of the leaky ReLU below 0
    images : (N, D), of which only the numbers that stand still are used
    columns : (C,), int64, the numbers that move
    """

    def __init__(
        self, layers: Sequence[nn.Linear], sign: float, negative: float, images: Tensor, columns: Tensor
    ) -> None:
        first, *self.hidden, last = layers
        self.negative = negative
        self.weight = first.weight.index_select(1, columns)  # (H, C)
        self.still = linear(images.index_fill(1, columns, 0), first.weight, first.bias)  # (N, H)
        self.above = (sign * last.weight).expand(len(images), -1)  # (N, H)

    def __call__(self, moving: Tensor) -> Tensor:
        """Compute ∂E/∂x (N, C) at the moving numbers (N, C)."""
        units = [self._bent(linear(moving, self.weight).add_(self.still))]
        for layer in self.hidden:
            units.append(self._bent(linear(units[-1], layer.weight, layer.bias)))
        back = self._through(self.above, units.pop())
        for layer in reversed(self.hidden):
            back = self._through(linear(back, layer.weight.T), units.pop())
        return linear(back, self.weight.T)

    def _bent(self, before: Tensor) -> Tensor:
        return functional.leaky_relu_(before, self.negative)

    def _through(self, back: Tensor, units: Tensor) -> Tensor:
        """Multiply a gradient (N, H) by the activation's slope, which has its result's sign; overwrites `units`."""
        slope: Tensor = torch.ops.aten.leaky_relu_backward.grad_input(
            back, units, self.negative, True, grad_input=units
        )
        return slope


def descend(
    slope: PartialSlope, start: Tensor, moves: Tensor, sizes: Sequence[float], noises: Sequence[Tensor | None]
) -> Tensor:
    """Return numbers (N, C) after the steps x − size · ∂E/∂x + noise, clipped to [0, 1], where `moves` (N, C) is True.

    Parameters
    ----------
    sizes, noises : step size and noise, (1, C) or None, of each step
    """
    all_move = bool(moves.all())
    moving = start.clone()
    for size, noise in zip(sizes, noises, strict=True):
        moving.add_(slope(moving), alpha=-size)
        if noise is not None:
            moving.add_(noise)
        moving.clamp_(0, 1)
        if not all_move:
            torch.where(moves, moving, start, out=moving)
    return moving
