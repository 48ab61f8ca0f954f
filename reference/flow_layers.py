"""The three flow layers of the Tsinghua coursework (Deep Learning, homework 3): coupling, batch norm, shuffle.

Affine coupling and batch normalisation as a bijection: Dinh, Sohl-Dickstein and Bengio 2017, arXiv:1605.08803
(equations 8 and 23). Every layer maps (N, D) to (N, D) and also returns log |det ∂out/∂in| (N,).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

MASKS = ("even", "odd", "first half", "second half")
"""Positions that successive couplings pass unchanged; they transform the others."""
LOG_SCALE = 3.0
"""Largest |log s| of a coupling: a factor of 20 up or down."""


class Bijection(nn.Module, ABC):
    """An invertible layer with a known Jacobian determinant."""

    @abstractmethod
    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Compute outputs (N, D) and log |det ∂outputs/∂inputs| (N,)."""

    @abstractmethod
    def inverse(self, outputs: Tensor) -> Tensor:
        """Compute the inputs (N, D) of these outputs (N, D)."""


def known_positions(kind: str, dimensions: int) -> Tensor:
    """Return the mask (D,), bool, of the positions that a coupling of this kind (one of `MASKS`) passes unchanged."""
    positions = torch.arange(dimensions)
    if kind in ("even", "odd"):
        return positions % 2 == (kind == "odd")
    return (positions < dimensions // 2) == (kind == "first half")


class Coupling(Bijection):
    """Affine coupling: y = x where the mask is True, else y = x · exp(s) + t, with s and t functions of the former.

    s comes from a network of tanh layers, t from one of ReLU layers, as in the coursework; another tanh bounds |s|,
    which keeps float32 inverses exact.

    Parameters
    ----------
    mask : (D,), bool, True where the input is known and passes unchanged
    hidden : units of each of the two hidden layers of both networks
    dropout : share of the second layer's units that training drops
    """

    def __init__(self, mask: Tensor, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.mask: Tensor
        known = int(mask.sum())
        self.scale = _network(known, hidden, len(mask) - known, nn.Tanh, dropout)
        self.shift = _network(known, hidden, len(mask) - known, nn.ReLU, dropout)

    def _affine(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the transformed positions (D − K,), and their log s and t, each (N, D − K)."""
        known = values.index_select(1, self.mask.nonzero().squeeze(1))  # (N, K)
        log_scale = LOG_SCALE * torch.tanh(self.scale(known).to(values.dtype) / LOG_SCALE)
        return (~self.mask).nonzero().squeeze(1), log_scale, self.shift(known).to(values.dtype)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        moving, log_scale, shift = self._affine(inputs)
        moved = inputs.index_select(1, moving) * log_scale.exp() + shift
        return inputs.index_copy(1, moving, moved), log_scale.sum(1)

    def inverse(self, outputs: Tensor) -> Tensor:
        moving, log_scale, shift = self._affine(outputs)
        return outputs.index_copy(1, moving, (outputs.index_select(1, moving) - shift) * (-log_scale).exp())


class BatchNormFlow(Bijection):
    """Batch normalisation as a bijection: y = exp(log γ) · (x − mean) / √(variance + ε) + β.

    In training, mean and variance are the batch's; at test time, running averages, so that an answer never depends on
    the other images of its batch.

    Parameters
    ----------
    momentum : weight of the newest batch in the running averages
    """

    def __init__(self, dimensions: int, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.log_gamma = nn.Parameter(torch.zeros(dimensions))
        self.beta = nn.Parameter(torch.zeros(dimensions))
        self.register_buffer("running_mean", torch.zeros(dimensions))
        self.register_buffer("running_variance", torch.ones(dimensions))
        self.running_mean: Tensor
        self.running_variance: Tensor

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = self.running_mean, self.running_variance
        if self.training:
            mean, variance = inputs.mean(0), (inputs - inputs.mean(0)).square().mean(0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_variance.lerp_(variance, self.momentum)
        log_scale = self.log_gamma - 0.5 * (variance + self.epsilon).log()  # (D,)
        return (inputs - mean) * log_scale.exp() + self.beta, log_scale.sum().expand(len(inputs))

    def inverse(self, outputs: Tensor) -> Tensor:
        """Invert by the running averages; a batch's own statistics have no inverse."""
        scale = (0.5 * (self.running_variance + self.epsilon).log() - self.log_gamma).exp()
        return (outputs - self.beta) * scale + self.running_mean


class Shuffle(Bijection):
    """A fixed permutation, y_i = x_{order_i}, which is part of the state dict."""

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.register_buffer("order", order)
        self.order: Tensor

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return inputs.index_select(1, self.order), inputs.new_zeros(len(inputs))

    def inverse(self, outputs: Tensor) -> Tensor:
        return outputs.index_select(1, self.order.argsort())


class Dropout(nn.Module):
    """Dropout with an explicit generator; without one it is the identity.

    torch's own dropout draws from the global state, which no training here does.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None

    def forward(self, units: Tensor) -> Tensor:
        """(N, hidden) → (N, hidden)."""
        if not self.training or self.generator is None or self.share == 0:
            return units
        kept = torch.rand(units.shape, generator=self.generator) >= self.share
        return units * (kept / (1 - self.share)).to(units.dtype)


def _network(inputs: int, hidden: int, outputs: int, activation: type[nn.Module], dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        activation(),
        nn.Linear(hidden, hidden),
        activation(),
        Dropout(dropout),
        nn.Linear(hidden, outputs),
    )
