"""The judge's own figures: accuracy, calibration, what it says of images that are no digits, and speed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.fool import attempts, halves, not_digits
from classifiers.judge import Images, Judge
from classifiers.weights_file import parameters

Labels = NDArray[np.int64]


def expected_calibration_error(probabilities: NDArray[np.float32], labels: Labels, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equally wide bins of confidence, weighted by their sizes.

    Guo et al. 2017, "On calibration of modern neural networks", arXiv:1706.04599, eq. 3.

    Parameters
    ----------
    probabilities : (N, 10); labels : (N,)
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    of_bin = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(float((confidence - right)[of_bin == b].sum())) for b in range(bins)]
    return sum(gaps) / len(labels)


def throughput(judge: Judge, images: Images, repeats: int = 3) -> float:
    """Images a second, the median of `repeats` passes after one that is not counted."""
    judge.labels(images[:500])
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        judge.labels(images)
        seconds.append(time.perf_counter() - start)
    return len(images) / float(np.median(seconds))


def evaluate(judge: Judge, images: Images, labels: Labels, digits: Images, digit_labels: Labels) -> dict[str, Any]:
    """The figures of a judge's model card.

    Parameters
    ----------
    images, labels : test images (N, 1, 28, 28) in [0, 1] and labels (N,)
    digits, digit_labels : digits of another origin, which no member was trained on
    """
    probabilities = judge.probabilities(images)
    of_member = judge.by_member(images)
    committee = judge.mean(of_member)
    strange = not_digits(images, np.random.default_rng(0))
    confidence = {kind: float(judge.committee(some).max(axis=1).mean()) for kind, some in strange.items()}
    part = {kind: float(judge.committee(some[:500]).max(axis=1).mean()) for kind, some in halves(images).items()}
    return {
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
        "members": [
            {
                "name": facts.name,
                "accuracy": float((own.argmax(1) == labels).mean()),
                "parameters": parameters(network),
                "recipe": dict(facts.recipe),
            }
            for facts, own, network in zip(judge.facts.members, of_member, judge.networks, strict=True)
        ],
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "digits_accuracy": float((judge.labels(digits) == digit_labels).mean()),
        "not_digits_confidence": float(np.mean(list(confidence.values()))),
        "not_digits": confidence,
        "half_digits": part,
        "optimised_flagged": optimised_flagged(judge, images, labels),
        "real_digits_flagged": float((judge.doubt(images) > judge.facts.doubt).mean()),
        "first_member_decides": float((of_member[0].max(1) >= judge.facts.sure).mean()),
        "first_member_agrees": float((probabilities.argmax(1) == committee.argmax(1)).mean()),
        "images_per_second": throughput(judge, images),
        "sha256": judge.digest,
    }


def optimised_flagged(judge: Judge, images: Images, labels: Labels) -> dict[str, float]:
    """Share of images optimised against each member that the committee flags: its doubt is beyond real digits'."""
    shares = {}
    for facts, network in zip(judge.facts.members, judge.networks, strict=True):
        for start, made in attempts(network, images, labels).items():
            shares[f"{facts.name}, {start}"] = float((judge.doubt(made) > judge.facts.doubt).mean())
    return shares
