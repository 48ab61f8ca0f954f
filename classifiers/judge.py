"""The judge: a classifier of digits with calibrated confidence, and a score of doubt for images unlike digits.

The judge is a committee of small, different networks. Its probability of a digit is the mean of the members' calibrated
ones (An et al. 2020, arXiv:2008.10400, vote; Guo et al. 2017, arXiv:1706.04599, temperatures). If the first and fastest
member is sure, its answer stands and the others are not asked; the threshold is set on held-out images so that first
member and committee agree.

Answers do not depend on how many images are asked about at once: images always pass through the networks in batches of
one fixed size, the last one filled up with blanks. On some processors the last digits depend on an image's place in
its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifiers import weights_file
from classifiers.batches import BATCH, Images, in_batches
from classifiers.fused import Fused, fused
from classifiers.network import Member
from classifiers.weights_file import Facts, MemberFacts

ROUNDING = 1e-4
"""More than the sum of a few float32 probabilities may be off."""
SMOOTHING = 0.8
"""Standard deviation, in pixels, of the blur in `Judge.doubt`."""
_NO_ROWS = np.empty(0, np.int64)
First = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]
"""The first member's probabilities (N, 10) and features (N, F), and for which images the others are asked, (N,)."""


class Judge:
    """A committee of networks that classifies digits.

    Parameters
    ----------
    networks : the members, in evaluation mode, in the order of `facts.members`
    facts : temperatures and thresholds
    digest : SHA-256 of the file that they come from
    """

    def __init__(self, networks: Sequence[Member], facts: Facts, digest: str = "") -> None:
        self.networks = list(networks)
        self.facts = facts
        self.digest = digest
        self.file: Path | None = None
        """The file that it was read from; another host gets a copy of it."""

    @classmethod
    def read(cls, path: Path) -> Judge:
        """Read a judge from its file; raises WeightsError if it can't be read."""
        judge = cls(*weights_file.load(path))
        judge.file = path
        return judge

    @classmethod
    def shipped(cls) -> Judge:
        """Read the public judge, with weights that come with the package."""
        return cls.read(weights_file.SHIPPED)

    @property
    def real_spread(self) -> NDArray[np.float64] | None:
        """Trace of the covariance of real digits' features, by digit (10,), measured at training."""
        return np.array(self.facts.real_spread) if self.facts.real_spread else None

    @property
    def most_doubt(self) -> float:
        """Threshold of doubt, which less than one in a hundred real digits exceeds."""
        return self.facts.doubt

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """Compute the probability of each digit, (N, 10): the first member's if it is sure, else the committee's."""
        return self.examine(images)[0]

    def labels(self, images: Images) -> NDArray[np.int64]:
        """Return the most probable digit of each image, (N,)."""
        return self.decide(images)[0]

    def features(self, images: Images) -> NDArray[np.float32]:
        """Compute penultimate features of the first member, (N, F); the digest is their version."""
        return self._first(images)[1]

    def decide(self, images: Images) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the most probable digit (N,) by `probabilities`, and `features` (N, F), in one pass.

        Where the first member is unsure, the others are asked in turn until those that are left can't change the digit.
        """
        first = self.first(images)
        return self.settled(images, first)[0], first[1]

    def first(self, images: Images) -> First:
        """Ask the first member."""
        probabilities, features = self._first(images)
        return probabilities, features, self._unsure(probabilities)

    def settled(
        self, images: Images, first: First, rows: NDArray[np.int64] = _NO_ROWS
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the digits (N,) as `decide` does, and the digit that each member reads alone in some of the images.

        Parameters
        ----------
        first : what the first member says of the images
        rows : (n,) of the images about which each member is asked; the second array is (members, n)
        """
        of_first, _, unsure = first
        labels: NDArray[np.int64] = of_first.argmax(1).astype(np.int64)
        alone = [of_first[rows], *self._others(images[rows])]
        place = np.full(len(images), -1)
        place[rows] = np.arange(len(rows))
        open_ = np.flatnonzero(unsure)
        votes = of_first[open_]  # (n, 10), sums of probabilities
        for asked in range(1, len(self.networks)):
            known = place[open_] >= 0
            added = np.empty_like(votes)
            added[known] = alone[asked][place[open_[known]]]
            added[~known] = self._member(asked, images[open_[~known]])
            votes = votes + added
            left = len(self.networks) - 1 - asked
            best, second = np.sort(votes, axis=1)[:, :-3:-1].T
            labels[open_] = votes.argmax(1)
            # A digit gains 1 at most from each member that is left.
            still = best - second <= left + ROUNDING if left else np.zeros(len(open_), bool)
            open_, votes = open_[still], votes[still]
        by_member: NDArray[np.int64] = np.stack(alone).argmax(2).astype(np.int64)
        return labels, by_member

    def examine(self, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute `probabilities` (N, 10) and `features` (N, F) in one pass."""
        probabilities, features = self._first(images)
        if len(self.networks) > 1:
            unsure = self._unsure(probabilities)
            others = [probabilities[unsure], *self._others(images[unsure])]
            probabilities[unsure] = self.mean(np.stack(others))
        return probabilities, features

    def by_member(self, images: Images) -> NDArray[np.float32]:
        """Compute every member's calibrated probabilities, (members, N, 10)."""
        return np.stack([self._member(0, images), *self._others(images)])

    def committee(self, images: Images) -> NDArray[np.float32]:
        """Compute the probabilities, (N, 10), of the whole committee, even if the first member is sure."""
        return self.mean(self.by_member(images))

    def doubt(self, images: Images, labels: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Compute the doubt of each image, (N,) in [0, 1]: 1 − the members' least probability of the judge's label.

        The probability is that of the blurred image. Doubt is 0 if all members surely agree. An image made to fool one
        member leaves doubt in the others; a non-digit leaves doubt in all. A blur of less than a stroke's width hardly
        changes a digit, but removes the fine patterns of gradient ascent (Xu, Evans and Qi 2018, arXiv:1704.01155,
        spatial smoothing).

        Parameters
        ----------
        labels : the judge's labels of the images (N,), where they are known already
        """
        # Imported here, because it takes a fifth of a second, and most runs have no doubt.
        from scipy.ndimage import gaussian_filter

        label = self.labels(images) if labels is None else labels
        blurred = gaussian_filter(images, (0, 0, SMOOTHING, SMOOTHING), mode="constant")
        of_member = self.by_member(blurred)  # (M, N, 10)
        doubt: NDArray[np.float32] = 1 - of_member[:, np.arange(len(label)), label].min(axis=0)
        return doubt

    def __getstate__(self) -> dict[str, object]:
        """Leave out the fused networks, which are made for this processor."""
        return {name: value for name, value in vars(self).items() if name != "_fused"}

    @cached_property
    def _fused(self) -> list[Fused]:
        return [fused(network, BATCH) for network in self.networks]

    def _first(self, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute the first member's probabilities (N, 10) and features (N, F)."""
        logits, features = in_batches(self._fused[0], images, self.networks[0].head.in_features)
        return _softmax(logits, self.facts.members[0]), features

    def _unsure(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell for which of the first member's probabilities (N, 10) the others are asked, (N,)."""
        unsure: NDArray[np.bool_] = probabilities.max(1, initial=0) < self.facts.sure
        return unsure

    def _member(self, index: int, images: Images) -> NDArray[np.float32]:
        return _softmax(in_batches(self._fused[index], images)[0], self.facts.members[index])

    def _others(self, images: Images) -> list[NDArray[np.float32]]:
        return [self._member(index, images) for index in range(1, len(self.networks))]

    def mean(self, of_member: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the committee's probabilities (N, 10) from its members' (M, N, 10)."""
        return sharpened(of_member.mean(axis=0), self.facts.temperature)


def sharpened(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Raise probabilities (N, 10) to the power 1/temperature, and normalise them."""
    if temperature == 1:
        return probabilities
    powers = np.maximum(probabilities, 1e-30) ** np.float32(1 / temperature)
    normalised: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return normalised


def _softmax(logits: NDArray[np.float32], member: MemberFacts) -> NDArray[np.float32]:
    scaled = logits / np.float32(member.temperature)
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-1e30))
    probabilities: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
