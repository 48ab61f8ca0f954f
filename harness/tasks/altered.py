"""Digits by which a memory of the test set shows: altered test digits, held-out training digits, and these altered.

Draws are hidden (`Context.hidden`): a model can't be handed in that has learnt the altered digits, too.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.metrics.warped import SLIGHT, STRONG, Warp, warped
from harness.tasks.base import Context
from harness.types import Images

Values = NDArray[np.float64]
HELD_OUT = 10
"""One in so many training images, the last ones, is for validation: 6,000 of MNIST's, as on the IST sheet."""
_MOST_KEPT = 12
"""Sets of altered digits that are kept: two of each task with codes, for three seeds."""


@dataclass(frozen=True)
class Altered:
    """Altered digits, and the rows of the set that they were."""

    rows: NDArray[np.int64]
    images: Images


@dataclass(frozen=True)
class Probe:
    """Altered test digits, held-out training digits and the same altered, n of each, in random order."""

    test_rows: NDArray[np.int64]
    """Rows (n,) of the test images that were altered."""
    images: Images
    """(3 n, 1, 28, 28)"""
    order: NDArray[np.int64]

    def split(
        self, values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Values (3 n,) of the images: those of altered test digits, of held-out digits, of altered held-out digits."""
        rows = np.empty_like(values)
        rows[self.order] = values
        first, second, third = np.split(rows, 3)
        return first, second, third


_lock = threading.Lock()
_kept: dict[tuple[object, ...], Altered] = {}
"""By secret or seed, task, number, warp and digest of the images."""


def held_out(context: Context) -> Images:
    """The training images that are for validation."""
    images = context.data.train.images
    return images[len(images) - len(images) // HELD_OUT :]


def altered(context: Context, task: str, images: Images, count: int, warp: Warp = SLIGHT) -> Altered:
    """`count` of the images, or all of fewer, in random order, each altered by draws of its own.

    They are kept, since they take seconds, and questions and marks of every entry need them.
    """
    import torch

    source = context.seed if context.secret is None else context.secret.digest
    key = source, task, count, warp, hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
    with _lock:
        if key not in _kept:
            generator = context.hidden(task, "altered", len(images))
            rows = torch.randperm(len(images), generator=generator)[:count].numpy()
            if len(_kept) >= _MOST_KEPT:
                _kept.pop(next(iter(_kept)))
            _kept[key] = Altered(rows, warped(images[rows], generator, warp))
            _kept[key].images.flags.writeable = False
        return _kept[key]


def probe(context: Context, task: str, tested: Images, count: int) -> Probe:
    """Strongly altered digits of the `tested` images and of held-out training images, and the latter as they are."""
    import torch

    held = held_out(context)
    count = min(count, len(tested), len(held))
    of_test, of_training = (altered(context, task, images, count, STRONG) for images in (tested, held))
    order: NDArray[np.int64] = torch.randperm(3 * count, generator=context.hidden(task, "order of altered")).numpy()
    images = np.concatenate([of_test.images, held[of_training.rows], of_training.images])[order]
    return Probe(of_test.rows, images, order)
