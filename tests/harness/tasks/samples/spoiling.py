"""Real digits, spoiled in four ways with five strengths each, and the measures that they get."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from classifiers.judge import Judge
from harness.metrics.neighbours import Points
from harness.mnist import Digits
from harness.tasks.samples import quality
from harness.tasks.samples.real import RealSet, drawn

N = 2_000
STRENGTHS = {
    "blur": (0.5, 0.7, 0.9, 1.2, 1.5),  # standard deviation in pixels
    "noise": (0.05, 0.1, 0.2, 0.3, 0.5),  # standard deviation in gray values
    "dropped classes": (1, 2, 3, 5, 8),  # digits, from 9 on
    "duplicates": (2, 4, 10, 40, 200),  # copies of each image
}


def spoiled(images: NDArray[np.float32], labels: NDArray[np.int64], way: str, strength: float) -> NDArray[np.float32]:
    """N test digits, spoiled."""
    rng = np.random.default_rng(0)
    if way == "blur":
        return gaussian_filter(images[:N], (0, 0, strength, strength))
    if way == "noise":
        return (images[:N] + strength * rng.standard_normal((N, 1, 28, 28))).clip(0, 1).astype(np.float32)
    if way == "dropped classes":
        return images[labels < 10 - strength][:N]
    return np.repeat(images[: N // int(strength)], int(strength), axis=0)


def measures(digits: Digits, judge: Judge) -> dict[str, list[dict[str, float]]]:
    """For each way the measures of unspoiled test digits, then of the five strengths."""
    test = digits.test
    order = np.random.default_rng(1).permutation(len(test))
    images, labels = test.images[order], test.labels[order]
    rows = drawn(len(digits.train), N)
    real = RealSet(judge.features(digits.train.images[rows]), digits.train.labels[rows])
    training = Points(digits.train.images[drawn(len(digits.train), 10_000)].reshape(10_000, -1))

    def of(shown: NDArray[np.float32]) -> dict[str, float]:
        labels, features = judge.decide(shown)
        nearest = training.nearest(shown.reshape(len(shown), -1))
        values = quality.of_features(features, labels, real)
        return values | quality.of_images(shown, nearest, np.zeros(10_000, int), np.zeros(10))

    plain = of(images[:N])
    return {
        way: [plain, *(of(spoiled(images, labels, way, strength)) for strength in strengths)]
        for way, strengths in STRENGTHS.items()
    }
