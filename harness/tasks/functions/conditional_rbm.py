"""Probabilities and free energy of the conditional restricted Boltzmann machine (TU Berlin, sheet 10, exercise 2).

Inputs x ∈ {0, 1}ᵈ, outputs y ∈ {0, 1}ᶜ, hidden units h ∈ {0, 1}ᴷ. E(x, y, h) = −xᵀWh − yᵀUh, W (d, K), U
(c, K). Asked are p(hₖ = 1 | x, y) and p(yⱼ = 1 | h, x) (a), the free energy F(x, y) and p(x, y) = exp(−F)/Z (b).
Smolensky 1986; Larochelle and Bengio 2008, "Classification using discriminative restricted Boltzmann machines".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from harness.tasks.base import Context
from harness.tasks.functions.base import FunctionTask
from harness.tasks.functions.cases import Function, Group, Values
from harness.tasks.functions.rbm_mistakes import OF_FREE_ENERGY, OF_HIDDEN, OF_JOINT, OF_OUTPUTS
from harness.tasks.functions.rbm_truth import free_energy, hidden, joint, outputs

_HINT = "exp overflows for large arguments: use forms such as 1/(1 + exp(−a)) by cases, and log-sum-exp."
RANDOM = ((4, 3, 5, 500), (5, 2, 6, 300), (2, 4, 3, 200))
"""Inputs, outputs, hidden units and number of the random cases."""


class ConditionalRBM(FunctionTask):
    """Four functions of small machines, of which every state can be enumerated."""

    name = "conditional-rbm"
    title = "Conditional restricted Boltzmann machine"
    summary = "probabilities and free energy of the conditional RBM; largest error, of the largest term"
    functions = (
        Function(
            "hidden_probability",
            "p(h = 1 | x, y)",
            "a",
            ("x", "y", "W", "U"),
            lambda inputs: (len(inputs["x"]), inputs["W"].shape[2]),
            hidden,
            OF_HIDDEN,
            aliases=("p_h", "p_h_given_xy", "prob_h", "hidden_probabilities", "ph"),
            signature="hidden_probability(x, y, W, U)",
            hint=_HINT,
        ),
        Function(
            "output_probability",
            "p(y = 1 | h, x)",
            "a",
            ("h", "U", "x", "W"),
            lambda inputs: inputs["y"].shape,
            outputs,
            OF_OUTPUTS,
            aliases=("p_y", "p_y_given_h", "p_y_given_hx", "prob_y", "output_probabilities", "py"),
            signature="output_probability(h, U)",
            hint=_HINT,
        ),
        Function(
            "free_energy",
            "F(x, y)",
            "b",
            ("x", "y", "W", "U"),
            lambda inputs: (len(inputs["x"]),),
            free_energy,
            OF_FREE_ENERGY,
            aliases=("F",),
            signature="free_energy(x, y, W, U)",
            hint=_HINT,
        ),
        Function(
            "joint_probability",
            "p(x, y)",
            "b",
            ("x", "y", "W", "U"),
            lambda inputs: (len(inputs["x"]),),
            joint,
            OF_JOINT,
            aliases=("p_xy", "prob_xy", "probability", "pxy"),
            signature="joint_probability(x, y, W, U)",
            hint=_HINT,
        ),
    )

    def drawn(self, context: Context) -> Sequence[Group]:
        """1,000 random machines of three sizes, and 70 extreme ones."""
        generator = context.generator(self.name, "cases")
        sized = [_machines(generator, n, d, c, k, 1.5, "") for d, c, k, n in RANDOM]
        extreme = [
            _machines(generator, 10, d, c, k, scale, f": weights up to {scale:,.4g}")
            for d, c, k, scale in (
                (1, 1, 1, 1.5),
                (1, 1, 1, 1e3),
                (2, 1, 3, 1e3),
                (3, 2, 4, 300.0),
                (3, 3, 1, 60.0),
                (2, 2, 2, 1e-9),
                (3, 2, 3, 40.0),
            )
        ]
        return [*sized, *extreme]


def _bits(generator: torch.Generator, *shape: int) -> Values:
    return torch.randint(0, 2, shape, generator=generator).double().numpy()


def _machines(generator: torch.Generator, n: int, d: int, c: int, k: int, scale: float, what: str) -> Group:
    """Machines with weights uniform in ±scale, in random states; at least one input and one output is 1."""
    x, y, h = (_bits(generator, n, size) for size in (d, c, k))
    for bits in (x, y, h):
        bits[np.arange(n), np.arange(n) % bits.shape[1]] = 1.0
    weights = [
        scale * (2 * torch.rand(n, size, k, generator=generator, dtype=torch.float64) - 1).numpy() for size in (d, c)
    ]
    kind = f"{d} input{'s' * (d > 1)}, {c} output{'s' * (c > 1)}, {k} hidden unit{'s' * (k > 1)}{what}"
    return Group(kind, {"x": x, "y": y, "h": h, "W": weights[0], "U": weights[1]}, bool(what))
