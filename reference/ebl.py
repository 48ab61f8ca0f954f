"""Energy-based learning of inpainting (TU Berlin, sheet 10): a generator and an energy trained by gradient reversal.

LeCun, Chopra, Hadsell, Ranzato and Huang 2006 ("A tutorial on energy-based learning"); the reversed gradient is that of
Ganin and Lempitsky 2015, arXiv:1409.7495. From a corrupted image z the generator g makes x̂ = z(1 − m) + g(z)m; the
energy E should be low for whole images x and high for x̂, and one descent on

    mean softplus(E(x) − E(x̂)),   x̂ = z(1 − m) + flip(g(z))m,   flip(a) = 2 stop_gradient(a) − a

trains both: `flip` is the identity whose gradient is negated, so the generator lowers the energy that the energy net
raises. Pixels lie in [−1, 1] inside this file's networks; missing pixels are gray, 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.architecture import Architecture
from reference.precision import fast_products
from reference.seeding import draw_linear_layers, generator_for
from reference.train import Averaged, average, one_cycle

PIXELS = 784
HOLE = 6
"""Side of the missing patch."""
CORNER, REACH = 11, 4
"""The patch's corner lies at rows and columns 11 − 4 … 11 + 4."""
WIDEST = 4096
"""Largest number of units in a hidden layer of a checkpoint."""


class Generator(nn.Module):
    """Fills holes (0) of images (N, 784) in [−1, 1]: layers of 784-1024-1024-784, a Hardtanh after each."""

    def __init__(self, width: int = 1024) -> None:
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, PIXELS)

    def forward(self, corrupted: Tensor) -> Tensor:
        return functional.hardtanh(self.unclipped(corrupted))

    def unclipped(self, corrupted: Tensor) -> Tensor:
        """Compute the outputs (N, 784) before the last Hardtanh."""
        hidden = functional.hardtanh(self.fc1(corrupted))
        hidden = functional.hardtanh(self.fc2(hidden))
        outputs: Tensor = self.fc3(hidden)
        return outputs

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Replace the pixels of images (N, 1, 28, 28) in [0, 1] where `mask` is True (missing); known pixels stay.

        The generator sees the hole's pixels as they are, which exposes one that was trained on clean images.
        """
        filled = (self((2 * images - 1).flatten(1)).view_as(images) + 1) / 2
        return torch.where(mask, filled, images)


class Energy(nn.Module):
    """Energies (N,) of images (N, 784) in [−1, 1]: layers of 784-1024-1024-1, a Hardtanh after both hidden ones."""

    def __init__(self, width: int = 1024) -> None:
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, 1)

    def forward(self, images: Tensor) -> Tensor:
        hidden = functional.hardtanh(self.fc1(images))
        energies: Tensor = self.fc3(functional.hardtanh(self.fc2(hidden)))  # (N, 1)
        return energies.squeeze(1)


def flip(answers: Tensor) -> Tensor:
    """Return the same values with the gradient negated."""
    return 2 * answers.detach() - answers


def contrast(energy: Energy, images: Tensor, completed: Tensor, noise: Tensor | None = None) -> Tensor:
    """Compute the mean of softplus(E(x) − E(x̂)), in nats, for images and completed images (N, 784).

    `noise` (2N, 784) is added to the energy net's inputs: its first half to `images`, its second to `completed`.
    """
    both = torch.cat([images, completed])  # (2N, 784)
    real, made = energy(both if noise is None else both + noise).float().chunk(2)
    return functional.softplus(real - made).mean()


def holes(n: int, generator: torch.Generator) -> Tensor:
    """Draw masks (N, 1, 28, 28), True in a patch of 6 × 6 with a corner uniform on 7 … 15 in both directions."""
    corners = CORNER + torch.randint(-REACH, REACH + 1, (2, n, 1), generator=generator)  # rows, columns
    inside = (torch.arange(28) >= corners) & (torch.arange(28) < corners + HOLE)  # (2, N, 28)
    return (inside[0, :, :, None] & inside[1, :, None, :]).unsqueeze(1)


@dataclass(frozen=True)
class Recipe:
    """Settings of a generator's training."""

    name: str
    title: str
    epochs: int
    batch: int
    rate: float
    """Learning rate of the one SGD optimiser."""
    ratio: float = 1.0
    """Learning rate of the generator, relative to the energy net's."""
    examples: int | None = None
    """Number of training images, from the first; all if None."""
    noise: float = 0.0
    """Standard deviation of the noise added to the energy net's inputs."""
    in_hole: bool = False
    """Add the noise to the missing pixels only, rather than to all."""
    loss: Literal["energy", "mse"] = "energy"
    overshoot: float = 0.0
    """Weight of the squared distance by which the generator's outputs leave [−1, 1] before they are clipped, summed
    over the hole: where they are clipped, the contrast has no gradient that would bring them back."""
    momentum: float = 0.0
    cycle: bool = False
    """Use one learning-rate cycle rather than a constant rate."""
    decay: float = 0.0
    """Decay of the moving average of the generator's weights; 0 keeps the last ones."""


NOISE = Recipe("ebl-noise", "EBL, first published setting", 39, 25, 0.05, examples=2500, noise=1.0)
PLAIN = Recipe("ebl-plain", "EBL, second published setting", 100, 100, 0.05, examples=10_000)
"""The sheet's two settings as they were published."""
MSE = Recipe(
    "ebl-mse",
    "EBL's generator, trained on squared error",
    10,
    100,
    0.05,
    loss="mse",
    momentum=0.9,
    cycle=True,
    decay=0.99,
)
"""No energy: the best that this network can reach."""
TUNED = Recipe(
    "ebl",
    "Energy-based learning, tuned",
    10,
    100,
    0.4,
    ratio=0.25,
    noise=3.0,
    in_hole=True,
    overshoot=0.1,
    cycle=True,
    decay=0.995,
)
"""Strong noise in the hole blurs both distributions until the energy net sees little but the difference of their means
given the known pixels; it learns four times as fast as the generator, which therefore follows a settled energy to where
that difference is zero, the conditional mean, rather than circling around it (Heusel et al. 2017, arXiv:1706.08500)."""
RECIPES = (TUNED, NOISE, PLAIN, MSE)


class Training(Averaged[Generator]):
    """Trains by SGD on the contrast, or on the squared error in the hole."""

    architecture = "ebl"
    options: Mapping[str, str] = {}

    def __init__(self, recipe: Recipe, seed: int = 1, width: int = 1024) -> None:
        self.name = recipe.name
        self.title = recipe.title
        self.recipe = recipe
        self.seed = seed
        self.epochs, self.batch, self.examples = recipe.epochs, recipe.batch, recipe.examples
        self.model, self.energy = Generator(width), Energy(width)
        generator = generator_for("weights", recipe.name, seed)
        draw_linear_layers(self.model, generator)
        draw_linear_layers(self.energy, generator)
        self.averaged = Generator(width)
        self.averaged.load_state_dict(self.model.state_dict())
        groups = [{"params": list(self.model.parameters()), "lr": recipe.rate * recipe.ratio}]
        if recipe.loss == "energy":
            groups.append({"params": list(self.energy.parameters()), "lr": recipe.rate})
        self.optimizer = torch.optim.SGD(groups, recipe.rate, recipe.momentum)

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28) in [0, 1]; return the contrast in nats and the error in the hole."""
        recipe = self.recipe
        if recipe.cycle:
            for group, ratio in zip(self.optimizer.param_groups, (recipe.ratio, 1), strict=False):
                group["lr"] = recipe.rate * ratio * one_cycle(progress)
        mask = holes(len(images), generator).flatten(1)
        whole = (2 * images - 1).flatten(1)  # (B, 784)
        corrupted = whole.masked_fill(mask, 0.0)
        with fast_products():
            unclipped = self.model.unclipped(corrupted).float()
        made = functional.hardtanh(unclipped)
        error = (made - whole)[mask].square().mean() / 4
        losses = {"masked MSE": error.item()}
        loss = 4 * error
        if recipe.loss == "energy":
            completed = torch.where(mask, flip(made), corrupted)
            with fast_products():
                loss = contrast(self.energy, whole, completed, self._noise(mask, generator))
            losses = {"contrast": loss.item(), **losses}
            beyond = (unclipped - made)[mask].square().sum() / len(images)
            loss = loss + recipe.overshoot * beyond
            losses["overshoot"] = beyond.item()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        average(self.averaged, self.model, recipe.decay)
        return losses

    def _noise(self, mask: Tensor, generator: torch.Generator) -> Tensor | None:
        if not self.recipe.noise:
            return None
        drawn = self.recipe.noise * torch.randn(2 * len(mask), PIXELS, generator=generator)
        return drawn * mask.repeat(2, 1) if self.recipe.in_hole else drawn

    def _parts(self) -> dict[str, Any]:
        return super()._parts() | {"energy": self.energy}


def adapt(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, int], list[str]]:
    """Find the generator's three layers under any names and nesting, and read off their width.

    The shape of the last layer tells the generator from an energy net in the same checkpoint.
    """
    layers = [name.rpartition(".")[0] for name, array in arrays.items() if _is_layer(name, array)]
    weights = {layer: arrays[_named(layer, "weight")] for layer in layers}
    found = list(_chains(layers, weights))
    if not found:
        shapes = ", ".join(f"{_named(layer, 'weight')} {weights[layer].shape}" for layer in layers[:8]) or "none"
        raise ValueError(
            "has no generator 784-h-h-784, which is three consecutive layers with weights (h, 784), (h, h), (784, h); "
            f"its layers are: {shapes}."
        )
    # Of several candidates, prefer one named a generator.
    chosen = max(found, key=lambda chain: "gen" in chain[0].lower())
    width = len(weights[chosen[0]])
    if width > WIDEST:
        raise ValueError(f"its hidden layers have {width} units; at most {WIDEST} are allowed.")
    state: dict[str, np.ndarray] = {}
    for ours, layer in zip(("fc1", "fc2", "fc3"), chosen, strict=True):
        if _named(layer, "bias") not in arrays:
            raise ValueError(f"has no {_named(layer, 'bias')}, which its generator needs.")
        state[f"{ours}.weight"], state[f"{ours}.bias"] = weights[layer], arrays[_named(layer, "bias")]
    notes = []
    if chosen != ("fc1", "fc2", "fc3"):
        notes.append(f"The generator was taken from {', '.join(chosen)}.")
    if len(found) > 1:
        notes.append(f"The layers {', '.join(found[1] if chosen == found[0] else found[0])} would also fit.")
    return state, {"width": width}, notes


def _is_layer(name: str, array: np.ndarray) -> bool:
    return array.ndim == 2 and name.rpartition(".")[2] == "weight"


def _named(layer: str, part: str) -> str:
    return f"{layer}.{part}" if layer else part


def _chains(layers: list[str], weights: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str, str]]:
    """Yield each three consecutive layers of the file with the shapes of a generator."""
    for first, second, third in zip(layers, layers[1:], layers[2:], strict=False):
        width = len(weights[first])
        shapes = weights[first].shape, weights[second].shape, weights[third].shape
        if shapes == ((width, PIXELS), (width, width), (PIXELS, width)):
            yield first, second, third


ARCHITECTURE = Architecture(
    title="Energy-based learning, generator",
    summary="Inpainting of a patch by a generator trained against an energy",
    task="patch-inpainting",
    checkpoint_key="model",
    module=Generator,
    adapt=adapt,
    trainings={recipe.name: partial(Training, recipe) for recipe in RECIPES},
)
