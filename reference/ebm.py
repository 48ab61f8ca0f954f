"""Energy-based model of the Tsinghua coursework (Deep Learning, homework 3): contrastive divergence and Langevin.

Hinton 2002 ("Training products of experts by minimizing contrastive divergence"); the replay buffer and the penalty on
energies are those of Du and Mordatch 2019, arXiv:1903.08689. p(x) ∝ exp(−E(x)), E(x) = −f(x), where f is the
coursework's `MlpBackbone((1, 28, 28), 512)`: fc1 … fc4, leaky ReLU of slope .01. Langevin dynamics samples from it by
x ← x − step · ∇E(x) + noise · N(0, I); inpainting moves the corrupted pixels only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.architecture import Architecture
from reference.langevin import PartialSlope, descend
from reference.options import Number, Values
from reference.precision import fast_products
from reference.seeding import draw_linear_layers, generator_for
from reference.train import Averaged, average, one_cycle, set_rate

PIXELS = 784
SLOPE = 0.01
"""Slope of the leaky ReLU for negative values: torch's default, which the coursework uses."""
BUFFER = 10_000
"""Chains in the replay buffer."""
KEPT = 0.95
"""Share of the chains that continue from the replay buffer; the others start from noise."""

OPTIONS: Mapping[str, Values] = {
    "energy_sign": ("minus", "plus"),
    "steps": Number(60, 1, 200, integer=True),
    "step_size": Number(10, 0, 10_000),
    "decay": Number(1, 0, 1),
    "noise": Number(0.005, 0, 1),
}
"""Sign of the energy and Langevin settings; the coursework's are the defaults."""


class EBM(nn.Module):
    """Energy E(x) = ∓f(x) with the coursework's fully connected f.

    Parameters
    ----------
    energy_sign : "minus" for E = −f, as in the coursework, or "plus" for E = f
    steps, step_size, decay, noise : Langevin settings of `inpaint`; step t has size step_size · decayᵗ and noise
        of standard deviation noise · decayᵗ
    hidden : units of each of the three hidden layers
    """

    def __init__(
        self,
        energy_sign: str = "minus",
        steps: float = 60,
        step_size: float = 10.0,
        decay: float = 1.0,
        noise: float = 0.005,
        hidden: int = 512,
    ) -> None:
        super().__init__()
        self.sign = -1.0 if energy_sign == "minus" else 1.0
        self.steps, self.step_size, self.decay, self.noise = int(steps), step_size, decay, noise
        self.fc1 = nn.Linear(PIXELS, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, hidden)
        self.fc4 = nn.Linear(hidden, 1)

    def energy(self, images: Tensor) -> Tensor:
        """Compute E (N,) of images (N, 784) or (N, 1, 28, 28) in [0, 1]."""
        hidden = images.flatten(1)
        for layer in (self.fc1, self.fc2, self.fc3):
            hidden = functional.leaky_relu(layer(hidden), SLOPE)
        energies: Tensor = self.sign * self.fc4(hidden).squeeze(1)
        return energies

    def slope(self, images: Tensor, sharpness: float | None = None, straight: bool = False) -> Tensor:
        """Compute ∇E (N, 784) at images (N, 784) in closed form: six matrix products, differentiable by the weights.

        With a `sharpness` β, the slope of the activation goes from .01 to 1 as a sigmoid(βz) rather than at once, which
        is the gradient of an energy with softened kinks. With `straight`, values are the leaky ReLU's own and
        the sigmoid gives only their derivative (the straight-through estimator, Bengio et al. 2013, arXiv:1308.3432).
        """
        hidden, slopes = images, []
        for layer in (self.fc1, self.fc2, self.fc3):
            before = layer(hidden).float()
            slope = torch.where(before > 0, 1.0, SLOPE)
            hidden = functional.leaky_relu(before, SLOPE)
            if sharpness is not None:
                soft = SLOPE + (1 - SLOPE) * torch.sigmoid(sharpness * before)
                slope = slope + soft - soft.detach() if straight else soft
                if not straight:
                    hidden = SLOPE * before + (1 - SLOPE) * functional.softplus(before, sharpness)
            slopes.append(slope)
        back = slopes[2] * self.fc4.weight  # (N, hidden)
        back = (back @ self.fc3.weight).float() * slopes[1]
        back = (back @ self.fc2.weight).float() * slopes[0]
        return self.sign * (back @ self.fc1.weight).float()

    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Restore images (N, 1, 28, 28) in [0, 1] where `mask` is True (corrupted), by Langevin dynamics.

        All images share the noise, so that an answer depends neither on the batch nor on the order.
        """
        generator = generator_for("ebm", "inpaint")
        moving, pixels = mask.flatten(1), images.flatten(1)
        factors = [self.decay**t for t in range(self.steps)]
        with torch.no_grad():
            columns = moving.any(0).nonzero().squeeze(1)
            noises: list[Tensor | None] = [None] * self.steps
            if self.noise:
                drawn = [torch.randn(1, PIXELS, generator=generator) for _ in factors]
                noises = [
                    self.noise * factor * noise.index_select(1, columns)
                    for factor, noise in zip(factors, drawn, strict=True)
                ]
            layers = (self.fc1, self.fc2, self.fc3, self.fc4)
            slope = PartialSlope(layers, self.sign, SLOPE, pixels, columns)
            start, moves = pixels.index_select(1, columns), moving.index_select(1, columns)
            ends = descend(slope, start, moves, [self.step_size * factor for factor in factors], noises)
            return pixels.index_copy(1, columns, ends).view_as(images)


def langevin_step(pixels: Tensor, slope: Tensor, step_size: float, noise: Tensor) -> Tensor:
    """Take one step, x − step · ∇E(x) + noise, clipped to [0, 1]; all (N, 784) or broadcastable to it."""
    return (pixels - step_size * slope + noise).clamp(0, 1)


def langevin(
    model: EBM, pixels: Tensor, steps: int, step_size: float, noise: float, generator: torch.Generator
) -> Tensor:
    """Run chains (N, 784) from `pixels` for a number of steps, moving every pixel."""
    with torch.no_grad(), fast_products():
        for _ in range(steps):
            drawn = noise * torch.randn(pixels.shape, generator=generator)
            pixels = langevin_step(pixels, model.slope(pixels), step_size, drawn)
    return pixels


def corrupted_rows(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Add the coursework's noise to rows 0, 2 … 26 of images (N, 784) and clip them; also return the mask (784,)."""
    mask = torch.zeros(28, 28, dtype=torch.bool)
    mask[0:27:2] = True
    rows = mask.flatten()
    noise = 0.3 * torch.randn(images.shape, generator=generator)
    return torch.where(rows, images + noise, images).clamp(0, 1), rows


class Training(Averaged[EBM]):
    """Algorithm 1 of the coursework: contrastive divergence with Langevin negatives; the averaged weights are kept.

    The loss is mean(E₊ − E₋) + α mean(E₊² + E₋²), E₊ the energies of images and E₋ of the chains' ends.
    """

    architecture = "ebm"
    title = "Energy-based model, contrastive divergence"
    epochs = 3
    batch = 128
    rate = 3e-4
    steps, step_size, noise = 40, 10.0, 0.005
    penalty = 1.0
    decay = 0.99
    hidden = 512
    options: Mapping[str, str] = {"energy_sign": "minus", "steps": "60", "step_size": "15", "noise": "0"}

    def __init__(self, seed: int = 1) -> None:
        self.name = "ebm"
        self.seed = seed
        self.model = _initialised(self.name, seed, self.hidden)
        self.averaged = EBM(hidden=self.hidden)
        self.averaged.load_state_dict(self.model.state_dict())
        self.buffer = torch.rand(BUFFER, PIXELS, generator=generator_for("buffer", self.name, seed))
        self.optimizer = torch.optim.Adam(self.model.parameters(), self.rate)

    def negatives(self, n: int, generator: torch.Generator) -> Tensor:
        """Run n chains, most of them from the replay buffer; return their ends (n, 784), which the buffer keeps."""
        rows = torch.randint(BUFFER, (n,), generator=generator)
        fresh = torch.rand(n, 1, generator=generator) > KEPT
        start = torch.where(fresh, torch.rand(n, PIXELS, generator=generator), self.buffer[rows])
        ends = langevin(self.model, start, self.steps, self.step_size, self.noise, generator)
        self.buffer[rows] = ends
        return ends

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28); return the mean energies of the images and of the chains' ends."""
        negatives = self.negatives(len(images), generator)
        with fast_products():
            real, made = self.model.energy(torch.cat([images.flatten(1), negatives])).float().chunk(2)
        loss = (real - made).mean() + self.penalty * (real.square() + made.square()).mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        average(self.averaged, self.model, self.decay)
        return {"energy of images": real.mean().item(), "energy of chains": made.mean().item()}

    def state(self) -> dict[str, Any]:
        """Return weights, their average, optimiser state and replay buffer."""
        return super().state() | {"replay_buffer": self.buffer}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state()` returned."""
        super().load_state(state)
        self.buffer = state["replay_buffer"]


@dataclass(frozen=True)
class Softening:
    """Schedule of the sharpness of the activation's kinks in the denoiser's training.

    β grows from `first` to `last`; after the share `until` of the training the kinks are the leaky ReLU's own, and
    `straight` is the β of their derivative.
    """

    first: float = 5.0
    last: float = 40.0
    until: float = 0.5
    straight: float = 10.0

    def at(self, progress: float) -> tuple[float, bool]:
        """Return the arguments `sharpness` and `straight` of `EBM.slope` at this share of the training."""
        if progress > self.until:
            return self.straight, True
        return self.first * (self.last / self.first) ** (progress / self.until), False


class DenoisingTraining(Averaged[EBM]):
    """Trains the same network as a denoiser, by backpropagation through a few noiseless Langevin steps.

    ∇E of a network of leaky ReLUs is piecewise constant, so its kinks give the weights no gradient: see `Softening`.
    """

    architecture = "ebm"
    title = "Energy-based model, trained through its steps"
    epochs = 8
    batch = 128
    rate = 1e-3
    steps = 6
    decay = 0.99
    hidden = 512
    factor = 0.75
    options: Mapping[str, str] = {
        "energy_sign": "minus",
        "steps": str(steps),
        "step_size": "1",
        "decay": str(factor),
        "noise": "0",
    }

    def __init__(self, seed: int = 1) -> None:
        self.name = "ebm-denoise"
        self.seed = seed
        self.model = _initialised(self.name, seed, self.hidden)
        self.averaged = EBM(hidden=self.hidden)
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.Adam(self.model.parameters(), self.rate, betas=(0.9, 0.99))
        self.softening = Softening()

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28); return the mean squared error over all pixels."""
        set_rate(self.optimizer, self.rate * one_cycle(progress, 0.05))
        clean = images.flatten(1)
        pixels, rows = corrupted_rows(clean, generator)
        kinks = self.softening.at(progress)
        for t in range(self.steps):
            with fast_products():
                slope = self.model.slope(pixels, *kinks)
            # Not clipped, unlike inpainting: clipped values would have no gradient.
            pixels = torch.where(rows, pixels - self.factor**t * slope, pixels)
        loss = (pixels - clean).square().mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        average(self.averaged, self.model, self.decay)
        return {"MSE": loss.item()}


def _initialised(name: str, seed: int, hidden: int) -> EBM:
    """Construct a network with torch's own initial values, drawn for a recipe and a seed."""
    model = EBM(hidden=hidden)
    draw_linear_layers(model, generator_for("weights", name, seed))
    return model


ARCHITECTURE = Architecture(
    title="Energy-based model",
    summary="Inpainting of corrupted rows by Langevin dynamics on an energy",
    task="row-inpainting",
    checkpoint_key="model",
    module=EBM,
    options=OPTIONS,
    trainings={"ebm": Training, "ebm-denoise": DenoisingTraining},
)
