"""Trainings of models with codes, which differ in their networks, losses and a few numbers: Adam along a cosine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.code_size import EXAMPLES, PIXELS
from reference.precision import fast_products
from reference.seeding import draw_linear_layers, generator_for
from reference.train import Averaged, average, cosine, set_rate

Model = TypeVar("Model", bound=nn.Module)


class CodeTraining(Averaged[Model]):
    """Base of trainings by Adam, the learning rate along a cosine; the averaged weights are kept.

    A subclass sets `name`, which seeds the initial values, and `seed`, then calls `_begin`; its step calls `_update`.
    """

    name: str
    seed: int
    examples = EXAMPLES
    batch = 128
    rate = 1e-3
    decay = 0.999

    def _begin(self, build: Callable[[], Model]) -> None:
        """Build the network with its initial values, its average and its optimiser."""
        self.model = build()
        draw_linear_layers(self.model, generator_for("weights", self.name, self.seed))
        self.averaged = build()
        self.averaged.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.Adam(self.model.parameters(), self.rate, fused=True)

    def _update(self, loss: Tensor, progress: float) -> None:
        """Descend a step on a loss, and follow with the average."""
        set_rate(self.optimizer, self.rate * cosine(progress))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        average(self.averaged, self.model, self.decay)


class Autoencoder(Protocol):
    """A network whose pixels have logits."""

    def encode(self, images: Tensor) -> Tensor:
        """Compute codes (N, k) of images (N, 1, 28, 28) in [0, 1]."""

    def logits(self, codes: Tensor) -> Tensor:
        """Compute the pixels (N, 784) before their activation, for codes (N, k)."""


def cross_entropy(model: Autoencoder, images: Tensor) -> Tensor:
    """Compute the cross-entropy of reconstructions with gray values as targets, nats a pixel, for (B, 1, 28, 28)."""
    with fast_products():
        logits = model.logits(model.encode(images))
    return functional.binary_cross_entropy_with_logits(logits.float(), images.flatten(1))


class CrossEntropyTraining(CodeTraining[Model]):
    """Base of trainings of autoencoders on the cross-entropy with gray values as targets."""

    model: Model

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28); return the cross-entropy, nats a pixel."""
        loss = cross_entropy(self.model, images)  # type: ignore[arg-type]  # a module with these two methods
        self._update(PIXELS * loss, progress)
        return {"cross-entropy": loss.item()}
