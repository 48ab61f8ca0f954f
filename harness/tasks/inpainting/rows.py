"""Row inpainting: every other row of a digit is noisy (Tsinghua, Deep Learning, homework 3, energy-based model).

Unlike the starter's loader, which drops the last 16, all test images are asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.metrics.squared_error import squared_error
from harness.tasks.base import Baseline, Context
from harness.tasks.inpainting import baselines
from harness.tasks.inpainting.base import UNIT, Inpainting
from harness.tasks.inpainting.corruption import Corrupted, noisy_rows
from harness.types import Images, Metric

if TYPE_CHECKING:
    import torch


class RowInpainting(Inpainting):
    """Rows 0, 2 … 26 with normal noise, clipped to [0, 1]; the error is over all 784 pixels."""

    name = "row-inpainting"
    title = "Row inpainting"
    summary = "recover every other row from noise; mean squared error over the whole image"
    primary = "mse"
    baselines: Mapping[str, Baseline] = baselines.ROW
    beside = ("mse_std", "masked_mse")
    batch = 500
    repeated = 200
    small_batch = 40
    deadline = 3600.0
    too_good = 0.0014  # half of the best reference's
    time_reference = "ebm"

    def corrupt(self, originals: Images, generator: torch.Generator) -> Corrupted:
        """Add 0.3 · N(0, 1) to the even rows and clip."""
        return noisy_rows(originals, generator)

    def errors(self, images: Images, case: Corrupted) -> NDArray[np.float64]:
        """The mean squared error of each image over all its pixels (N,), as the coursework has it."""
        return squared_error(images, case.originals)

    def metrics(self, context: Context, images: Images, case: Corrupted) -> dict[str, Metric]:
        """Beside the errors, the coursework's figures: standard deviation, least and largest error of an image."""
        metrics = super().metrics(context, images, case)
        spread = {}
        for name, shown in (("mse", images), ("mse_corrupted", case.shown)):
            errors = self.errors(shown, case)
            for statistic, value in (("std", errors.std(ddof=1)), ("min", errors.min()), ("max", errors.max())):
                title = f"{metrics[name].title} {statistic}"
                spread[f"{name}_{statistic}"] = Metric(float(value), UNIT, "lower", len(errors), title=title)
        # The primary metric's own figures first.
        return {"mse": metrics["mse"]} | spread | metrics
