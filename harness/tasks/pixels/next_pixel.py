"""Next pixel: predict each pixel of a binarised digit from those before it (UCL, Deep Learning, homework 4, part 1).

Pixels are lit where they exceed .1, and read row by row. The score is the mean cross-entropy in nats a pixel over the
783 targets of all test images; the coursework's own figures are of single batches. Accuracy stands beside it and says
little: to repeat the last pixel is right 93.5 % of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.likeness import answers as likeness
from harness.metrics.binary_cross_entropy import cross_entropy
from harness.metrics.pictures import grid
from harness.tasks.altered import Probe, probe
from harness.tasks.base import INK, Baseline, Context, TimedQuestion, Trial, fresh_rows, gates
from harness.tasks.best_known import beyond_known
from harness.tasks.pixels import baselines
from harness.tasks.pixels.sequences import (
    TARGETS,
    Binary,
    Changed,
    Measured,
    batch_dependence,
    binarised,
    causality,
    changed,
    checked,
    means,
    remembered,
    trial,
)
from harness.types import Answer, Array, ArraySpec, Entry, Evidence, Figure, Marks, Metric, Question

if TYPE_CHECKING:
    import torch

COPIES = 300
"""Test images that are asked about again with their later pixels changed."""
REPEATED = 100
"""Test images that are asked about again in smaller batches."""
TRAINING = 10_000
"""Training images, drawn at random, for the figures on the training set; all 60,000 would take six times as long and
tell hardly more."""
ALTERED = 300
"""Test digits, and held-out training digits, that are asked about altered."""
BATCH, COPIES_BATCH, SMALL_BATCH = 500, 60, 20
DEADLINE = 900.0
DRAWN_NATS = 4.0
"""Surprise that is drawn white."""


class NextPixel:
    """`next_pixel_probabilities(binary (N, 784)) -> (N, 783)`, P(x_{t+1} = 1 | x_1 … x_t); or `start` and `step`."""

    name = "next-pixel"
    title = "Next pixel"
    summary = "predict each pixel from those before it; cross-entropy in nats a pixel"
    protocol = 1
    primary = "cross_entropy"
    gates: tuple[str, ...] = ("batch-dependence", "memorised-test-images")
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline] = baselines.NEXT_PIXEL
    time_reference = "pixel-lstm"
    time_batch = BATCH
    too_good = 0.05
    """Nats a pixel below which no honest model is known to come; two thirds of the best reference's."""

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """All test images and some training images; in a second sitting changed copies, some again in smaller batches,
        and altered digits.
        """
        images = binarised(context.data.test.images)
        checks = [
            ask(self._changed(context).copies, COPIES_BATCH),
            ask(images[self._again(context)], SMALL_BATCH),
            ask(binarised(self._probe(context).images), BATCH),
        ]
        return [
            ask(images, BATCH),
            ask(self._training(context), BATCH),
            *(replace(question, sitting=1) for question in checks),
        ]

    def trial(self, context: Context, entry: Entry) -> Trial:
        """Predictions of some training images."""
        return trial(context, self.name)

    def timed(
        self, context: Context, entry: Entry, generator: torch.Generator, sizes: Sequence[int]
    ) -> Sequence[TimedQuestion]:
        """Test images in random order; the cross-entropy of each."""
        images = context.data.test.images
        return [_timed(binarised(images[rows])) for rows in fresh_rows(len(images), sizes, generator)]

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Cross-entropy and accuracy on test and training images, by row; causality; dependence on the batch."""
        notes: list[str] = []
        images = binarised(context.data.test.images)
        predicted, training, copies, again, of_probe = (checked(answer["probabilities"], notes) for answer in answers)
        batch = batch_dependence(predicted[self._again(context)], again)
        nats = cross_entropy(predicted, images[:, 1:])
        evidence: tuple[Evidence, ...] = (
            batch,
            causality(self._changed(context), predicted, copies, batch),
            remembered(self._probe(context), nats.mean(axis=1), of_probe),
        )
        metrics = _metrics("", predicted, images, nats)
        evidence = (*evidence, *beyond_known(context, metrics[self.primary], self.too_good))
        seen = self._training(context)
        metrics |= _metrics("train_", training, seen, cross_entropy(training, seen[:, 1:]))
        by_pixel = np.concatenate([[np.nan], nats.mean(axis=0)]).reshape(28, 28)
        return Marks(
            metrics=metrics,
            primary=self.primary,
            evidence=evidence,
            figures=(
                Figure(
                    "predictions",
                    "picture",
                    "Predictions",
                    {"pixels": _picture(images, predicted, nats, context.data.test.labels)},
                    "From top to bottom: the digits; the probability that each pixel is lit, given those before it; "
                    f"and how surprising the pixel then was. {INK}",
                    # Below the digits themselves, which are the same for all.
                    strip=(1 / 3, 2 / 3),
                ),
                Figure(
                    "cross-entropy-by-row",
                    "line",
                    "Cross-entropy by row",
                    {"values": np.nanmean(by_pixel, axis=1)},
                    x="row of the image",
                    y="nats per pixel",
                    unit="nats/pixel",
                ),
            ),
            gates=gates(evidence),
            scores=nats.mean(axis=1),
        ), notes

    def sketch(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Mapping[str, Array]:
        """The predictions less the pixels."""
        predicted = checked(answers[0]["probabilities"], [])
        return likeness.predictions(predicted, binarised(context.data.test.images)[:, 1:])

    def _changed(self, context: Context) -> Changed:
        return changed(binarised(context.data.test.images), COPIES, context.hidden(self.name, "copies"))

    def _again(self, context: Context) -> NDArray[np.int64]:
        """Rows of the test images that are asked about again."""
        import torch

        rows = torch.randperm(len(context.data.test.images), generator=context.hidden(self.name, "again"))
        again: NDArray[np.int64] = rows[:REPEATED].numpy()
        return again

    def _probe(self, context: Context) -> Probe:
        return probe(context, self.name, context.data.test.images, ALTERED)

    def _training(self, context: Context) -> Binary:
        import torch

        images = context.data.train.images
        rows = torch.randperm(len(images), generator=context.generator(self.name, "training"))[:TRAINING].numpy()
        return binarised(images[rows])


def ask(binary: Binary, batch: int) -> Question:
    """The question for the predictions of whole images (N, 784)."""
    spec = ArraySpec((len(binary), TARGETS))
    return Question("next_pixel_probabilities", {"binary": binary}, {"probabilities": spec}, batch, DEADLINE)


def _timed(binary: Binary) -> TimedQuestion:
    def rate(answer: Answer) -> NDArray[np.float64]:
        nats: NDArray[np.float64] = cross_entropy(checked(answer["probabilities"], []), binary[:, 1:]).mean(axis=1)
        return nats

    return TimedQuestion(replace(ask(binary, BATCH), batch=None), rate)


def _metrics(
    prefix: str, predicted: NDArray[np.float64], images: Binary, nats: NDArray[np.float64]
) -> dict[str, Metric]:
    right = ((predicted > 0.5) == (images[:, 1:] > 0.5)).mean(axis=1)
    said = prefix.replace("_", " ")
    measured = {
        f"{prefix}cross_entropy": Measured(f"{said}cross-entropy", nats.mean(axis=1), "nats/pixel", "lower"),
        f"{prefix}accuracy": Measured(f"{said}accuracy", right, "share", "higher", beside=not prefix),
    }
    return means(measured)


def _picture(
    images: Binary, predicted: NDArray[np.float64], nats: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """One digit of each class: the image, the probability of each pixel, and how surprising the pixel is."""
    rows = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10) if (labels == digit).any()]
    layers = [images[rows]]
    for values in (predicted[rows], nats[rows] / DRAWN_NATS):
        layers.append(np.pad(values, ((0, 0), (1, 0))).astype(np.float32))
    return grid(np.stack(layers).reshape(3, len(rows), 28, 28))
