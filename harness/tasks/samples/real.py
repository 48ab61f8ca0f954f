"""The real digits that samples are compared with, and what the metrics need of them, computed once a run.

The reference set is 10,000 training digits, the same ones for every run, or half of a smaller training set. They are
drawn by chance, not evenly spaced: neighbours in MNIST's file seem to come from its two sources by turns. Every sixth
digit is .05 to .07 away from the test digits in Fréchet distance, as many digits drawn by chance .012 to .025.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.metrics import frechet, kernel_distance, near_copies, precision_recall
from harness.metrics.neighbours import Neighbours, Points
from harness.mnist import Digits
from harness.types import Images

if TYPE_CHECKING:
    from harness.tasks.base import Judge
    from harness.tasks.samples.floors import Floors

SAMPLES = 10_000
"""N: number of samples, and of real digits where there are so many."""
_SEED = 20_261_126


@dataclass(frozen=True)
class RealSet:
    """Features (M, F) and labels (M,) of real digits, with what each metric takes of them."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    @cached_property
    def moments(self) -> frechet.Moments:
        """Mean and covariance of the features."""
        return frechet.moments(self.features)

    @cached_property
    def mean_of_pairs(self) -> float:
        """Mean kernel of pairs of the set's own features."""
        return kernel_distance.mean_of_pairs(self.features)

    @cached_property
    def radii(self) -> NDArray[np.float64]:
        """Distances (M, 5) of each digit's features to its nearest others."""
        return precision_recall.radii(self.features)


def drawn(count: int, wanted: int) -> NDArray[np.int64]:
    """Row numbers (wanted,), ascending, drawn from `count` rows without replacement; the same ones every time."""
    # The raw stream of PCG64 never changes, which numpy doesn't promise for its permutations.
    key = np.random.PCG64(_SEED).random_raw(count)
    return np.sort(np.argsort(key, kind="stable")[:wanted])


class References:
    """The reference set of a run's training digits, and the sets in which copies are looked for.

    Parameters
    ----------
    floors : what was measured beforehand for this judge and these digits; what they hold is not computed again
    """

    def __init__(self, data: Digits, judge: Judge, floors: Floors | None) -> None:
        self._data, self._judge, self._floors = data, judge, floors
        self.rows = drawn(len(data.train), min(SAMPLES, len(data.train) // 2))
        """Row numbers (M,) of the reference set among the training digits."""

    @cached_property
    def real(self) -> RealSet:
        """The reference set, through the judge."""
        train = self._data.train
        return RealSet(self._judge.decide(train.images[self.rows])[1], train.labels[self.rows])

    @cached_property
    def moments(self) -> frechet.Moments:
        """Moments of the reference set, without asking the judge where they are known."""
        return self._floors.moments if self._floors is not None else self.real.moments

    @cached_property
    def training(self) -> Points:
        """The training images, as points in which neighbours are looked for."""
        return Points(_flat(self._data.train.images))

    @cached_property
    def test(self) -> Points:
        """The test images."""
        return Points(_flat(self._data.test.images))

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """Distance by digit (10,) below which an image is a near copy, from test digits to the training set."""
        if self._floors is not None:
            return np.array(self._floors.bounds)
        found = self.nearest_training(self._data.test.images)
        return near_copies.bounds(found.distances[:, 0], self._data.train.labels[found.indices[:, 0]])

    def nearest_training(self, images: Images) -> Neighbours:
        """Find the training image that is nearest to each of the images."""
        return self.training.nearest(_flat(images))

    def nearest_test(self, images: Images) -> Neighbours:
        """Find the test image that is nearest to each of the images."""
        return self.test.nearest(_flat(images))


def _flat(images: Images) -> NDArray[np.float32]:
    return np.ascontiguousarray(images.reshape(len(images), -1), np.float32)
