"""Conditional restricted Boltzmann machine of TU Berlin's sheet 10, on binarised digits x and one-hot labels y.

Smolensky 1986 ("Information processing in dynamical systems: foundations of harmony theory"); with labels as in
Larochelle and Bengio 2008 ("Classification using discriminative restricted Boltzmann machines"). The sheet's energy,

    E(x, y, h) = −xᵀWh − yᵀUh,   F(x, y) = −Σₖ log(1 + exp(xᵀW₍:,ₖ₎ + yᵀU₍:,ₖ₎)),

has no biases. Those of the hidden units come from a constant input, the last component of x; those of x and y from a
hidden unit that the constant input holds at 1. `docs/derivations.md` derives the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.architecture import Architecture
from reference.crbm_gradients import Chains, Gradient, contrastive_divergence, discriminative_gradient, draw
from reference.crbm_names import CLASSES, PIXELS, adapt
from reference.gibbs import Draws, rounded
from reference.options import Number, Values
from reference.products import linear
from reference.seeding import generator_for
from reference.train import average

THRESHOLD = 0.5
"""Gray value above which a pixel is lit."""
ALWAYS = 1024.0
"""Weight between the constant input and the hidden unit that is always 1."""
BURN_IN = 0.2
"""Share of a chain's sweeps that inpainting does not average over."""

OPTIONS: Mapping[str, Values] = {
    "chains": Number(2, 1, 100, integer=True),
    "sweeps": Number(100, 2, 1000, integer=True),
}


def binarised(images: Tensor) -> Tensor:
    """Compute x (N, 785) for images (N, 1, 28, 28) in [0, 1]: 1 where a pixel is lit, and the constant input."""
    lit = (images.flatten(1) > THRESHOLD).float()
    return functional.pad(lit, (0, 1), value=1.0)


class CRBM(nn.Module):
    """p(x, y) ∝ exp(−F(x, y)).

    Parameters
    ----------
    chains, sweeps : Gibbs chains of `inpaint`, and sweeps of each
    units : hidden units
    """

    W: Tensor
    """(785, K)."""
    U: Tensor
    """(10, K)."""
    levels: Tensor
    """(2,), mean gray value of pixels that are not lit, and of those that are."""

    def __init__(self, chains: float = 2, sweeps: float = 100, units: int = 600) -> None:
        super().__init__()
        self.chains, self.sweeps = int(chains), int(sweeps)
        self.register_buffer("W", torch.zeros(PIXELS + 1, units))
        self.register_buffer("U", torch.zeros(CLASSES, units))
        self.register_buffer("levels", torch.tensor([0.0, 1.0]))

    def free_energies(self, x: Tensor) -> Tensor:
        """Compute F(x, y) (N, 10) of inputs (N, 785) with each of the ten one-hot y."""
        inputs = linear(x, self.W.T.contiguous())  # (N, K)
        return torch.stack([-functional.softplus(inputs + row).sum(1) for row in self.U], 1)

    def log_class_probabilities(self, images: Tensor) -> Tensor:
        """Compute log p(y | x) (N, 10) of images (N, 1, 28, 28) in [0, 1]; y is one-hot."""
        return (-self.free_energies(binarised(images))).log_softmax(1)

    def classify(self, images: Tensor) -> Tensor:
        """Find the digits (N,) of lowest free energy for images (N, 1, 28, 28) in [0, 1]."""
        return self.free_energies(binarised(images)).argmin(1)

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Fill the pixels of images (N, 1, 28, 28) in [0, 1] where `mask` is True with their mean given the others.

        The mean of p(x = 1 | h) over Gibbs chains in which the missing pixels, y and h are drawn, mapped to gray. All
        images share the random numbers, so that an answer depends neither on the batch nor on the order.
        """
        missing = mask.flatten(1)  # (N, 784)
        columns = missing.any(0).nonzero().squeeze(1)  # of C pixels that are missing in some image
        holes = missing.index_select(1, columns)  # (N, C)
        w, u = rounded(self.W), rounded(self.U)
        known = linear(binarised(images.masked_fill(mask, 0)), w.T.contiguous())  # (N, K)
        rows = w.index_select(0, columns)  # (C, K)
        transposed, labels = rows.T.contiguous(), u.T.contiguous()
        total = images.new_zeros(holes.shape)
        first = int(BURN_IN * self.sweeps)
        for chain in range(self.chains):
            draws = Draws(u.shape[1] + PIXELS + CLASSES, generator_for("crbm", "inpaint", chain))
            x, y = images.new_zeros(holes.shape), images.new_zeros(len(images), CLASSES)
            for sweep in range(self.sweeps):
                of_h, of_x, of_y = torch.split(draws.next(), [u.shape[1], PIXELS, CLASSES], 1)
                h = (known + linear(x, transposed) + linear(y, labels) > of_h).float()  # (N, K)
                inputs = linear(h, rows)  # (N, C)
                x = ((inputs > of_x.index_select(1, columns)) & holes).float()
                y = (linear(h, u) > of_y).float()
                if sweep >= first:
                    total += inputs.sigmoid()
        share = total / (self.chains * (self.sweeps - first))
        filled = images.flatten(1).index_copy(1, columns, self._gray(share))
        return torch.where(mask, filled.view_as(images), images)

    def sampled_given_labels(
        self, start: Tensor, labels_one_hot: Tensor, sweeps: int, generator: torch.Generator
    ) -> Tensor:
        """Draw images (N, 1, 28, 28) by Gibbs sampling of x and h, y held at one-hot labels (N, 10).

        Each chain starts at pixels (N, 784), lit or not; the answer is p(x = 1 | h) of the last sweep, mapped to gray.
        """
        pixels = self.W[:-1]  # (784, K)
        fixed = labels_one_hot.float() @ self.U + self.W[-1]  # (N, K)
        x = probabilities = start.float()
        for _ in range(sweeps):
            h = draw(torch.sigmoid(fixed + x @ pixels), generator)
            probabilities = torch.sigmoid(linear(h, pixels))
            x = draw(probabilities, generator)
        return self._gray(probabilities).view(-1, 1, 28, 28)

    def _gray(self, lit: Tensor) -> Tensor:
        """Mean gray values of pixels that are lit with these probabilities."""
        return torch.lerp(self.levels[0], self.levels[1], lit)


@dataclass(frozen=True)
class Recipe:
    """Settings of a training, which follows β ∇ log p(y | x) + α times contrastive divergence's estimate."""

    name: str
    title: str
    generative: float
    """α."""
    discriminative: float
    """β."""
    epochs: int
    rate: float
    """Learning rate at the start; it falls linearly to 0."""
    momentum: float = 0.5
    penalty: float = 1e-4
    """Weight decay."""
    units: int = 600
    persistent: bool = True
    """Go on with the chains of the last step, rather than start at the examples."""
    sweeps: int = 1
    """Sweeps of the chains in each step; k of CD-k."""
    batch: int = 100
    decay: float = 0.998
    """Decay of the moving average of the weights."""


DIVERGENCE = Recipe("crbm", "Conditional RBM, contrastive divergence", 1.0, 0.0, epochs=30, rate=0.1, momentum=0.0)
HYBRID = Recipe("crbm-hybrid", "Conditional RBM, hybrid", 0.1, 1.0, epochs=25, rate=0.5, penalty=0.0)
FROM_EXAMPLES = Recipe("crbm-cd1", "Conditional RBM, CD-1", 1.0, 0.0, epochs=12, rate=0.1, persistent=False)
"""Chains that start at the examples and take one step: these never see what the machine believes far from them."""
RECIPES = (DIVERGENCE, HYBRID, FROM_EXAMPLES)


class Training:
    """Follows contrastive divergence, the discriminative gradient, or a sum of both; averaged weights are kept."""

    architecture = "crbm"
    options: Mapping[str, str] = {}

    def __init__(self, recipe: Recipe, seed: int = 1) -> None:
        self.name = recipe.name
        self.title = recipe.title
        self.recipe = recipe
        self.seed = seed
        self.epochs, self.batch = recipe.epochs, recipe.batch
        self.model, self.averaged = CRBM(units=recipe.units), CRBM(units=recipe.units)
        generator = generator_for("weights", recipe.name, seed)
        for weights in (self.model.W, self.model.U):
            weights.normal_(0, 0.01, generator=generator)
        self.model.W[:, 0] = 0
        self.model.W[-1, 0] = ALWAYS
        self.model.U[:, 0] = math.log(1 / (CLASSES - 1))
        self.averaged.load_state_dict(self.model.state_dict())
        self.velocity = Gradient(torch.zeros_like(self.model.W), torch.zeros_like(self.model.U))
        self.started = False
        self.chains = Chains(torch.zeros(recipe.batch, PIXELS + 1), torch.zeros(recipe.batch, CLASSES))

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28) and labels (B,).

        Returns the free energies of examples and of chains, and −log p(y | x), in nats, where these are followed.
        """
        recipe, model = self.recipe, self.model
        x = binarised(images)
        if not self.started:
            self._start(x, generator)
        parts: list[tuple[float, Gradient]] = []
        losses: dict[str, float] = {}
        if recipe.generative:
            examples = Chains(x, functional.one_hot(labels, CLASSES).float())
            chains = self.chains if recipe.persistent else examples
            estimate, self.chains, energies = contrastive_divergence(
                model.W, model.U, examples, chains, recipe.sweeps, generator
            )
            parts.append((recipe.generative, estimate))
            losses |= {"free energy of examples": energies[0] + ALWAYS, "of chains": energies[1] + ALWAYS}
        if recipe.discriminative:
            gradient, surprise = discriminative_gradient(model.W, model.U, x, labels)
            parts.append((recipe.discriminative, gradient))
            losses["-log p(y | x)"] = surprise.mean().item()
        rate = recipe.rate * (1 - progress)
        for index, (weights, velocity) in enumerate(zip((model.W, model.U), self.velocity, strict=True)):
            velocity.mul_(recipe.momentum).sub_(weights, alpha=recipe.penalty)
            for factor, gradient in parts:
                velocity.add_(gradient[index], alpha=factor)
            weights.add_(velocity, alpha=rate)
        model.W[-1, 0] = ALWAYS
        self._gray_levels(images)
        average(self.averaged, model, recipe.decay)
        return losses

    def _start(self, x: Tensor, generator: torch.Generator) -> None:
        """Set the pixels' biases to the log-odds of the first batch, with one image lit and one not lit added.

        Chains start with pixels drawn by these odds, and labels likewise.
        """
        lit = (x[:, :-1].sum(0) + 1) / (len(x) + 2)
        self.model.W[:-1, 0] = torch.logit(lit)
        odds = torch.cat([lit, torch.ones(1)]).expand(self.batch, -1)
        self.chains = Chains(draw(odds, generator), draw(torch.full((self.batch, CLASSES), 1 / CLASSES), generator))
        self.averaged.load_state_dict(self.model.state_dict())
        self.started = True

    def _gray_levels(self, images: Tensor) -> None:
        """Follow the mean gray of pixels that are lit, and of those that are not, in the rows and columns 7 … 20."""
        middle = images[:, :, 7:21, 7:21]
        lit = middle > THRESHOLD
        self.model.levels.lerp_(torch.stack([middle[~lit].mean(), middle[lit].mean()]), 0.01)

    def result(self) -> nn.Module:
        """Return the machine with averaged weights."""
        return self.averaged.eval()

    def state(self) -> dict[str, Any]:
        """Return weights, their average, the velocity and the chains."""
        parts = {"model": self.model, "averaged": self.averaged}
        states: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
        return states | {"velocity": list(self.velocity), "chains": list(self.chains)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state()` returned."""
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.velocity, self.chains = Gradient(*state["velocity"]), Chains(*state["chains"])
        self.started = True


ARCHITECTURE = Architecture(
    title="Conditional restricted Boltzmann machine",
    summary="Classification, and inpainting of a patch, by a conditional restricted Boltzmann machine",
    task="patch-inpainting",
    checkpoint_key="model",
    module=CRBM,
    options=OPTIONS,
    adapt=adapt,
    trainings={recipe.name: partial(Training, recipe) for recipe in RECIPES},
)
