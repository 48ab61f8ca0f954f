"""Derivatives of the error of a mixture density network (TU Berlin, sheet 10, exercise 1).

Bishop 1994, "Mixture density networks" (NCRG/94/004), equations 22 to 38: the error of one data point is
E = −log Σᵢ αᵢ φᵢ(t), φᵢ = (2π)^(−c/2) σᵢ^(−c) exp(−‖t − μᵢ‖² / 2σᵢ²). Asked are ∂E/∂α and ∂E/∂μ (a), and ∂E/∂z (b),
where α = softmax(z). In ∂E/∂α the αᵢ vary freely, without Σα = 1, as the sheet has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
import torch

from harness.tasks.base import Context
from harness.tasks.functions.base import FunctionTask
from harness.tasks.functions.cases import Function, Group, Values
from harness.tasks.functions.mixture_mistakes import OF_ALPHA, OF_MEANS, OF_OUTPUTS
from harness.tasks.functions.mixture_truth import by_alpha, by_means, by_outputs

_HINT = "The densities underflow or overflow: take their logarithms, and log-sum-exp in the denominator."
RANDOM = ((3, 2, 400), (5, 4, 300), (2, 7, 200), (4, 3, 100))
"""Components, dimensions and number of the random cases."""
_LOG_2 = log(2)


class MixtureDensity(FunctionTask):
    """Three derivatives of the error, for 1,000 random mixtures and 100 extreme ones."""

    name = "mixture-density"
    title = "Mixture density networks"
    summary = "derivatives of the error of a mixture density network; largest error, of the largest term"
    functions = (
        Function(
            "dE_dalpha",
            "∂E/∂α",
            "a",
            ("alpha", "mu", "sigma", "t"),
            lambda inputs: inputs["alpha"].shape,
            by_alpha,
            OF_ALPHA,
            aliases=("grad_alpha", "dalpha", "d_alpha", "alpha_gradient", "alpha_grad", "gradient_alpha"),
            signature="dE_dalpha(alpha, mu, sigma, t)",
            hint=_HINT,
        ),
        Function(
            "dE_dmu",
            "∂E/∂μ",
            "a",
            ("alpha", "mu", "sigma", "t"),
            lambda inputs: inputs["mu"].shape,
            by_means,
            OF_MEANS,
            aliases=("grad_mu", "dmu", "d_mu", "mu_gradient", "mu_grad", "gradient_mu"),
            signature="dE_dmu(alpha, mu, sigma, t)",
            hint=_HINT,
        ),
        Function(
            "dE_dz",
            "∂E/∂z",
            "b",
            ("z", "mu", "sigma", "t", "alpha"),
            lambda inputs: inputs["z"].shape,
            by_outputs,
            OF_OUTPUTS,
            aliases=("grad_z", "dz", "d_z", "z_gradient", "z_grad", "gradient_z", "dE_dz_alpha"),
            signature="dE_dz(z, mu, sigma, t)",
            hint=_HINT,
        ),
    )

    def drawn(self, context: Context) -> Sequence[Group]:
        """1,000 random mixtures of four sizes, and 100 extreme ones."""
        generator = context.generator(self.name, "cases")
        groups = [_mixtures(generator, n, components, size) for components, size, n in RANDOM]
        return [*groups, *_extreme(generator)]


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Values:
    # Uniform numbers are the same on every processor, which the logarithm in normal ones is not.
    drawn: Values = (low + (high - low) * torch.rand(*shape, generator=generator, dtype=torch.float64)).numpy()
    return drawn


def _group(kind: str, powers: Values, mu: Values, sigma: Values, t: Values, extreme: bool) -> Group:
    """A group with αᵢ ∝ 2^powers: z = powers · log 2 is its softmax's argument on every processor to the last bit."""
    alpha = np.exp2(powers) / np.exp2(powers).sum(axis=1, keepdims=True)
    return Group(kind, {"z": powers * _LOG_2, "alpha": alpha, "mu": mu, "sigma": sigma, "t": t}, extreme)


def _kind(components: int, size: int) -> str:
    return f"{components} component{'s' if components > 1 else ''} in {size} dimension{'s' if size > 1 else ''}"


def _mixtures(generator: torch.Generator, n: int, components: int, size: int) -> Group:
    """Mixtures whose components overlap, so that every term counts."""
    powers = torch.randint(-2, 3, (n, components), generator=generator).double().numpy()
    mu = _uniform(generator, -2.0, 2.0, n, components, size)
    sigma = _uniform(generator, 0.6, 1.8, n, components)
    t = _uniform(generator, -2.0, 2.0, n, size)
    return _group(_kind(components, size), powers, mu, sigma, t, extreme=False)


def _extreme(generator: torch.Generator) -> list[Group]:
    groups = []
    for components, size, narrow, far, what in (
        (1, 3, 1.0, 1.0, "a single component"),
        (1, 1, 1e-3, 50.0, "a single component, σ = 0.001, t 50 σ away"),
        (4, 1, 1.0, 50.0, "t 50 σ away"),
        (3, 2, 1e-3, 1.0, "σ = 0.001"),
        (3, 2, 1e-3, 50.0, "σ = 0.001, t 50 σ away"),
        (5, 3, 1.0, 50.0, "t 50 σ away"),
        (3, 4, 1e-3, 3000.0, "σ = 0.001, t 3,000 σ away"),
        (4, 2, 1e3, 1.0, "σ = 1,000"),
    ):
        n = 10
        powers = torch.randint(-2, 3, (n, components), generator=generator).double().numpy()
        mu = _uniform(generator, -2.0, 2.0, n, components, size)
        sigma = narrow * _uniform(generator, 0.8, 1.2, n, components)
        # From the first component; the others are farther, or nearer, as it comes.
        t = mu[:, 0] + far * sigma[:, :1] / np.sqrt(size) * np.where(_uniform(generator, -1, 1, n, size) < 0, -1.0, 1.0)
        groups.append(_group(f"{_kind(components, size)}: {what}", powers, mu, sigma, t, extreme=True))
    powers = np.zeros((10, 3))
    powers[:, 1] = -40.0
    mu, sigma, t = (_uniform(generator, -1.0, 1.0, 10, *shape) for shape in ((3, 2), (3,), (2,)))
    groups.append(_group("3 components in 2 dimensions: one α of 1e-12", powers, mu, 1 + sigma / 2, t, extreme=True))
    mu = np.repeat(mu[:, :1], 3, axis=1)
    same = np.full((10, 3), 1.25)
    groups.append(_group("3 equal components in 2 dimensions", np.zeros((10, 3)), mu, same, t, extreme=True))
    return groups
