"""The measures of sample quality, by name: how each is called, and which way is better.

Those of `of_features` see an image through the judge, those of `of_images` its pixels. Values belong to one judge and
one reference set, and mean something between the floor that real digits give and the ceiling of noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.metrics import accuracy, classifier_score, frechet, kernel_distance, near_copies, precision_recall
from harness.metrics.distinct import distinct
from harness.metrics.neighbours import Neighbours
from harness.tasks.samples.real import RealSet
from harness.types import Images, Metric

VERSION = 1
"""Version of what is measured: floors of another one are never used."""


class Measure(NamedTuple):
    """One measure of a set of samples."""

    title: str
    unit: str
    better: Literal["higher", "lower"]
    share: bool = False
    """True for a share of samples or real images, which has Wilson's interval."""
    beside: bool = False


MEASURES: Mapping[str, Measure] = {
    "frechet_judge_distance": Measure("Fréchet judge distance", "squared feature", "lower"),
    "kernel_distance": Measure("kernel distance", "kernel", "lower"),
    "precision": Measure("precision", "share", "higher", share=True, beside=True),
    "recall": Measure("recall", "share", "higher", share=True, beside=True),
    "density": Measure("density", "balls", "higher"),
    "coverage": Measure("coverage", "share", "higher", share=True, beside=True),
    "classifier_score": Measure("accuracy on real digits, learnt from samples", "share", "higher", share=True),
    "distinct_samples": Measure("distinct samples", "samples", "higher"),
    "effective_samples": Measure("effective number of samples", "samples", "higher"),
    "nearest_training": Measure("median distance to the nearest training image", "gray value", "lower"),
    "nearest_test": Measure("median distance to the nearest test image", "gray value", "lower"),
    "near_copies_training": Measure("near copies of training images", "share", "lower", share=True),
    "near_copies_test": Measure("near copies of test images", "share", "lower", share=True),
}


def of_features(features: NDArray[np.float32], labels: NDArray[np.int64], real: RealSet) -> dict[str, float]:
    """Measure samples by the judge's features (N, F) and their labels (N,), as asked for or as judged."""
    found = precision_recall.overlap(features, real.features, real.radii)
    given = classifier_score.classifier_labels(features, labels, real.features)
    return {
        "frechet_judge_distance": frechet.frechet_distance(frechet.moments(features), real.moments),
        "kernel_distance": kernel_distance.kernel_distance(features, real.features, real.mean_of_pairs),
        **found._asdict(),
        "classifier_score": float((given == real.labels).mean()),
    }


def of_images(
    images: Images, training: Neighbours, training_labels: NDArray[np.int64], bounds: NDArray[np.float64]
) -> dict[str, float]:
    """Measure samples (N, 1, 28, 28) by their pixels.

    Parameters
    ----------
    training : the nearest training image of each; training_labels : of all training images
    bounds : distance by digit (10,) below which an image is a near copy
    """
    different = distinct(images)
    return {
        "distinct_samples": different.distinct,
        "effective_samples": different.effective,
        "nearest_training": float(np.median(training.distances)),
        "near_copies_training": near_share(training, training_labels, bounds),
    }


def near_share(nearest: Neighbours, labels: NDArray[np.int64], bounds: NDArray[np.float64]) -> float:
    """Share of near copies, from the nearest image of each sample and the labels of all images of the set."""
    return float(near_copies.near_copies(nearest.distances[:, 0], labels[nearest.indices[:, 0]], bounds).mean())


def metrics(values: Mapping[str, float], n: int) -> dict[str, Metric]:
    """Make metrics of measured values, in the order of `MEASURES`; shares have Wilson's interval for n images."""
    made = {}
    for name, measure in MEASURES.items():
        if name in values:
            value = values[name]
            low, high = accuracy.wilson(round(value * n), n) if measure.share else (None, None)
            made[name] = Metric(
                value, measure.unit, measure.better, n, low, high, title=measure.title, beside=measure.beside
            )
    return made
