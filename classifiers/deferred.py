"""A judge that is known by its file, and whose networks are built when it is first asked."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from classifiers.facts import content_of, facts_of

if TYPE_CHECKING:
    from classifiers.batches import Images
    from classifiers.judge import First, Judge


class DeferredJudge:
    """The judge of a file; as `classifiers.judge.Judge`, but that it imports no torch before it is asked.

    The file is read once, and its header is checked at once; WeightsError where it can't be used. The digest is that of
    the bytes that the networks are built from.
    """

    def __init__(self, path: Path) -> None:
        self.file = path
        self._content = content_of(path)
        self.facts = facts_of(self._content, path)
        self.digest = hashlib.sha256(self._content).hexdigest()

    @cached_property
    def judge(self) -> Judge:
        """The judge itself. Raises WeightsError where its networks can't be built."""
        from classifiers import weights_file
        from classifiers.judge import Judge

        return Judge(*weights_file.loaded(self._content, self.file))

    @property
    def real_spread(self) -> NDArray[np.float64] | None:
        """Trace of the covariance of real digits' features, by digit (10,), measured at training."""
        return np.array(self.facts.real_spread) if self.facts.real_spread else None

    @property
    def most_doubt(self) -> float:
        """Threshold of doubt, which less than one in a hundred real digits exceeds."""
        return self.facts.doubt

    def decide(self, images: Images) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the most probable digits (N,) and features (N, F) of images (N, 1, 28, 28)."""
        return self.judge.decide(images)

    def first(self, images: Images) -> First:
        """Ask the first member."""
        return self.judge.first(images)

    def settled(
        self, images: Images, first: First, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the digits (N,), and the digit that each member reads alone in the images of `rows`, (members, n)."""
        return self.judge.settled(images, first, rows)

    def doubt(self, images: Images, labels: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Compute the doubt of each image, (N,) in [0, 1], in the judge's labels (N,)."""
        return self.judge.doubt(images, labels)
