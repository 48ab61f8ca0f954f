"""The loss of energy-based learning as a function, `err(x, m, z, gnet, enet)` (TU Berlin, sheet 10).

mean softplus(E(x) − E(x̂)), x̂ = z(1 − m) + flip(g(z))m, flip(a) = 2 stop_gradient(a) − a: compared by its value and by
its gradients in all parameters of generator and energy net. The sheet's own networks, narrower. Both published settings
are right: with and without noise N(0, 1) on what the energy net sees. LeCun et al. 2006; Ganin and Lempitsky 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness.tasks.base import Context
from harness.tasks.functions.base import FunctionTask
from harness.tasks.functions.cases import Function, Group, Inputs, Mistake, Truth, Values
from harness.types import Call

PIXELS = 784
WIDTH = 24
NETWORKS = {
    "gnet": ("gnet_0", "hardtanh", "gnet_2", "hardtanh", "gnet_4", "hardtanh"),
    "enet": ("enet_0", "hardtanh", "enet_2", "hardtanh", "enet_4"),
}
_SIZES = {"gnet": (PIXELS, WIDTH, WIDTH, PIXELS), "enet": (PIXELS, WIDTH, WIDTH, 1)}

Network = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor, Tensor, Network, Network], Tensor]


def flip(a: Tensor) -> Tensor:
    """`a`, whose gradient has the other sign."""
    return 2 * a.detach() - a


def _filled(m: Tensor, z: Tensor, patch: Tensor) -> Tensor:
    return z * (1 - m) + patch * m


def right(x: Tensor, m: Tensor, z: Tensor, gnet: Network, enet: Network) -> Tensor:
    """The loss without noise."""
    return functional.softplus(enet(x) - enet(_filled(m, z, flip(gnet(z))))).mean()


def _noisy(order: str) -> Loss:
    """The loss with noise N(0, 1) before the energy net, drawn for x or for x̂ first, or once for both."""

    def loss(x: Tensor, m: Tensor, z: Tensor, gnet: Network, enet: Network) -> Tensor:
        generator = torch.Generator().manual_seed(0)  # as the worker's
        first, second = (torch.randn(x.shape, generator=generator, dtype=x.dtype) for _ in range(2))
        on_x, on_filled = {"x first": (first, second), "x̂ first": (second, first), "once": (first, first)}[order]
        return functional.softplus(enet(x + on_x) - enet(_filled(m, z, flip(gnet(z))) + on_filled)).mean()

    return loss


def _network(inputs: Inputs, name: str, parameters: list[Tensor]) -> Network:
    layers = []
    for part in NETWORKS[name]:
        if part != "hardtanh":
            pair = [torch.tensor(inputs[f"{part}.{kind}"], requires_grad=True) for kind in ("weight", "bias")]
            parameters += pair
            layers.append(pair)

    def apply(rows: Tensor) -> Tensor:
        for number, (weight, bias) in enumerate(layers):
            rows = functional.linear(rows, weight, bias)
            if name == "gnet" or number < len(layers) - 1:
                rows = functional.hardtanh(rows)
        return rows

    return apply


def value_and_gradients(inputs: Inputs, loss: Loss) -> Values:
    """The loss and its gradient in all parameters of both networks, (1, 1 + P)."""
    parameters: list[Tensor] = []
    networks = [_network(inputs, name, parameters) for name in NETWORKS]
    x, m, z = (torch.tensor(inputs[name]) for name in ("x", "m", "z"))
    value = loss(x, m, z, networks[0], networks[1])
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    parts = [value.detach().reshape(1)]
    parts += [
        torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in zip(parameters, gradients, strict=True)
    ]
    together: Values = torch.cat(parts).numpy()[None]
    return together


def truth(inputs: Inputs, exact: bool) -> Truth:
    """Value and gradients; the scale is the loss itself, and the largest gradient of each network."""
    values = value_and_gradients(inputs, right)
    generator = sum(array.size for name, array in inputs.items() if name.startswith("gnet"))
    blocks = np.split(values[0], [1, 1 + generator])
    scale = np.concatenate([np.full(len(block), np.abs(block).max()) for block in blocks])
    return Truth(values, scale[None])


def _with(loss: Loss) -> Callable[[Inputs], Values]:
    return lambda inputs: value_and_gradients(inputs, loss)


def _terms(energy: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """A loss of E(x) and E(x̂) by another formula."""
    return lambda x, m, z, gnet, enet: energy(enet(x), enet(_filled(m, z, flip(gnet(z)))))


def _patch(patch: Callable[[Tensor, Tensor, Tensor, Network], Tensor]) -> Loss:
    """The loss with another x̂, of x, m, z and the generator."""
    return lambda x, m, z, gnet, enet: functional.softplus(enet(x) - enet(patch(x, m, z, gnet))).mean()


_PATCHES: dict[str, Callable[[Tensor, Tensor, Tensor, Network], Tensor]] = {
    "of a loss without the gradient flip: the generator learns to be told apart": lambda x, m, z, g: _filled(
        m, z, g(z)
    ),
    "of a generator whose output is detached: it has no gradient": lambda x, m, z, g: _filled(m, z, g(z).detach()),
    "of a gradient through all pixels, not through the missing patch alone: x̂ is the whole output": lambda x, m, z, g: (
        flip(g(z))
    ),
    "of the mask turned round: the generator fills the known pixels": lambda x, m, z, g: _filled(1 - m, z, flip(g(z))),
    "of a generator that is given the clean image x, not z": lambda x, m, z, g: _filled(m, z, flip(g(x))),
}
"""Other x̂, of x, m, z and the generator."""
_FORMULAS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "of E(x̂) − E(x): the sign in the softplus": lambda real, made: functional.softplus(made - real).mean(),
    "of the sum over the batch in place of the mean": lambda real, made: functional.softplus(real - made).sum(),
    "of E(x) − E(x̂) alone: the softplus is missing": lambda real, made: (real - made).mean(),
    "of softplus(E(x)) + softplus(−E(x̂)), the loss of two separate decisions": lambda real, made: (
        functional.softplus(real) + functional.softplus(-made)
    ).mean(),
    "of sigm(E(x) − E(x̂)) in place of the softplus": lambda real, made: torch.sigmoid(real - made).mean(),
}
"""Other losses, of E(x) and E(x̂)."""
MISTAKES = (
    *(Mistake(sentence, _with(_patch(patch))) for sentence, patch in _PATCHES.items()),
    *(Mistake(sentence, _with(_terms(formula))) for sentence, formula in _FORMULAS.items()),
)
ALTERNATIVES = tuple(
    Mistake(f"with noise N(0, 1) before the energy net ({order}), the other published setting.", _with(_noisy(order)))
    for order in ("x first", "x̂ first", "once")
)


class EnergyError(FunctionTask):
    """`err(x, m, z, gnet, enet)` by its value and by the gradients of both networks."""

    name = "energy-error"
    title = "Loss of energy-based learning"
    summary = "the function err(x, m, z, gnet, enet) by its value and by both networks' gradients; largest error"
    functions = (
        Function(
            "err",
            "err(x, m, z, gnet, enet)",
            "a",
            ("x", "m", "z"),
            lambda inputs: (1, 1 + sum(array.size for name, array in inputs.items() if "." in name)),
            truth,
            MISTAKES,
            ALTERNATIVES,
            aliases=("error", "loss", "err_fn", "compute_err", "error_function"),
            signature="err(x, m, z, gnet, enet)",
            hint="The exponential overflows: use torch.nn.functional.softplus.",
            call=Call(cases=False, differentiates=True, networks=NETWORKS),
        ),
    )

    def drawn(self, context: Context) -> Sequence[Group]:
        """Two batches of 7 training images with networks of the usual weights, and one with far larger energies."""
        generator = context.generator(self.name, "cases")
        return [_batch(context, generator, 1.0), _batch(context, generator, 3.0), _batch(context, generator, 1e6)]


def _batch(context: Context, generator: torch.Generator, factor: float) -> Group:
    """Images, masks and weights, uniform as PyTorch's; the energy net's last layer is `factor` times as large."""
    images = context.data.train.images
    rows = torch.randperm(len(images), generator=generator)[:7].numpy()
    x = 2 * images[rows].reshape(-1, PIXELS).astype(np.float64) - 1
    m = np.zeros((len(x), 28, 28))
    for i, (j, k) in enumerate(torch.randint(-4, 5, (len(x), 2), generator=generator).tolist()):
        m[i, 11 + j : 17 + j, 11 + k : 17 + k] = 1
    inputs: dict[str, Values] = {"x": x, "m": m.reshape(len(x), PIXELS), "z": x * (1 - m.reshape(len(x), PIXELS))}
    for name, parts in NETWORKS.items():
        sizes = iter(_SIZES[name])
        before = next(sizes)
        for part in parts:
            if part == "hardtanh":
                continue
            after, bound = next(sizes), before**-0.5 * (factor if part == "enet_4" else 1.0)
            for kind, shape in (("weight", (after, before)), ("bias", (after,))):
                drawn = torch.rand(*shape, generator=generator, dtype=torch.float64)
                inputs[f"{part}.{kind}"] = (bound * (2 * drawn - 1)).numpy()
            before = after
    return Group(f"7 images, energies up to {factor:,.4g}", inputs, extreme=factor > 10)
