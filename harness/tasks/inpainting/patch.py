"""Patch inpainting: a 6 × 6 patch near the middle of a digit is grayed out (TU Berlin, Machine Learning 2, sheet 10).

The coursework's pixels lie in [−1, 1], where gray is 0; here it is 0.5, and our error is a quarter of the coursework's.
The sheet asks for plausible digits, so the judge's label of the completed image stands beside the error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.evidence.copies_input import patch_left_in
from harness.tasks.base import Baseline, Context
from harness.tasks.inpainting import baselines
from harness.tasks.inpainting.base import Inpainting, plausibility
from harness.tasks.inpainting.corruption import Corrupted, gray_patches
from harness.types import Evidence, Images, Metric, Question

if TYPE_CHECKING:
    import torch

PROBED = 200
"""Training images that are shown with the patch left in."""


class PatchInpainting(Inpainting):
    """A gray 6 × 6 patch, shifted by up to four pixels in either direction; all test images."""

    name = "patch-inpainting"
    title = "Patch inpainting"
    summary = "recover a gray 6 × 6 patch; mean squared error over the missing pixels"
    primary = "masked_mse"
    baselines: Mapping[str, Baseline] = baselines.PATCH
    beside = ("masked_mse_coursework", "plausibility")
    batch = 500
    repeated = 200
    small_batch = 40
    deadline = 600.0
    too_good = 0.017  # half of the best reference's
    time_reference = "ebl"

    def corrupt(self, originals: Images, generator: torch.Generator) -> Corrupted:
        """Gray out a patch."""
        return gray_patches(originals, generator)

    def further_questions(self, context: Context) -> Sequence[Question]:
        """Training images with the patch left in: a model that was trained on clean images gives it back."""
        return [replace(self.ask(self._probe(context), self.batch), sitting=1)]

    def _probe(self, context: Context) -> Corrupted:
        originals = context.data.train.images[:PROBED]
        mask = self.corrupt(originals, context.generator(self.name, "probe")).mask
        return Corrupted(originals, originals, mask)

    def metrics(self, context: Context, images: Images, case: Corrupted) -> dict[str, Metric]:
        """Beside the errors, the coursework's own figure, and how many completed images show the right digit."""
        metrics = super().metrics(context, images, case)
        ours = metrics["masked_mse"]
        # Pixels twice as far apart: errors four times as large.
        value, low, high = (None if end is None else 4 * end for end in (ours.value, ours.low, ours.high))
        unit = "squared value in [-1, 1]"
        return metrics | {
            "masked_mse_coursework": Metric(value, unit, "lower", ours.n, low, high, title="masked MSE coursework"),
            "plausibility": plausibility(context, images, case),
        }

    def copies_input(
        self, context: Context, images: Images, case: Corrupted, answers: Sequence[Images | None]
    ) -> Evidence:
        """Gray is one value, so copying shows where the patch is left in: the error almost vanishes."""
        probe = self._probe(context)
        if answers[0] is None:
            raise ValueError("the probe is not optional")
        return patch_left_in(self.errors(images, case), self.errors(answers[0], probe), self.errors(case.shown, case))
