"""Tables of how often a pixel is lit, given a few pixels before it, which answer questions like a model.

They answer through `harness.sequences.derived`: their completions are drawn and their posteriors computed by the code
that any model's answers are derived by.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.sequences import derived
from harness.types import Answer, Question

SIDE = 28
PSEUDOCOUNT = 0.5
"""Added to the counts of lit and of dark pixels (Krichevsky and Trofimov 1981)."""
_AT_ONCE = 5_000
"""Training images that are counted at a time."""

Offsets = tuple[tuple[int, int], ...]
"""Pixels that a table looks at, as rows up and columns to the left of the one that is predicted."""


class Table:
    """P(pixel is lit | the values of some pixels before it), for images (N, 784) read row by row.

    Parameters
    ----------
    offsets : the pixels that are looked at; outside the image they count as dark
    lit : (783, 2 ** len(offsets)), by place and by the values seen, the first offset the least significant bit
    """

    def __init__(self, offsets: Offsets, lit: Tensor) -> None:
        self._offsets, self._lit = offsets, lit

    def start(self, n: int) -> tuple[Tensor, int]:
        """Images of which no pixel is known, and how many are."""
        return torch.zeros(n, SIDE * SIDE), 0

    def step(self, state: tuple[Tensor, int], pixel: Tensor) -> tuple[Tensor, tuple[Tensor, int]]:
        """P(next pixel is lit) (N,) once `pixel` (N,) is known."""
        probabilities, state = self.scan(state, pixel[:, None])
        return probabilities[:, 0], state

    def scan(self, state: tuple[Tensor, int], pixels: Tensor) -> tuple[Tensor, tuple[Tensor, int]]:
        """`step` for several pixels (N, T): P(next is lit) after each of them, (N, T)."""
        known, at = state
        images = known.clone()
        after = at + pixels.shape[1]
        images[:, at:after] = pixels
        places = torch.arange(at + 1, after + 1)
        return self._lit[places - 1, seen(images, self._offsets, places)], (images, after)


def seen(images: Tensor, offsets: Offsets, places: Tensor) -> Tensor:
    """The values that a table predicts the pixels at `places` (T,) from, as a number (N, T), for images (N, 784)."""
    rows, columns = places // SIDE, places % SIDE
    lit = images if images.dtype is torch.bool else images > 0.5
    number = torch.zeros(len(images), len(places), dtype=torch.int32)
    for bit, (up, left) in enumerate(offsets):
        inside = (rows >= up) & (columns >= left) & (columns - left < SIDE)
        at = ((rows - up) * SIDE + columns - left).where(inside, torch.zeros_like(rows))
        number |= (lit[:, at] & inside).int() << bit
    return number.long()


def fitted(images: NDArray[np.float32], threshold: float, offsets: Offsets, *, by_place: bool = True) -> Table:
    """The table that counting in gray images (N, 1, 28, 28) gives, one for each place or the same for all."""
    sizes = SIDE * SIDE - 1, 1 << len(offsets)
    all_seen, bright = torch.zeros(2, sizes[0] * sizes[1], dtype=torch.int64)
    places = torch.arange(1, SIDE * SIDE)
    for start in range(0, len(images), _AT_ONCE):
        lit = torch.from_numpy(images[start : start + _AT_ONCE].reshape(-1, SIDE * SIDE) > threshold)
        keys = (seen(lit, offsets, places) + (places - 1) * sizes[1]).flatten()
        all_seen += torch.bincount(keys, minlength=len(all_seen))
        bright += torch.bincount(keys[lit[:, 1:].flatten()], minlength=len(bright))
    counted, ones = all_seen.view(sizes).double(), bright.view(sizes).double()
    if not by_place:
        counted, ones = (count.sum(0, keepdim=True).expand(sizes) for count in (counted, ones))
    return Table(offsets, ((ones + PSEUDOCOUNT) / (counted + 2 * PSEUDOCOUNT)).float())


def answers(table: Table, questions: Sequence[Question]) -> list[Answer]:
    """Return a table's answers to questions about predictions, completions or posteriors."""
    return [_answer(table, question) for question in questions]


def _answer(table: Table, question: Question) -> Answer:
    method = derived.method(table, question.method)
    if method is None:
        raise ValueError(f"a table has no answer to {question.method}")
    (name,) = question.answers
    inputs = [torch.from_numpy(np.ascontiguousarray(array)) for array in question.inputs.values()]
    step = question.batch or len(inputs[0])
    parts = [method(*(array[start : start + step] for array in inputs)) for start in range(0, len(inputs[0]), step)]
    return {name: torch.cat(parts).numpy()}
