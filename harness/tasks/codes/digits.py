"""The digits that models with codes are asked about, and the size of the code that an entry is asked for."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from harness.tasks.altered import HELD_OUT, Altered
from harness.tasks.altered import altered as altered_digits
from harness.tasks.base import Context
from harness.types import Answer, Entry, Images, refuse

PIXELS = 784
MOST_NUMBERS = PIXELS
ALTERED = 1_000
"""Digits of each of the two sets that are altered."""


def code_size(entry: Entry) -> int:
    """The numbers in a code that an entry is asked for: its option `code`, which a part of an assignment states.

    Raises GradingError where there is none.
    """
    said = entry.options.get("code", "")
    if not said.isdecimal() or not 1 <= int(said) <= MOST_NUMBERS:
        raise refuse(
            "manifest",
            "code-size",
            f"The option code, the numbers in a code, is {said!r}; it must be a whole number from 1 to {MOST_NUMBERS}. "
            'Write options = { code = "10" } in submission.toml, or hand in for a part that states it.',
        )
    return int(said)


def fitted(context: Context) -> Images:
    """The training images that models are to learn from."""
    images = context.data.train.images
    return images[: len(images) - len(images) // HELD_OUT]


def altered(context: Context, task: str, images: Images) -> Altered:
    """Some of the images, in random order, each altered a little by draws of its own."""
    return altered_digits(context, task, images, ALTERED)


def shuffled(context: Context, task: str, purpose: str, n: int) -> NDArray[np.int64]:
    """A random order of n rows."""
    import torch

    order: NDArray[np.int64] = torch.randperm(n, generator=context.generator(task, purpose)).numpy()
    return order


def normal(context: Context, task: str, *purpose: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draws from N(0, 1)."""
    import torch

    drawn: NDArray[np.float32] = torch.randn(shape, generator=context.generator(task, *purpose)).numpy()
    return drawn


def uniform(context: Context, task: str, *purpose: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draws from the uniform distribution on [0, 1)."""
    import torch

    drawn: NDArray[np.float32] = torch.rand(shape, generator=context.generator(task, *purpose)).numpy()
    return drawn


def digest_of(answer: Answer) -> str:
    """The SHA-256 of an answer, for draws that nobody could know who gave it."""
    digest = hashlib.sha256()
    for name in sorted(answer):
        digest.update(name.encode() + np.ascontiguousarray(answer[name]).tobytes())
    return digest.hexdigest()


def in_order(answers: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    """Answers that were asked for in a random order, in the order of the rows."""
    sorted_answers = np.empty_like(answers)
    sorted_answers[order] = answers
    return sorted_answers
