"""Training of one member of the judge: distorted digits, one learning-rate cycle, averaged weights.

The recipe is fixed here and all randomness follows from one seed, so that training a member again gives
the same figures. Choices were made on the last 5,000 training images, which no member is trained on; the test
set is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from classifiers import outliers
from classifiers.network import NETWORKS, channels_last, initialise
from reference.augment import Distortion, coarsen, distort
from reference.precision import fast_products
from reference.seeding import generator_for
from reference.train import Resumable, average

HELD_OUT = 5_000
"""Training images, the last ones, on which no member is trained."""

DISTORTIONS = {
    "std": Distortion(),
    "heavy": Distortion(rotation=20, log_scale=0.16, shear=0.2, shift=3.0, elastic=1.1),
    "pens": Distortion(rotation=18, log_scale=0.15, shear=0.2, shift=3.0, elastic=1.0, thickness=0.6),
    "shifted": Distortion(rotation=20, log_scale=0.12, shear=0.15, shift=4.5, elastic=0.8),
}
"""Strengths of the distortion by name; members trained with different ones make different errors."""


@dataclass(frozen=True)
class Recipe:
    """Settings that determine a member's weights, together with the training data."""

    network: str
    """A key of `classifiers.network.NETWORKS`."""
    seed: int = 1
    epochs: int = 40
    distortion: str = "std"
    """A key of `DISTORTIONS`."""
    batch: int = 128
    rate: float = 4e-3
    """Peak learning rate of the one-cycle schedule (Smith and Topin 2019, arXiv:1708.07120)."""
    weight_decay: float = 0.02
    smoothing: float = 0.03
    """Label smoothing (Szegedy et al. 2016, arXiv:1512.00567)."""
    dropout: float = 0.3
    """Share of penultimate features dropped at each step."""
    outliers: int = 8
    """Number of non-digits in each step, for which the target is the uniform distribution."""
    exposure: float = 0.06
    """Weight of the outliers' cross-entropy with the uniform distribution, about that of a digit. Ten times as much
    made the judge unsure of unusual digits, and cost .3 % of accuracy."""
    doubt: float = 0.0
    """Least probability of the label with which a distorted digit counts after the first third of the training: a few
    of MNIST's training labels are wrong, and a distortion may spoil a digit."""
    decay: float = 0.998
    """Decay per step of the exponential moving average of the weights, which is the result."""

    @property
    def name(self) -> str:
        """Name of the member: its network, and its distortions unless they are the usual ones."""
        return self.network if self.distortion == "std" else f"{self.network}-{self.distortion}"


COMMITTEE = (
    Recipe("three", epochs=40),
    Recipe("three", epochs=40, distortion="heavy"),
    Recipe("residual", epochs=40),
    Recipe("residual", epochs=45, distortion="pens", doubt=0.01),
    Recipe("unpooled5", epochs=100, distortion="shifted", doubt=0.01),
)
"""The public judge's members; the first one is asked first, and provides the features."""


def split(images: Tensor, labels: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Divide training images (N, 1, 28, 28) and labels (N,) into a fitting and a held-out part.

    The held-out part is the last 5,000 images, or the last twelfth of fewer than 60,000.
    """
    held_out = min(HELD_OUT, len(images) // 12)
    return (images[:-held_out], labels[:-held_out]), (images[-held_out:], labels[-held_out:])


class Training(Resumable):
    """Training of one member (a `reference.train.Training`).

    Parameters
    ----------
    examples : number of training images, which determines the length of the schedule
    """

    def __init__(self, recipe: Recipe, examples: int) -> None:
        self.recipe = recipe
        self.name = f"{recipe.network}-{recipe.distortion}"
        self.seed, self.epochs, self.batch = recipe.seed, recipe.epochs, recipe.batch
        self.network = NETWORKS[recipe.network]()
        initialise(self.network, generator_for("weights", recipe.network, recipe.seed))
        self.network = channels_last(self.network)
        self.averaged = channels_last(NETWORKS[recipe.network]())
        self.averaged.load_state_dict(self.network.state_dict())
        self.averaged.eval()
        # Weight decay applies to weights, not to biases and batch norm's scales.
        groups = [
            {"params": [p for p in self.network.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in self.network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.rate)
        steps = examples // recipe.batch * recipe.epochs
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.rate, total_steps=steps, pct_start=0.2
        )
        self.steps = 0

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28), labels (B,); return the cross-entropies in nats."""
        self.network.train()
        distorted = coarsen(distort(images, generator, DISTORTIONS[self.recipe.distortion]), generator)
        strange = outliers.draw(distorted[: self.recipe.outliers], generator)
        shown = torch.cat([distorted, strange]).contiguous(memory_format=torch.channels_last)
        with fast_products():
            features = self.network.features(shown).float()  # (B + outliers, width)
        mask = torch.rand(features.shape, generator=generator) >= self.recipe.dropout
        logits = self.network.head(features * mask / (1 - self.recipe.dropout))
        of_digits, of_strange = logits[: len(labels)], logits[len(labels) :]
        kept = self.believed(of_digits.detach(), labels, progress)
        loss = functional.cross_entropy(of_digits[kept], labels[kept], label_smoothing=self.recipe.smoothing)
        surprise = -of_strange.log_softmax(1).sum() / max(of_strange.numel(), 1)
        self.optimizer.zero_grad()
        (loss + self.recipe.exposure * surprise).backward()
        self.optimizer.step()
        self.schedule.step()
        self.steps += 1
        # The average warms up with the training, so that it forgets early weights quickly.
        average(self.averaged, self.network, min(self.recipe.decay, self.steps / (self.steps + 20)))
        return {"cross-entropy": loss.item(), "outliers": surprise.item()}

    def believed(self, logits: Tensor, labels: Tensor, progress: float) -> Tensor:
        """Select the labels (N,) to learn from, bool (N,), by `Recipe.doubt`.

        All of them in the first third of the training, or if none would be left.
        """
        given = logits.softmax(1).gather(1, labels[:, None]).squeeze(1)
        believed = given >= self.recipe.doubt
        return believed | bool(progress < 1 / 3 or not believed.any())

    def state(self) -> dict[str, Any]:
        """Return weights, their average, optimiser and schedule."""
        return super().state() | {"steps": self.steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state()` returned."""
        super().load_state(state)
        self.steps = state["steps"]

    def _parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "averaged": self.averaged,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }


@torch.inference_mode()
def logits_of(network: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """Compute logits (N, 10) of images (N, 1, 28, 28), in batches."""
    return torch.cat([network(part) for part in torch.split(images, batch)])
