"""Image completion: go on after the first 484 pixels (UCL, Deep Learning, homework 4, part 1: in-painting).

100 test images, binarised at .1, for 1, 10, 28 and 300 pixels: how improbable the model finds what is there
(cross-entropy of the truth, each pixel given the true ones before it), how improbable it finds what it draws itself
(ten samples), and how many pixels of these are right. The uniforms are ours, so that a draw is decided by the model's
probability alone: models whose predictions agree draw the same.

The published notebook of a student makes two mistakes that are easily repeated: it scores the place-holder −1 of a
missing pixel as if it were a target, and it takes accuracy over all 784 pixels, most of which were given. Here only
missing pixels count, and their targets are the true ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.evidence.steps_agree import steps_agree
from harness.likeness import answers as likeness
from harness.metrics.binary_cross_entropy import cross_entropy
from harness.metrics.pictures import grid
from harness.tasks.altered import Probe, probe
from harness.tasks.base import INK, Baseline, Context, TimedQuestion, Trial, fresh_rows, gates
from harness.tasks.best_known import beyond_known
from harness.tasks.pixels import baselines
from harness.tasks.pixels.next_pixel import ask
from harness.tasks.pixels.sequences import (
    PIXELS,
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
from harness.types import Answer, Array, ArraySpec, Entry, Evidence, Figure, Images, Marks, Question

if TYPE_CHECKING:
    import torch

IMAGES = 100
KNOWN = 484
MISSING = PIXELS - KNOWN
LENGTHS = (1, 10, 28, MISSING)
SAMPLES = 10
DRAWN = 5
"""Samples in a picture, of each length but the first, of which there is one."""
DEADLINE = 1800.0
"""Seconds for the completions. A model that only answers for whole images is asked about 300,000 of them."""
_UNKNOWN, _DARK, _LIT = 0.25, 0.0, 0.6
"""Gray values of pixels that are still unknown and of known ones; drawn ones are black and white."""


class ImageCompletion:
    """`start` and `step`, or `next_pixel_probabilities`, from which completions are drawn."""

    name = "image-completion"
    title = "Image completion"
    summary = "continue images after 484 pixels; cross-entropy of the truth in nats a pixel"
    protocol = 1
    primary = f"cross_entropy_{MISSING}"
    gates: tuple[str, ...] = ("batch-dependence", "steps-agree", "memorised-test-images")
    outputs: Mapping[str, ArraySpec] | None = None
    baselines: Mapping[str, Baseline] = baselines.COMPLETION
    time_reference = "pixel-lstm"
    time_batch = IMAGES
    too_good = 0.045
    """Nats a pixel below which no honest model is known to come; two thirds of the best reference's."""

    def questions(self, context: Context, entry: Entry) -> Sequence[Question]:
        """The whole images; in a second sitting the completions of their beginnings; in a third changed copies, the
        images again in small batches, and altered digits.
        """
        images, copies = self._case(context)
        begun = images.copy()
        begun[:, KNOWN:] = -1
        uniforms = self._uniforms(context, len(begun))
        spec = ArraySpec(uniforms.shape)
        inputs = {"images": begun, "uniforms": uniforms}
        checks = [ask(copies.copies, 60), ask(images, 20), ask(binarised(self._probe(context).images), IMAGES)]
        return [
            ask(images, IMAGES),
            Question("complete", inputs, {"probabilities": spec}, None, DEADLINE, sitting=1),
            *(replace(question, sitting=2) for question in checks),
        ]

    def trial(self, context: Context, entry: Entry) -> Trial:
        """Predictions of some training images."""
        return trial(context, self.name)

    def timed(
        self, context: Context, entry: Entry, generator: torch.Generator, sizes: Sequence[int]
    ) -> Sequence[TimedQuestion]:
        """Predictions of whole test images, by which entries are scored; the cross-entropy of the missing pixels."""
        images = context.data.test.images
        return [_timed(binarised(images[rows])) for rows in fresh_rows(len(images), sizes, generator)]

    def mark(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> tuple[Marks, list[str]]:
        """Cross-entropies and accuracy for each length; evidence; a success, a failure, an undecided one."""
        notes: list[str] = []
        images, copies = self._case(context)
        predicted, drawing, of_copies, again, of_probe = (checked(answer["probabilities"], notes) for answer in answers)
        batch = batch_dependence(predicted, again)
        drawn = self._uniforms(context, len(drawing)) < answers[1]["probabilities"]  # (N, samples, 300)
        truth = images[:, KNOWN:]  # (N, 300)
        nats = cross_entropy(predicted[:, KNOWN - 1 :], truth)
        evidence: tuple[Evidence, ...] = (
            batch,
            causality(copies, predicted, of_copies, batch),
            steps_agree(predicted[:, KNOWN - 1 :], drawing, drawn, truth),
            remembered(self._probe(context), nats.mean(axis=1), of_probe, KNOWN),
        )
        own = cross_entropy(drawing, drawn)
        right = drawn == (truth[:, None] > 0.5)
        measured = {}
        for length in LENGTHS:
            over, unit, beside = f"over {length} pixel{'s' * (length > 1)}", "nats/pixel", length == 1
            measured[f"cross_entropy_{length}"] = Measured(
                f"cross-entropy {over}", nats[:, :length].mean(axis=1), unit, "lower", beside
            )
            measured[f"own_cross_entropy_{length}"] = Measured(
                f"own cross-entropy {over}", own[:, :, :length].mean(axis=(1, 2)), unit, "lower", beside
            )
            measured[f"accuracy_{length}"] = Measured(
                f"accuracy {over}", right[:, :, :length].mean(axis=(1, 2)), "share", "higher", beside
            )
        metrics = means(measured)
        evidence += beyond_known(context, metrics[self.primary], self.too_good)
        return Marks(
            metrics=metrics,
            primary=self.primary,
            evidence=evidence,
            figures=_pictures(images, drawn, right.mean(axis=(1, 2))),
            gates=gates(evidence),
            scores=measured[self.primary].values,
        ), notes

    def sketch(self, context: Context, entry: Entry, answers: Sequence[Answer]) -> Mapping[str, Array]:
        """The predictions of the missing pixels less these pixels."""
        predicted = checked(answers[0]["probabilities"], [])
        return likeness.predictions(predicted[:, KNOWN - 1 :], self._case(context)[0][:, KNOWN:])

    def _case(self, context: Context) -> tuple[Binary, Changed]:
        """The images, and copies of them with later pixels changed, as many."""
        binary = binarised(self._gray(context))
        return binary, changed(binary, len(binary), context.hidden(self.name, "copies"), KNOWN)

    def _gray(self, context: Context) -> Images:
        import torch

        images = context.data.test.images
        rows = torch.randperm(len(images), generator=context.generator(self.name, "images"))[:IMAGES].numpy()
        chosen: Images = images[rows]
        return chosen

    def _probe(self, context: Context) -> Probe:
        return probe(context, self.name, self._gray(context), IMAGES)

    def _uniforms(self, context: Context, n: int) -> NDArray[np.float32]:
        import torch

        generator = context.generator(self.name, "uniforms")
        uniforms: NDArray[np.float32] = torch.rand(n, SAMPLES, MISSING, generator=generator).numpy()
        return uniforms


def _timed(binary: Binary) -> TimedQuestion:
    def rate(answer: Answer) -> NDArray[np.float64]:
        predicted = checked(answer["probabilities"], [])[:, KNOWN - 1 :]
        nats: NDArray[np.float64] = cross_entropy(predicted, binary[:, KNOWN:]).mean(axis=1)
        return nats

    return TimedQuestion(replace(ask(binary, IMAGES), batch=None), rate)


def _pictures(images: Binary, drawn: NDArray[np.bool_], right: NDArray[np.float64]) -> tuple[Figure, ...]:
    """Pictures of the first image, a success, an undecided image and a failure.

    Success and failure are the best and the worst of the images with more than the median of ink to be drawn; of the
    others, the one whose samples differ most is shown.
    """
    ink = images[:, KNOWN:].sum(axis=1)
    rich = np.flatnonzero(ink >= np.median(ink))
    success, failure = int(rich[right[rich].argmax()]), int(rich[right[rich].argmin()])
    lit = drawn.mean(axis=1)
    variance = (lit * (1 - lit)).mean(axis=1)
    variance[[success, failure]] = -1
    chosen = {"first": 0, "success": success, "high-variance": int(variance.argmax()), "failure": failure}
    lengths = f"{', '.join(map(str, LENGTHS[:-1]))} and {LENGTHS[-1]}"
    return tuple(
        Figure(
            name,
            "picture",
            name.replace("-", " ").capitalize(),
            {"pixels": _picture(images[row], drawn[row])},
            f"One image in each picture, continued after its first {KNOWN} pixels by {lengths} pixels, a row each: the "
            f"whole image, what was given of it, and what the model drew. {INK}",
            columns=("image", "given", *["drawn"] * DRAWN),
            group="Completions",
            # The longest completions, of the same image for all entries.
            strip=(3 / 4, 1.0) if name == "first" else (0.0, 0.0),
        )
        for name, row in chosen.items()
    )


def _picture(image: NDArray[np.float32], drawn: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A row for each length: the image, its beginning, and samples, one for a single pixel and else five."""
    tiles = np.zeros((len(LENGTHS), 2 + DRAWN, PIXELS), np.float32)
    tiles[:, 0] = image
    begun = np.full(PIXELS, _UNKNOWN, np.float32)
    begun[:KNOWN] = _DARK + (_LIT - _DARK) * image[:KNOWN]
    for row, length in enumerate(LENGTHS):
        tiles[row, 1] = begun
        for sample in range(1 if length == 1 else DRAWN):
            tiles[row, 2 + sample] = begun
            tiles[row, 2 + sample, KNOWN : KNOWN + length] = drawn[sample, :length]
    return grid(tiles.reshape(len(LENGTHS), 2 + DRAWN, 28, 28))
