"""Defines the tasks of this coursework: what models are asked, and how their answers are marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from harness.metrics.mean_interval import mean_interval
from harness.metrics.pictures import grid
from harness.metrics.squared_error import squared_error
from harness.tasks.base import Baseline, Context
from harness.types import Answer, ArraySpec, Entry, Figure, Gate, Marks, Metric, Question

ASKED = 500
"""Test images."""
NOISY = 0.1
"""Share of pixels that are set to black or white."""


class SaltAndPepper:
    """`clean(images) -> images`: one pixel in ten is black or white; recover the digit."""

    name = "salt-and-pepper"
    title = "Salt and pepper"
    summary = "recover digits of which one pixel in ten is black or white; mean squared error"
    protocol = 1
    primary = "mse"
    gates: tuple[str, ...] = ("range",)
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline] = {}

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """All noisy images, in batches of 100."""
        noisy = self._noisy(context)
        return [Question("clean", {"images": noisy}, {"images": ArraySpec(noisy.shape)}, batch=100)]

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """The mean squared error, and whether all values lie in [0, 1]."""
        cleaned = answers[0]["images"]
        errors = squared_error(cleaned, context.data.test.images[:ASKED])
        low, high = mean_interval(errors)
        error = Metric(float(errors.mean()), "squared gray value", "lower", len(errors), low, high, title="MSE")
        inside = bool((cleaned >= 0).all() and (cleaned <= 1).all())
        shown = np.stack([self._noisy(context)[:10, 0], cleaned[:10, 0]])  # (2, 10, 28, 28)
        picture = Figure(
            "cleaned",
            "picture",
            "Cleaned digits",
            {"pixels": grid(shown)},
            caption="Ten digits as they were shown, and below as the model cleaned them.",
            strip=(0.0, 1.0),
        )
        marks = Marks(
            {"mse": error},
            self.primary,
            figures=(picture,),
            gates={"range": Gate(inside, "values in [0, 1]")},
            scores=errors,
        )
        return marks, []

    def _noisy(self, context: Context) -> np.ndarray:
        images = context.data.test.images[:ASKED]
        generator = context.generator(self.name, "noise")
        hit = torch.rand(images.shape, generator=generator).numpy() < NOISY
        value = torch.randint(2, images.shape, generator=generator).numpy().astype(np.float32)
        return np.where(hit, value, images)


TASKS = {"salt-and-pepper": SaltAndPepper}
