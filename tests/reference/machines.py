"""Small machines, whose states can all be enumerated."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from reference.crbm import CRBM


def drawn(inputs: int, labels: int, units: int, seed: int = 0, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """W (inputs + 1, K), the last row that of the constant input, and U (labels, K), float64."""
    generator = torch.Generator().manual_seed(seed)
    draw = (torch.randn(n, units, generator=generator, dtype=torch.float64) for n in (inputs + 1, labels))
    w, u = (scale * weights for weights in draw)
    return w, u


def machine(w: Tensor, u: Tensor) -> CRBM:
    """The machine of these weights."""
    built = CRBM(units=w.shape[1])
    built.W, built.U = w, u
    return built


def every(n: int) -> Tensor:
    """All 2ⁿ states (2ⁿ, n)."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def log_joint(w: Tensor, u: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """log Σₕ exp(xᵀWh + yᵀUh) (N,), h by h, for x (N, d) without the constant input and y (N, c)."""
    ones = torch.ones(len(x), 1, dtype=x.dtype)
    inputs = torch.cat([x, ones], 1) @ w + y @ u  # (N, K)
    return torch.logsumexp(inputs @ every(w.shape[1]).T, 1)


def log_likelihood(w: Tensor, u: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Mean of log p(x, y), Z the sum over all x and y."""
    states = every(x.shape[1] + y.shape[1])
    z = torch.logsumexp(log_joint(w, u, *states.split([x.shape[1], y.shape[1]], 1)), 0)
    return log_joint(w, u, x, y).mean() - z
