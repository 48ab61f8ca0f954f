"""Samples as honest models and cheats hand them in: real digits, shipped models, few images, optimised ones, copies."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers import fool
from classifiers.network import Member
from harness.types import Images
from reference import shipped
from tests.data import mnist_digits

CLASSES = 10
Drawn = tuple[Images, NDArray[np.int64]]
"""Images (N, 1, 28, 28) and the digits that were asked for (N,), cycling 0 … 9."""


def by_class(images: Images, labels: NDArray[np.int64], each: int, seed: int = 0) -> Drawn:
    """`each` of the images of every digit, drawn without repetition."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.permutation(np.flatnonzero(labels == digit))[:each] for digit in range(CLASSES)], axis=1)
    return images[rows.ravel()], np.tile(np.arange(CLASSES), each)


def real(each: int, test: bool = True) -> Drawn:
    """Digits of the test or of the training set."""
    split = mnist_digits().test if test else mnist_digits().train
    return by_class(split.images, split.labels, each)


def few(each: int, modes: int, shift: int = 0, noise: float = 0.0) -> Drawn:
    """`modes` images of each digit, again and again, moved by up to `shift` pixels, with noise."""
    rng = np.random.default_rng(modes)
    some, _ = real(modes, test=False)
    labels = np.tile(np.arange(CLASSES), each)
    images = some[rng.integers(0, modes, len(labels)) * CLASSES + labels]
    return disturbed(images, rng, shift, noise), labels


def disturbed(images: Images, rng: np.random.Generator, shift: int = 0, noise: float = 0.0) -> Images:
    """Each image moved by up to `shift` pixels along both axes, with noise of this standard deviation, in [0, 1]."""
    moves = rng.integers(-shift, shift + 1, (len(images), 2)).tolist()
    moved = np.stack([np.roll(image, tuple(move), (1, 2)) for image, move in zip(images, moves, strict=True)])
    return (moved + noise * rng.standard_normal(moved.shape)).clip(0, 1).astype(np.float32)


@cache
def model(name: str, each: int) -> Drawn:
    """Samples of a shipped conditional model."""
    labels = torch.arange(each * CLASSES) % CLASSES
    noise = torch.randn(len(labels), 100, generator=torch.Generator().manual_seed(1))
    images = shipped.sampler(name)(noise, torch.nn.functional.one_hot(labels, CLASSES).float())
    return images.numpy(), labels.numpy()


@cache
def unconditional(name: str, n: int) -> Images:
    """Samples of a shipped model that takes noise alone."""
    module = shipped.module(name)
    noise = torch.randn(n, module.noise_dimension, generator=torch.Generator().manual_seed(1))  # type: ignore[call-overload]  # an int
    with torch.inference_mode():
        images: Images = module.sample(noise).numpy()  # type: ignore[operator]  # a method
    return images


class _Committee(torch.nn.Module):
    """The mean of the members' logits."""

    def __init__(self, members: tuple[Member, ...]) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(members)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([member(images) for member in self.members]).mean(0)


def optimised(members: tuple[Member, ...], each: int, steps: int = 30) -> Drawn:
    """Noise, optimised until all members, plain and through the blur of their doubt, read it as asked."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(CLASSES), each)
    noise = rng.random((len(labels), 1, 28, 28), np.float32) * 0.5
    network = _Committee(members)
    return fool.optimised(network, noise, labels, steps, 0.05, blurred_too=True), labels  # type: ignore[arg-type]  # called alike
