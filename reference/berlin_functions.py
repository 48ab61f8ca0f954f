"""The functions of TU Berlin's sheet 10: their formulas, in arithmetic that neither overflows nor cancels.

One case at a time, with numpy: mixture density networks (Bishop 1994, "Mixture density networks", NCRG/94/004), and the
conditional restricted Boltzmann machine (Smolensky 1986; Larochelle and Bengio 2008). `docs/derivations.md` derives
them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Values = NDArray[np.float64]


def posterior(alpha: Values, mu: Values, sigma: Values, t: Values) -> Values:
    """Calculate πᵢ (m,) = αᵢφᵢ / Σⱼ αⱼφⱼ for α (m,), μ (m, c), σ (m,), t (c,)."""
    squared = ((t - mu) ** 2).sum(axis=1)
    log_joint = np.log(alpha) - len(t) * np.log(sigma) - squared / (2 * sigma**2)  # (2π)^(−c/2) cancels
    joint = np.exp(log_joint - log_joint.max())
    normalised: Values = joint / joint.sum()
    return normalised


def dE_dalpha(alpha: Values, mu: Values, sigma: Values, t: Values) -> Values:  # noqa: N802  the sheet's name
    """Calculate ∂E/∂αᵢ (m,) = −πᵢ/αᵢ."""
    return -posterior(alpha, mu, sigma, t) / alpha


def dE_dmu(alpha: Values, mu: Values, sigma: Values, t: Values) -> Values:  # noqa: N802  the sheet's name
    """Calculate ∂E/∂μᵢₖ (m, c) = πᵢ (μᵢₖ − tₖ)/σᵢ²."""
    weight = posterior(alpha, mu, sigma, t) / sigma**2
    derivative: Values = weight[:, None] * (mu - t)
    return derivative


def dE_dz(z: Values, mu: Values, sigma: Values, t: Values) -> Values:  # noqa: N802  the sheet's name
    """Calculate ∂E/∂zᵢ (m,) = αᵢ − πᵢ for α = softmax(z)."""
    powers = np.exp(z - z.max())
    alpha: Values = powers / powers.sum()
    return alpha - posterior(alpha, mu, sigma, t)


def sigmoid(a: Values) -> Values:
    """Calculate exp(a)/(1 + exp(a)) without overflow."""
    small = np.exp(-np.abs(a))
    result: Values = np.where(a >= 0, 1.0, small) / (1 + small)
    return result


def hidden_probability(x: Values, y: Values, W: Values, U: Values) -> Values:  # noqa: N803  the sheet's names
    """Calculate p(hₖ = 1 | x, y) (K,) for x (d,), y (c,), W (d, K), U (c, K)."""
    return sigmoid(x @ W + y @ U)


def output_probability(h: Values, U: Values) -> Values:  # noqa: N803  the sheet's names
    """Calculate p(yⱼ = 1 | h, x) (c,), which does not depend on x."""
    return sigmoid(U @ h)


def free_energy(x: Values, y: Values, W: Values, U: Values) -> float:  # noqa: N803  the sheet's names
    """Calculate F(x, y) = −Σₖ log(1 + exp(xᵀW₍:,ₖ₎ + yᵀU₍:,ₖ₎))."""
    return float(-np.logaddexp(0, x @ W + y @ U).sum())


def joint_probability(x: Values, y: Values, W: Values, U: Values) -> float:  # noqa: N803  the sheet's names
    """Calculate p(x, y) = exp(−F(x, y))/Z, Z the sum of exp(−F) over all inputs and outputs."""
    d, c = len(x), len(y)
    every = (np.arange(1 << (d + c))[:, None] >> np.arange(d + c) & 1).astype(float)  # (2^(d+c), d + c)
    minus = np.logaddexp(0, every[:, :d] @ W + every[:, d:] @ U).sum(axis=1)
    largest = minus.max()
    return float(np.exp(-free_energy(x, y, W, U) - largest) / np.exp(minus - largest).sum())


def pca(z: Values, x: Values, d: int) -> Values:
    """Project z (N, 784) on the mean and the d principal components of x (M, 784)."""
    mean = x.mean(axis=0)
    rows = np.linalg.svd(x - mean, full_matrices=False)[2][:d]  # (d, 784)
    projected: Values = mean + (z - mean) @ rows.T @ rows
    return projected


def err(x: Tensor, m: Tensor, z: Tensor, gnet: nn.Module, enet: nn.Module) -> Tensor:
    """Calculate mean softplus(E(x) − E(x̂)); its gradient reaches the generator turned round, through the patch."""
    made = gnet(z)
    flipped = 2 * made.detach() - made
    return functional.softplus(enet(x) - enet(z * (1 - m) + flipped * m)).mean()
