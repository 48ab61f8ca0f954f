"""Images made to fool a judge: non-digits, and images optimised until one member classifies them as wanted.

Nguyen, Yosinski and Clune 2015, "Deep neural networks are easily fooled", arXiv:1412.1897: gradient ascent on the
pixels towards one network's probability of a label, from noise and from digits of another class. Athalye, Carlini and
Wagner 2018, arXiv:1802.00420: a defence has to be tested against attackers who know it, so one of the attacks optimises
through the blur that the judge's doubt uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from classifiers.judge import SMOOTHING
from classifiers.network import CLASSES, Member

Images = NDArray[np.float32]

NEW_KINDS = ("lattices",)
"""Kinds of `not_digits` that no member saw in training; the other kinds resemble `classifiers.outliers`."""

ADAPTIVE = "from other digits, through the blur"
"""Name of the attack that knows how the judge's doubt is computed."""


@dataclass(frozen=True)
class Attempt:
    """Result of gradient ascent against one member."""

    images: Images
    """(N, 1, 28, 28) in [0, 1]."""
    reached: NDArray[np.bool_]
    """True for the images that the member classifies as wanted, (N,)."""


def not_digits(images: Images, generator: np.random.Generator) -> dict[str, Images]:
    """Draw non-digits by kind, each (n, 1, 28, 28) in [0, 1]; some are made from digits (N, 1, 28, 28)."""
    n = min(500, len(images))
    some = images[:n]
    shuffled = some.reshape(n, 784)[:, generator.permutation(784)].reshape(n, 1, 28, 28)
    levels = np.linspace(0.1, 1, 10, dtype=np.float32)
    return {
        "blank": np.zeros((1, 1, 28, 28), np.float32),
        "constant": np.broadcast_to(levels[:, None, None, None], (10, 1, 28, 28)).copy(),
        "noise": generator.random((n, 1, 28, 28), np.float32),
        "sparse noise": (generator.random((n, 1, 28, 28)) < 0.19).astype(np.float32),
        "pixels shuffled": shuffled,
        "inverted": 1 - some,
        "lattices": _lattices(n, generator),
    }


def halves(images: Images) -> dict[str, Images]:
    """Blank one half of each digit (N, 1, 28, 28); the rest is ambiguous, but sometimes readable."""
    upper, lower = images.copy(), images.copy()
    upper[:, :, 14:] = 0
    lower[:, :, :14] = 0
    return {"upper halves": upper, "lower halves": lower}


def _lattices(n: int, generator: np.random.Generator) -> Images:
    """Draw two to four vertical or horizontal bars across the middle: letter-like strokes such as H, E, #."""
    images = np.zeros((n, 1, 28, 28), np.float32)
    for image in images:
        for level in generator.permutation([True, True, False, False])[: generator.integers(2, 5)]:
            at = generator.integers(5, 21)
            if level:
                image[0, at : at + 3, 5:23] = 1
            else:
                image[0, 5:23, at : at + 3] = 1
    return images


def optimised(
    network: Member,
    start: Images,
    labels: NDArray[np.int64],
    steps: int = 80,
    rate: float = 0.05,
    blurred_too: bool = False,
) -> Images:
    """Optimise images (N, 1, 28, 28) in [0, 1] from `start` so that `network` classifies each as its label (N,).

    Adam on the pixels, clipped to [0, 1] after each step.

    Parameters
    ----------
    blurred_too : also optimise the network's answer to the blurred image
    """
    images = torch.from_numpy(start.copy()).requires_grad_()
    wanted = torch.from_numpy(labels)
    optimizer = torch.optim.Adam([images], rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(images), wanted, reduction="sum")
        if blurred_too:
            loss = loss + functional.cross_entropy(network(_blurred(images)), wanted, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            images.clamp_(0, 1)
    return images.detach().numpy()


def _blurred(images: torch.Tensor) -> torch.Tensor:
    """Apply the judge's blur to images (N, 1, H, W), with gradients."""
    reach = int(4 * SMOOTHING + 0.5)
    line = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * SMOOTHING**2))
    kernel = line[:, None] * line / line.sum() ** 2
    return functional.conv2d(images, kernel[None, None], padding=reach)


def attempts(network: Member, digits: Images, labels: NDArray[np.int64], seed: int = 0) -> dict[str, Attempt]:
    """Optimise images against `network` by each attack: from noise, from digits of another class, through the blur."""
    generator = np.random.default_rng(seed)
    n = min(100, len(digits))
    targets = generator.integers(0, CLASSES, n)
    others = (labels[:n] + generator.integers(1, CLASSES, n)) % CLASSES
    noise = generator.random((n, 1, 28, 28), np.float32) * 0.5
    return {
        "from noise": _attempt(network, noise, targets),
        "from other digits": _attempt(network, digits[:n], others),
        ADAPTIVE: _attempt(network, digits[:n], others, blurred_too=True),
    }


def _attempt(network: Member, start: Images, wanted: NDArray[np.int64], blurred_too: bool = False) -> Attempt:
    images = optimised(network, start, wanted, blurred_too=blurred_too)
    with torch.inference_mode():
        read = network(torch.from_numpy(images)).argmax(1).numpy()
    return Attempt(images, read == wanted)
