"""Half inpainting: the bottom half of a digit is replaced by coin flips (Tsinghua, Deep Learning, homework 3, flow)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.tasks.base import Baseline, Context
from harness.tasks.inpainting import baselines
from harness.tasks.inpainting.base import Inpainting, intervals, plausibility
from harness.tasks.inpainting.corruption import Corrupted, coin_flips
from harness.types import Images, Metric, Question

if TYPE_CHECKING:
    import torch

IMAGES, EXTENDED = 100, 1000
"""Test images that the coursework asks about, and of the longer task with narrower intervals."""


class HalfInpainting(Inpainting):
    """The bottom half, pixels 392 … 783, filled with coin flips."""

    name = "half-inpainting"
    title = "Half inpainting"
    summary = "recover the bottom half of a digit; mean squared error over the missing half"
    primary = "masked_mse"
    baselines: Mapping[str, Baseline] = baselines.HALF
    beside = ("plausibility", "masked_mse_training")
    batch = 100
    # A flow of 40 million parameters takes a minute for 1,000 steps on one small batch.
    repeated = 6
    altered = 32
    too_good = 0.02  # half of the best reference's
    tried = 6
    small_batch = 6
    deadline = 1200.0

    images: int | None = IMAGES

    def corrupt(self, originals: Images, generator: torch.Generator) -> Corrupted:
        """Fill the bottom half with coin flips."""
        return coin_flips(originals, generator)

    def further_questions(self, context: Context) -> Sequence[Question]:
        """The starter's own question: the first 100 training images."""
        return [self.ask(self._training(context), self.batch, optional=True)]

    def _training(self, context: Context) -> Corrupted:
        originals = context.data.train.images[:IMAGES]
        return self.corrupt(originals, context.generator(self.name, "training images"))

    def metrics(self, context: Context, images: Images, case: Corrupted) -> dict[str, Metric]:
        """Beside the errors, how many completed images show the right digit."""
        return super().metrics(context, images, case) | {"plausibility": plausibility(context, images, case)}

    def further_metrics(self, context: Context, answers: Sequence[Images | None]) -> dict[str, Metric]:
        """The error on training images, which a model may have seen."""
        if answers[0] is None:
            return {}
        errors = self.errors(answers[0], self._training(context))
        return intervals({"masked_mse_training": ("masked MSE training", errors)})


class ExtendedHalfInpainting(HalfInpainting):
    """The same of 1,000 test images: ten times the work, and intervals of a third of the width."""

    name = "half-inpainting-extended"
    title = "Half inpainting, 1,000 images"
    summary = "half-inpainting of 1,000 images rather than 100, for narrower intervals"
    images = EXTENDED
    deadline = 4800.0
