"""The error of a mixture density network, E = −log Σᵢ αᵢφᵢ(t), with its derivatives in closed form.

Bishop 1994, "Mixture density networks", report NCRG/94/004; Bishop 2006, "Pattern recognition and machine learning",
section 5.6. With the posterior πᵢ = αᵢφᵢ / Σⱼ αⱼφⱼ and α = softmax(z),

    ∂E/∂zᵢ = αᵢ − πᵢ,   ∂E/∂μᵢₖ = πᵢ(μᵢₖ − tₖ)/σᵢ²,   ∂E/∂log σᵢ = πᵢ(c − ‖t − μᵢ‖²/σᵢ²),

of which TU Berlin's sheet 10 asks for the first two, and `docs/derivations.md` derives them. A component may also have
a σᵢₖ in each dimension: then ∂E/∂log σᵢₖ = πᵢ(1 − (tₖ − μᵢₖ)²/σᵢₖ²).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

_LOG_2PI = math.log(2 * math.pi)


class _MixtureError(Function):
    """Nothing of size (N, m, c) is kept but (t − μ)/σ; automatic differentiation keeps six such arrays."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, mu: Tensor, log_sigma: Tensor, t: Tensor) -> Tensor:
        precision = (-log_sigma).exp()  # (N, m, 1) or (N, m, c)
        scaled = (t[:, None] - mu) * precision  # (N, m, c)
        log_joint = log_densities(z, scaled, log_sigma)
        ctx.save_for_backward(z.softmax(1), log_joint.softmax(1), scaled, precision)
        return -torch.logsumexp(log_joint, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        alpha, posterior, scaled, precision = ctx.saved_tensors
        by_z = (alpha - posterior) * grads[0][:, None]
        weight = (posterior * grads[0][:, None])[:, :, None]  # (N, m, 1)
        weighted = weight * scaled  # (N, m, c)
        squares = weighted * scaled
        if precision.shape[2] == 1:
            by_log_sigma = scaled.shape[2] * weight - squares.sum(2, keepdim=True)
        else:
            by_log_sigma = weight - squares
        return by_z, -weighted * precision, by_log_sigma, None


def log_densities(z: Tensor, scaled: Tensor, log_sigma: Tensor) -> Tensor:
    """Compute log αᵢφᵢ(t) (N, m) for z (N, m), (t − μ)/σ (N, m, c), log σ (N, m, 1) or (N, m, c)."""
    size = scaled.shape[2]
    volume = log_sigma.sum(2) * (size / log_sigma.shape[2])
    return z.log_softmax(1) - 0.5 * scaled.square().sum(2) - volume - 0.5 * size * _LOG_2PI


def mixture_error(z: Tensor, mu: Tensor, log_sigma: Tensor, t: Tensor) -> Tensor:
    """Compute E (N,), in nats, of targets t (N, c).

    Parameters
    ----------
    z : (N, m); the mixing coefficients are α = softmax(z)
    mu : (N, m, c)
    log_sigma : (N, m, 1), one σ for all dimensions of a component, or (N, m, c)

    The result is differentiable by z, mu and log_sigma, not by t.
    """
    error: Tensor = _MixtureError.apply(z, mu, log_sigma, t)  # type: ignore[no-untyped-call]
    return error
