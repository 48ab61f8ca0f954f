"""The judge's own figures: accuracy, calibration, what it says of images that are no digits, and speed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.judge import Judge

Images = NDArray[np.float32]
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


def not_digits(images: Images, generator: np.random.Generator) -> dict[str, Images]:
    """Images that show no digit, by kind, each (n, 1, 28, 28) in [0, 1]; some made from digits (N, 1, 28, 28)."""
    n = min(500, len(images))
    some = images[:n]
    shuffled = some.reshape(n, 784)[:, generator.permutation(784)].reshape(n, 1, 28, 28)
    return {
        "blank": np.zeros((1, 1, 28, 28), np.float32),
        "constant": np.linspace(0.1, 1, 10, dtype=np.float32)[:, None, None, None]
        * np.ones((1, 1, 28, 28), np.float32),
        "noise": generator.random((n, 1, 28, 28), np.float32),
        "sparse noise": (generator.random((n, 1, 28, 28)) < 0.19).astype(np.float32),
        "shuffled": shuffled,
        "inverted": 1 - some,
    }


def throughput(judge: Judge, images: Images, repeats: int = 3) -> float:
    """Images a second, the median of `repeats` passes after one that is not counted."""
    judge.probabilities(images)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        judge.probabilities(images)
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
    strange = not_digits(images, np.random.default_rng(0))
    confidence = [judge.probabilities(some).max(axis=1).mean() for some in strange.values()]
    return {
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
        "members": [
            {
                "name": member.name,
                "accuracy": float((Judge.of([member]).labels(images) == labels).mean()),
                "parameters": member.parameters,
            }
            for member in judge.members
        ],
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "digits_accuracy": float((judge.labels(digits) == digit_labels).mean()),
        "not_digits_confidence": float(np.mean(confidence)),
        "images_per_second": throughput(judge, images),
        "sha256": judge.digest,
    }
