"""Calibration of a committee on held-out digits: temperatures, and the thresholds of confidence and of doubt.

Temperatures minimise the negative log-likelihood (Guo et al. 2017, arXiv:1706.04599); no test image is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from classifiers.batches import Images
from classifiers.judge import Judge, sharpened
from classifiers.network import Member
from classifiers.weights_file import Facts
from reference.augment import Distortion, distort
from reference.seeding import generator_for

Labels = NDArray[np.int64]

DOUBTED = 0.006
"""Share of held-out real digits with a doubt above the threshold; the card promises less than .01 for new ones."""
MILD = Distortion(rotation=10, log_scale=0.1, shear=0.12, shift=1.5, elastic=0.7)
"""Distortions that turn the held-out images into more, and harder, ones."""
COPIES = 6
"""Distorted copies of each held-out image."""


def calibrate(networks: Sequence[Member], facts: Facts, images: Images, labels: Labels) -> Facts:
    """Return `facts` with temperatures and thresholds from held-out images (N, 1, 28, 28) and labels (N,)."""
    members = []
    for index, member in enumerate(facts.members):
        plain = member.model_copy(update={"temperature": 1.0})
        alone = Judge([networks[index]], facts.model_copy(update={"members": (plain,), "temperature": 1.0}))
        temperature = _temperature(alone.by_member(images)[0], labels)
        members.append(member.model_copy(update={"temperature": temperature}))
    facts = facts.model_copy(update={"members": tuple(members), "temperature": 1.0})
    of_member = Judge(networks, facts).by_member(images)
    facts = facts.model_copy(update={"temperature": _temperature(of_member.mean(axis=0), labels)})
    judge = Judge(networks, facts)
    doubt = float(np.quantile(judge.doubt(images), 1 - DOUBTED))
    return facts.model_copy(update={"sure": _sure(judge, images), "doubt": doubt})


def _temperature(probabilities: NDArray[np.float32], labels: Labels) -> float:
    """Find the temperature that maximises the likelihood of labels (N,) under probabilities (N, 10)."""

    def surprise(log_temperature: float) -> float:
        own = sharpened(probabilities, float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(own.astype(np.float64), 1e-12)).mean())

    found = minimize_scalar(surprise, bounds=(-2.5, 1.5), method="bounded")
    return float(np.exp(found.x))


def _sure(judge: Judge, images: Images) -> float:
    """Find the threshold of confidence: halfway from the surest disagreement of first member and committee to 1.

    Distorted copies of the images are included.
    """
    if len(judge.networks) == 1:
        return 0.0
    generator = generator_for("calibration")
    copies = [distort(torch.from_numpy(images), generator, MILD).numpy() for _ in range(COPIES)]
    shown = np.concatenate([images, *copies])
    of_member = judge.by_member(shown)
    differs = of_member[0].argmax(1) != judge.mean(of_member).argmax(1)
    surest = of_member[0].max(1)[differs].max(initial=0.9)
    # Halfway, because the judged images come from generative models, which err in more ways than distortions do.
    return float(min((surest + 1) / 2, 0.9999))
