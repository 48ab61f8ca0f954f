"""Gradients of a conditional restricted Boltzmann machine's weights: contrastive divergence, and that of log p(y | x).

Hinton 2002 ("Training products of experts by minimizing contrastive divergence"), with the persistent chains of
Tieleman 2008 ("Training restricted Boltzmann machines using approximations to the likelihood gradient"); Larochelle and
Bengio 2008 ("Classification using discriminative restricted Boltzmann machines"), whose hybrid objective weighs both.
Both gradients point uphill, and both are means over the batch.

x (N, d) are inputs whose last component is the constant 1, y (N, c) one-hot labels, W (d, K), U (c, K).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from reference.precision import fast_products


class Gradient(NamedTuple):
    """A direction in which to move W and U."""

    W: Tensor
    U: Tensor


class Chains(NamedTuple):
    """States of x and y from which Gibbs sampling goes on."""

    x: Tensor
    y: Tensor


def contrastive_divergence(
    W: Tensor,  # noqa: N803  the sheet's names
    U: Tensor,  # noqa: N803
    examples: Chains,
    chains: Chains,
    sweeps: int,
    generator: torch.Generator,
) -> tuple[Gradient, Chains, tuple[float, float]]:
    """Estimate the gradient of log p(x, y): ⟨x hᵀ⟩ of the examples less that of the chains' ends, and likewise for y.

    Chains that start at the examples give CD-k; those that go on from the last call's ends, persistent contrastive
    divergence. x, y and h are drawn, but for the last h, whose probabilities take its place.

    Parameters
    ----------
    examples : x (N, d), y (N, c); chains : as many or another number of them
    sweeps : k; x and y are drawn given h, which is drawn given x and y

    Returns
    -------
    The gradient, the ends of the chains, and the mean free energies of examples and ends in nats.
    """
    with fast_products():
        inputs = _inputs(examples.x, W) + _inputs(examples.y, U)  # (N, K)
        of_chains = inputs if chains is examples else _inputs(chains.x, W) + _inputs(chains.y, U)
        for _ in range(sweeps):
            states = draw(torch.sigmoid(of_chains), generator)
            x = draw(torch.sigmoid(_inputs(states, W.T)), generator)
            x[:, -1] = 1
            y = draw(torch.sigmoid(_inputs(states, U.T)), generator)  # not always one-hot
            of_chains = _inputs(x, W) + _inputs(y, U)
        hidden, of_ends = torch.sigmoid(inputs), torch.sigmoid(of_chains)
        by_w = (examples.x.T @ hidden).float() / len(hidden) - (x.T @ of_ends).float() / len(of_ends)
        by_u = (examples.y.T @ hidden).float() / len(hidden) - (y.T @ of_ends).float() / len(of_ends)
    energies = [-functional.softplus(each).sum(1).mean().item() for each in (inputs, of_chains)]
    return Gradient(by_w, by_u), Chains(x, y), (energies[0], energies[1])


def discriminative_gradient(
    W: Tensor,  # noqa: N803
    U: Tensor,  # noqa: N803
    x: Tensor,
    labels: Tensor,
) -> tuple[Gradient, Tensor]:
    """Compute the gradient of log p(y | x), and −log p(y | x) (N,) in nats, for labels (N,) from 0 to c − 1.

    p(y | x) ∝ exp(−F(x, y)) over the c one-hot y, with all of which the product xᵀW is shared.
    """
    with fast_products():
        inputs = _inputs(x, W)  # (N, K)
    of_label = inputs[:, None] + U  # (N, c, K)
    log_p = functional.softplus(of_label).sum(2).log_softmax(1)  # (N, c)
    surprise = functional.one_hot(labels, len(U)) - log_p.exp()  # (N, c)
    weighted = of_label.sigmoid_().mul_(surprise[:, :, None])  # (N, c, K)
    with fast_products():
        by_w = (x.T @ weighted.sum(1)).float()
    gradient = Gradient(by_w / len(x), weighted.sum(0) / len(x))
    return gradient, -log_p.gather(1, labels[:, None]).squeeze(1)


def draw(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Draw binary states, as floats."""
    return (torch.rand(probabilities.shape, generator=generator) < probabilities).float()


def _inputs(states: Tensor, weights: Tensor) -> Tensor:
    return (states @ weights).float()
