"""Evaluation of a judge: accuracy, calibration, answers to images that are not digits, and speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from classifiers.batches import Images
from classifiers.fool import ADAPTIVE, NEW_KINDS, Attempt, attempts, halves, not_digits
from classifiers.judge import Judge
from classifiers.weights_file import parameters

Labels = NDArray[np.int64]


def expected_calibration_error(probabilities: NDArray[np.float32], labels: Labels, bins: int = 15) -> float:
    """Compute the mean gap between confidence and accuracy over equally wide bins, weighted by their counts.

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


def throughput(ask: Callable[[Images], object], images: Images, repeats: int = 3) -> float:
    """Measure images a second: the median of `repeats` passes of `ask`, after a warm-up over 1,000 images."""
    ask(images[:1000])
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        ask(images)
        seconds.append(time.perf_counter() - start)
    return len(images) / float(np.median(seconds))


def plain_example() -> Callable[[Images], NDArray[np.int64]]:
    """Construct the network with which a judge's speed is compared, untrained, asked in batches of 1,000.

    PyTorch's introductory MNIST program: two 3 x 3 convolutions (32 and 64 channels, unpadded), a pooling and two
    linear layers, 1,199,882 weights. Its answers are not used; untrained weights take as long as trained ones.
    """
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    ).eval()

    @torch.inference_mode()
    def ask(images: Images) -> NDArray[np.int64]:
        return torch.cat([network(part).argmax(1) for part in torch.split(torch.from_numpy(images), 1000)]).numpy()

    return ask


def evaluate(
    judge: Judge, images: Images, labels: Labels, digits: Images, digit_labels: Labels, attacked: int = 100
) -> dict[str, Any]:
    """Measure the figures of a judge's model card.

    Parameters
    ----------
    images, labels : test images (N, 1, 28, 28) in [0, 1] and labels (N,)
    digits, digit_labels : digits from another data set, on which no member was trained
    attacked : number of images from which each attack on each member starts
    """
    probabilities = judge.probabilities(images)
    of_member = judge.by_member(images)
    committee = judge.mean(of_member)
    strange = not_digits(images, np.random.default_rng(0))
    confidence = {kind: float(judge.committee(some).max(axis=1).mean()) for kind, some in strange.items()}
    own_speed, plain_speed = throughput(judge.labels, images), throughput(plain_example(), images)
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
        "new_kinds_confidence": float(np.mean([confidence[kind] for kind in NEW_KINDS])),
        "half_digits": part,
        **optimised_flagged(judge, images[:attacked], labels[:attacked]),
        "real_digits_flagged": float((judge.doubt(images) > judge.facts.doubt).mean()),
        "first_member_decides": float((of_member[0].max(1) >= judge.facts.sure).mean()),
        "first_member_agrees": float((probabilities.argmax(1) == committee.argmax(1)).mean()),
        "images_per_second": own_speed,
        "times_plain_example": own_speed / plain_speed,
        "weights": sum(parameters(network) for network in judge.networks),
        "sha256": judge.digest,
    }


def optimised_flagged(judge: Judge, images: Images, labels: Labels) -> dict[str, Any]:
    """Measure how often the committee flags images optimised against one member, by a doubt above real digits'.

    Returns
    -------
    `optimised_flagged`, the share of flagged images among those that the attacked member classifies as intended;
    `adaptive_flagged`, the same for attacks through the judge's own blur, which the first excludes;
    `optimised`, for each member and attack the counts of images tried, of successful ones, and of flagged ones among
    the successful and among all
    """
    of_attack: dict[str, dict[str, int]] = {}
    for facts, network in zip(judge.facts.members, judge.networks, strict=True):
        for start, attempt in attempts(network, images, labels).items():
            of_attack[f"{facts.name}, {start}"] = _outcome(judge, attempt)
    adaptive = [outcome for name, outcome in of_attack.items() if name.endswith(ADAPTIVE)]
    plain = [outcome for name, outcome in of_attack.items() if not name.endswith(ADAPTIVE)]
    return {"optimised_flagged": _pooled(plain), "adaptive_flagged": _pooled(adaptive), "optimised": of_attack}


def _pooled(outcomes: Sequence[Mapping[str, int]]) -> float | None:
    """Compute the share of flagged images among the successful ones; None if there are none."""
    reached = sum(outcome["reached"] for outcome in outcomes)
    return sum(outcome["flagged_of_reached"] for outcome in outcomes) / reached if reached else None


def _outcome(judge: Judge, attempt: Attempt) -> dict[str, int]:
    flagged = judge.doubt(attempt.images) > judge.facts.doubt
    return {
        "tried": len(flagged),
        "reached": int(attempt.reached.sum()),
        "flagged_of_reached": int((flagged & attempt.reached).sum()),
        "flagged": int(flagged.sum()),
    }
