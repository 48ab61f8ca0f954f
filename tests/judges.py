"""Judges for tests in which it matters what a judge says, and not whether it is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ReadsFirstRow:
    """A judge to whom the brightest of an image's first ten pixels is its digit."""

    digest = "0" * 64
    real_spread = None
    most_doubt = 0.5

    def decide(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return images[:, 0, 0, :10].argmax(1), images[:, 0, ::4, ::4].reshape(len(images), -1)

    def doubt(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return images[:, 0, 27, 27]
