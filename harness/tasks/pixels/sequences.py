"""Binarised images, checks of predictions and evidence, shared by the tasks on pixel sequences.

An image is read row by row; a prediction is P(x_{t+1} = 1 | x_1 … x_t). Since the pixel to be predicted lies in the
input, no prediction may depend on it or on later ones: a fresh worker, which has not seen the images, is asked about
copies of which everything from some pixel on is another image's, and a model whose earlier predictions move with that
has no score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.evidence import causality as causality_of
from harness.evidence.memorised import memorised
from harness.hints import of_no_probabilities
from harness.metrics.binary_cross_entropy import LEAST, cross_entropy
from harness.metrics.mean_interval import mean_intervals
from harness.tasks.altered import Probe
from harness.tasks.base import Context, Trial
from harness.types import Answer, ArraySpec, Evidence, Metric, Question, refuse

if TYPE_CHECKING:
    import torch

PIXELS = 784
TARGETS = PIXELS - 1
"""Pixels that are predicted: all but the first."""
TRIED = 100
"""Training images by which options are chosen that neither weights nor manifest tell."""
THRESHOLD = 0.1
"""A pixel is lit where its gray value exceeds this."""
WORDS = causality_of.Words("image", "pixel")
TOLERATED = 1e-6
"""Largest distance of a probability from [0, 1]."""

Binary = NDArray[np.float32]
"""Images (N, 784) of 0 and 1."""


def binarised(images: NDArray[np.float32], threshold: float = THRESHOLD) -> Binary:
    """Gray images (N, 1, 28, 28) as sequences (N, 784) of 0 and 1."""
    return (images.reshape(len(images), -1) > threshold).astype(np.float32)


@dataclass(frozen=True)
class Changed:
    """Copies of images with other pixels from some pixel on, in random order."""

    copies: Binary
    """(M, 784), each equal to an image up to some pixel."""
    originals: NDArray[np.int64]
    """Index of the image that each copy was made of, (M,)."""
    kept: NDArray[np.int64]
    """Number of its pixels that were kept, (M,); the next one is changed for certain, those after it may be."""


def changed(images: Binary, copies: int, generator: torch.Generator, least_kept: int = 1) -> Changed:
    """Copy images so that pixels from the `least_kept`-th or a later one on are another image's."""
    import torch

    n = len(images)
    originals = torch.randint(n, (copies,), generator=generator).numpy()
    donors = (originals + torch.randint(1, n, (copies,), generator=generator).numpy()) % n
    kept = torch.randint(least_kept, PIXELS, (copies,), generator=generator).numpy()
    made = np.where(np.arange(PIXELS) < kept[:, None], images[originals], images[donors])
    made[np.arange(copies), kept] = 1 - images[originals, kept]
    return Changed(made, originals, kept)


def trial(context: Context, name: str) -> Trial:
    """Ask for predictions of some training images; the mean cross-entropy in nats a pixel."""
    import torch

    images = context.data.train.images
    rows = torch.randperm(len(images), generator=context.generator(name, "trial"))[:TRIED].numpy()
    binary = binarised(images[rows])
    spec = ArraySpec((len(binary), TARGETS))
    asked = Question("next_pixel_probabilities", {"binary": binary}, {"probabilities": spec})

    def rate(answers: Sequence[Answer]) -> Metric:
        predicted = answers[0]["probabilities"].astype(np.float64).clip(0, 1)
        nats = cross_entropy(predicted, binary[:, 1:])
        return Metric(float(nats.mean()), "nats/pixel", "lower", len(binary), title="cross-entropy")

    return Trial([asked], rate)


def checked(probabilities: NDArray[np.float32], notes: list[str]) -> NDArray[np.float64]:
    """Probabilities in [0, 1], double; GradingError where they are none, a note where they are exactly 0 or 1."""
    values = probabilities.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if low < -TOLERATED or high > 1 + TOLERATED:
        message = f"The probabilities lie in [{low:.4g}, {high:.4g}]; allowed is [0, 1]."
        raise refuse("answers", "out-of-range", f"{message} {of_no_probabilities(low, high)}")
    if bool(((values <= 0) | (values >= 1)).any()):
        say(
            notes,
            f"Some predictions are exactly 0 or 1; they were counted as {LEAST:.0e} and 1 − {LEAST:.0e}, so that a "
            f"wrong one costs {-np.log(LEAST):.1f} nats rather than infinitely many.",
        )
    clipped: NDArray[np.float64] = values.clip(0, 1)
    return clipped


def say(notes: list[str], note: str) -> None:
    """Add a note, once."""
    if note not in notes:
        notes.append(note)


def batch_dependence(first: NDArray[np.float64], again: NDArray[np.float64]) -> Evidence:
    """Evidence from answers (n, …) and those to the same questions in a smaller batch."""
    return causality_of.batch_dependence(first, again, WORDS)


def causality(case: Changed, first: NDArray[np.float64], of_copies: NDArray[np.float64], batch: Evidence) -> Evidence:
    """Evidence that no prediction moved with later pixels; GradingError where one did.

    Parameters
    ----------
    case : the copies
    first, of_copies : predictions (N, 783) for the images and (M, 783) for the copies
    batch : how far predictions move with the batch
    """
    before = np.arange(TARGETS) < case.kept[:, None]  # the prediction at index t is made from pixels 0 … t
    moved = np.abs(first[case.originals] - of_copies) * before
    return causality_of.causality(moved, case.kept, batch, WORDS)


def remembered(probe: Probe, nats: NDArray[np.float64], predicted: NDArray[np.float64], first: int = 1) -> Evidence:
    """Evidence of memorised test images.

    Parameters
    ----------
    probe : what was asked; predicted : (3 n, 783), the predictions for its images
    nats : means (N,) for the test images, from pixel `first` on, as those of the probe are taken
    """
    images = binarised(probe.images)
    of_probe = cross_entropy(predicted[:, first - 1 :], images[:, first:]).mean(axis=1)
    return memorised(nats[probe.test_rows], *probe.split(of_probe), "cross-entropy")


class Measured(NamedTuple):
    """Values of single images that a metric is the mean of."""

    title: str
    values: NDArray[np.float64]
    """(N,)"""
    unit: str
    better: Literal["higher", "lower"]
    beside: bool = False


def means(measured: Mapping[str, Measured]) -> dict[str, Metric]:
    """Means over the images, with their intervals."""
    values = np.stack([one.values for one in measured.values()], axis=1)  # (N, quantities)
    found = {}
    for (name, one), (low, high) in zip(measured.items(), mean_intervals(values), strict=True):
        mean, ends = float(one.values.mean()), (float(low), float(high))
        found[name] = Metric(mean, one.unit, one.better, len(values), *ends, title=one.title, beside=one.beside)
    return found
