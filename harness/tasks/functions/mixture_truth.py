"""True derivatives of the error of a mixture: PyTorch's automatic ones in double precision, and 60 digits for extremes.

The two don't share a line: `torch.autograd` differentiates E itself, mpmath evaluates the derivatives' formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi

import mpmath
import numpy as np
import torch
from torch import Tensor

from harness.tasks.functions.cases import Inputs, Truth, Values

DIGITS = 60


def error(alpha: Tensor, mu: Tensor, sigma: Tensor, t: Tensor) -> Tensor:
    """E (N,) = −log Σᵢ αᵢ φᵢ(t) for α (N, m), μ (N, m, c), σ (N, m), t (N, c)."""
    size = t.shape[1]
    squared = ((t[:, None] - mu) ** 2).sum(2)  # (N, m)
    log_density = -size / 2 * log(2 * pi) - size * sigma.log() - squared / (2 * sigma**2)
    return -torch.logsumexp(alpha.log() + log_density, 1)


def by_alpha(inputs: Inputs, exact: bool) -> Truth:
    """∂E/∂α (N, m); the largest term is the largest |πᵢ/αᵢ|."""
    if exact:
        values = _exactly(inputs, lambda p, a, m, s, t: [-p[i] / a[i] for i in range(len(a))], "alpha")
    else:
        values = _automatically(inputs, "alpha")
    return Truth(values, np.abs(values).max(axis=1, keepdims=True))


def by_means(inputs: Inputs, exact: bool) -> Truth:
    """∂E/∂μ (N, m, c); the largest term is the largest of πᵢ|μᵢₖ|/σᵢ² and πᵢ|tₖ|/σᵢ²."""
    if exact:
        values = _exactly(
            inputs,
            lambda p, a, m, s, t: [p[i] * (m[i][k] - t[k]) / s[i] ** 2 for i in range(len(a)) for k in range(len(t))],
            "mu",
        )
    else:
        values = _automatically(inputs, "mu")
    away = inputs["mu"] - inputs["t"][:, None]  # (N, m, c)
    terms = np.maximum(np.abs(inputs["mu"]), np.abs(inputs["t"])[:, None])
    # πᵢ/σᵢ² from the derivative itself, where t is not the component's mean.
    weight = np.abs(values) / np.where(away == 0, np.inf, np.abs(away))
    weight = weight.max(axis=2, keepdims=True)
    return Truth(values, (weight * terms).reshape(len(values), -1).max(axis=1)[:, None, None])


def by_outputs(inputs: Inputs, exact: bool) -> Truth:
    """∂E/∂z (N, m), z the outputs of which α is the softmax; the largest term is 1 at most, here the largest αᵢ."""
    if exact:
        values = _exactly(inputs, lambda p, a, m, s, t: [a[i] - p[i] for i in range(len(a))], "z")
    else:
        values = _automatically(inputs, "z")
    return Truth(values, inputs["alpha"].max(axis=1, keepdims=True))


def _automatically(inputs: Inputs, name: str) -> Values:
    """∂E/∂name by automatic differentiation."""
    tensors = {key: torch.from_numpy(np.array(inputs[key])) for key in ("z", "alpha", "mu", "sigma", "t")}
    variable = tensors[name].requires_grad_()
    alpha = torch.softmax(variable, 1) if name == "z" else tensors["alpha"]
    total = error(alpha, tensors["mu"], tensors["sigma"], tensors["t"]).sum()
    gradient: Values = torch.autograd.grad(total, variable)[0].numpy()
    return gradient


def _exactly(inputs: Inputs, derivative: Callable[..., list[mpmath.mpf]], like: str) -> Values:
    """Evaluate a formula of π, α, μ, σ and t with `DIGITS` digits, case by case."""
    rows = []
    with mpmath.workdps(DIGITS):
        for row in range(len(inputs["alpha"])):
            alpha = (
                _softmax(inputs["z"][row]) if like == "z" else [mpmath.mpf(a) for a in inputs["alpha"][row].tolist()]
            )
            mu = [[mpmath.mpf(v) for v in mean] for mean in inputs["mu"][row].tolist()]
            sigma = [mpmath.mpf(v) for v in inputs["sigma"][row].tolist()]
            t = [mpmath.mpf(v) for v in inputs["t"][row].tolist()]
            joint = [
                a * mpmath.exp(-sum((x - m) ** 2 for x, m in zip(t, mean, strict=True)) / (2 * s**2)) / s ** len(t)
                for a, mean, s in zip(alpha, mu, sigma, strict=True)
            ]
            posterior = [one / sum(joint) for one in joint]
            rows.append([float(v) for v in derivative(posterior, alpha, mu, sigma, t)])
    return np.array(rows).reshape(inputs[like].shape)


def _softmax(outputs: Values) -> list[mpmath.mpf]:
    powers = [mpmath.exp(mpmath.mpf(v)) for v in outputs.tolist()]
    return [one / sum(powers) for one in powers]
