"""Patch inpainting: a 6 × 6 patch near the middle of a digit is grayed out (TU Berlin, Machine Learning 2, sheet 10).

The coursework's pixels lie in [−1, 1], where gray is 0; here it is 0.5, and our error is a quarter of the coursework's.
The sheet asks for plausible digits, so the judge's label of the completed image stands beside the error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from harness.tasks.base import Baseline, Context
from harness.tasks.inpainting import baselines
from harness.tasks.inpainting.base import Inpainting, plausibility
from harness.tasks.inpainting.corruption import Corrupted, Images, gray_patches
from harness.types import Evidence, Metric, Question

PROBED = 200
"""Training images that are shown with the patch left in."""
LEAST_RATIO = 0.3
"""Error with the patch left in, over that with the patch grayed out, below which a model copies what it is shown.
Of generators that were trained right it is .27 to .96, of ones trained on clean images .10 to .27."""
LEAST_ERROR = 0.5
"""Share of the gray patch's own error that a copier's exceeds; a generator that was trained right does not."""


class PatchInpainting(Inpainting):
    """A gray 6 × 6 patch, shifted by up to four pixels in either direction; all test images."""

    name = "patch-inpainting"
    title = "Patch inpainting"
    summary = "recover a gray 6 × 6 patch; mean squared error over the missing pixels"
    primary = "masked_mse"
    models: tuple[str, ...] = ("pca", "ebl")
    baselines: Mapping[str, Baseline] = baselines.PATCH
    batch = 500
    repeated = 200
    small_batch = 40
    deadline = 600.0

    def corrupt(self, originals: Images, generator: torch.Generator) -> Corrupted:
        """Gray out a patch."""
        return gray_patches(originals, generator)

    def further_questions(self, context: Context) -> Sequence[Question]:
        """Training images with the patch left in: a model that was trained on clean images gives it back."""
        return [self.ask(self._probe(context), self.batch)]

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
            "masked_mse_coursework": Metric(value, unit, "lower", ours.n, low, high),
            "plausibility": plausibility(context, images, case),
        }

    def copies_input(
        self, context: Context, images: Images, case: Corrupted, answers: Sequence[Images | None]
    ) -> Evidence:
        """Gray is one value, so copying shows where the patch is left in: the error almost vanishes."""
        probe = self._probe(context)
        if answers[0] is None:
            raise ValueError("the probe is not optional")
        error = float(self.errors(images, case).mean())
        left_in = float(self.errors(answers[0], probe).mean())
        of_gray = float(self.errors(case.shown, case).mean())
        ratio = left_in / error if error > 0 else 1.0
        flag = ratio < LEAST_RATIO and error > LEAST_ERROR * of_gray
        message = f"Shown training images with the patch left in, the model has an error of {left_in:.4f} there"
        message += f", against {error:.4f} with the patch grayed out"
        if flag:
            message += (
                ": it gives back what it is shown, as a generator does that was trained on clean images, or a "
                "projection on many components"
            )
        return Evidence("copies-input", flag, ratio, LEAST_RATIO, None, message + ".")
