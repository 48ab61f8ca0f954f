"""Marks of samples that several tasks share: metrics, evidence of copies, and the table between floor and ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evidence.copies import copies
from harness.metrics import frechet
from harness.metrics.neighbours import Neighbours
from harness.tasks.base import Context
from harness.tasks.samples import quality
from harness.tasks.samples.floors import Floors
from harness.tasks.samples.real import References
from harness.types import Evidence, Figure, Images, Metric

PRIMARY = "frechet_judge_distance"


@dataclass(frozen=True)
class Distance:
    """The Fréchet judge distance of samples, with its interval and each sample's part in it."""

    metric: Metric
    scores: NDArray[np.float64]
    """(N,), with the distance as their mean."""


@dataclass(frozen=True)
class Quality:
    """All that is measured in samples."""

    metrics: Mapping[str, Metric]
    evidence: tuple[Evidence, ...]
    training: Neighbours
    """The nearest training image of each sample."""


def references(context: Context) -> References:
    """The run's reference digits, prepared once."""
    return context.once("samples", lambda: References(context.data, context.judge, floors(context)))


def floors(context: Context) -> Floors | None:
    """The floors of the run's judge and digits; None where there are none."""
    return context.floors if isinstance(context.floors, Floors) else None


def distance(context: Context, features: NDArray[np.float32]) -> Distance:
    """Measure the Fréchet judge distance of features (N, F) alone, which takes a tenth of a second."""
    own, reference = frechet.moments(features), references(context).moments
    value = frechet.frechet_distance(own, reference)
    effects = frechet.influences(features, own, reference)
    low, high = frechet.interval(value, effects)
    measure = quality.MEASURES[PRIMARY]
    metric = Metric(value, measure.unit, measure.better, len(features), low, high, title=measure.title)
    return Distance(metric, value + effects)


def measure(context: Context, images: Images, features: NDArray[np.float32], labels: NDArray[np.int64]) -> Quality:
    """Measure all; takes seconds.

    Parameters
    ----------
    images : (N, 1, 28, 28); features : (N, F), the judge's; labels : (N,), as asked for or as judged
    """
    known, data = references(context), context.data
    training, test = known.nearest_training(images), known.nearest_test(images)
    values = {
        **quality.of_features(features, labels, known.real),
        **quality.of_images(images, training, data.train.labels, known.bounds),
        "nearest_test": float(np.median(test.distances)),
        "near_copies_test": quality.near_share(test, data.test.labels, known.bounds),
    }
    evidence = tuple(
        copies(nearest.distances[:, 0], split.labels[nearest.indices[:, 0]], known.bounds, name)
        for name, nearest, split in (("training", training, data.train), ("test", test, data.test))
    )
    return Quality(quality.metrics(values, len(images)), evidence, training)


def between(context: Context, metrics: Mapping[str, Metric]) -> tuple[Figure, ...]:
    """A table of each measure between what real digits and what trivial samples give; none without floors."""
    known = floors(context)
    if known is None:
        return ()
    kinds = list(next(iter(known.ceilings.values())))
    rows = [
        [metrics[name].title, metrics[name].value, of_real.low, of_real.mean, of_real.high]
        + [known.ceilings[name][kind] for kind in kinds]
        for name, of_real in known.real.items()
        if name in metrics
    ]
    return (
        Figure(
            "between",
            "table",
            "Between real digits and noise",
            {"values": rows},
            "Real digits: 95 % range and mean of 20 sets of 10,000 training digits, each compared with digits of other "
            f"writers. All values belong to the judge {known.judge[:12]}; those of another judge can't be compared.",
            columns=("measure", "these samples", "real, low", "real, mean", "real, high", *kinds),
        ),
    )
