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

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from classifiers import weights_file
from classifiers.network import CLASSES, Member
from classifiers.weights_file import Facts, MemberFacts

BATCH = 250
SMOOTHING = 0.8
"""Standard deviation, in pixels, of the blur in `Judge.doubt`."""

Images = NDArray[np.float32]
"""(N, 1, 28, 28), in [0, 1]."""


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
        labels: NDArray[np.int64] = self.probabilities(images).argmax(1).astype(np.int64)
        return labels

    def features(self, images: Images) -> NDArray[np.float32]:
        """Compute penultimate features of the first member, (N, F); the digest is their version."""
        return self.examine(images)[1]

    def examine(self, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute `probabilities` (N, 10) and `features` (N, F) in one pass."""
        first = self.networks[0]
        width = first.head.in_features

        def both(x: torch.Tensor) -> torch.Tensor:
            features = first.features(x)
            return torch.cat([features, first.head(features)], 1)  # (B, F + 10)

        answers = _in_batches(both, images, width + CLASSES)
        features = np.ascontiguousarray(answers[:, :width])
        probabilities = _softmax(answers[:, width:], self.facts.members[0])
        if len(self.networks) > 1:
            unsure = probabilities.max(1, initial=0) < self.facts.sure
            others = [probabilities[unsure], *self._others(images[unsure])]
            probabilities[unsure] = self.mean(np.stack(others))
        return probabilities, features

    def by_member(self, images: Images) -> NDArray[np.float32]:
        """Compute every member's calibrated probabilities, (members, N, 10)."""
        first = _in_batches(self.networks[0], images, CLASSES)
        return np.stack([_softmax(first, self.facts.members[0]), *self._others(images)])

    def committee(self, images: Images) -> NDArray[np.float32]:
        """Compute the probabilities, (N, 10), of the whole committee, even if the first member is sure."""
        return self.mean(self.by_member(images))

    def doubt(self, images: Images) -> NDArray[np.float32]:
        """Compute the doubt of each image, (N,) in [0, 1]: 1 − the members' least probability of the judge's label.

        The probability is that of the blurred image. Doubt is 0 if all members surely agree. An image made to fool one
        member leaves doubt in the others; a non-digit leaves doubt in all. A blur of less than a stroke's width hardly
        changes a digit, but removes the fine patterns of gradient ascent (Xu, Evans and Qi 2018, arXiv:1704.01155,
        spatial smoothing).
        """
        label = self.labels(images)
        blurred = gaussian_filter(images, (0, 0, SMOOTHING, SMOOTHING), mode="constant")
        of_member = self.by_member(blurred)  # (M, N, 10)
        doubt: NDArray[np.float32] = 1 - of_member[:, np.arange(len(label)), label].min(axis=0)
        return doubt

    def _others(self, images: Images) -> list[NDArray[np.float32]]:
        return [
            _softmax(_in_batches(network, images, CLASSES), member)
            for network, member in zip(self.networks[1:], self.facts.members[1:], strict=True)
        ]

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


@torch.inference_mode()
def _in_batches(function: Callable[[torch.Tensor], torch.Tensor], images: Images, width: int) -> NDArray[np.float32]:
    answers = np.empty((len(images), width), np.float32)
    for start in range(0, len(images), BATCH):
        part = torch.zeros(BATCH, 1, 28, 28)
        rows = images[start : start + BATCH]
        part[: len(rows)] = torch.from_numpy(np.ascontiguousarray(rows))
        shown = part.contiguous(memory_format=torch.channels_last)
        answers[start : start + len(rows)] = function(shown)[: len(rows)].numpy()
    return answers
