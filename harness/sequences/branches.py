"""Computes exact posteriors of missing pixels with a stepwise model, by branching at each of them.

p(missing | rest) ∝ p(whole sequence), over all 2ᵏ values of k missing pixels. A pixel that comes later is no less
evidence than one that came before, so every term from the first missing pixel to the last one of the image counts; a
recurrent state may remember for ever, so no completion can be left off early. The work that completions share is done
once: an image is read once up to its first missing pixel, and the number of its rows doubles at each missing one.
Images are processed together in the order of their first missing pixel.

Rows never mix, so the result depends neither on which are computed together nor on how many threads compute.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.sequences.missing import ROWS, missing_positions, with_both_values
from harness.sequences.probabilities import log_likelihood
from harness.sequences.stepwise import Stepwise


def missing_posterior(source: Stepwise, images: Tensor) -> Tensor:
    """Log p(missing pixels | the others), (N, 2ᵏ); see `derived.method`."""
    positions = missing_positions(images)  # (N, k)
    k = positions.shape[1]
    posterior = images.new_empty(len(images), 1 << k)

    def answer(job: tuple[_Branches, Tensor]) -> None:
        branches, rows = job
        with torch.no_grad():  # a thread does not inherit it
            for pixel in positions[rows].unbind(1):
                branches.read_to(int(pixel.min()))
                branches.branch(pixel)
            posterior[rows] = branches.to_the_end().view(len(rows), -1).log_softmax(1).float()

    threads = processors() if source.allows_threads else 1
    for together in torch.split(positions[:, 0].argsort(stable=True), ROWS):
        parts = torch.split(together, max(1, ROWS >> k))
        with ThreadPoolExecutor(threads) as pool:
            # Each part is on its way as soon as it is read. Listing the results raises what any of them raised.
            list(pool.map(answer, _read_until_missing(source, images, positions, parts)))
    return posterior


def processors() -> int:
    """Number of processors that this process may use, at least 1."""
    return max(1, len(os.sched_getaffinity(0)))


def _read_until_missing(
    source: Stepwise, images: Tensor, positions: Tensor, parts: Sequence[Tensor]
) -> Iterator[tuple[_Branches, Tensor]]:
    """Each of `parts`, read up to its first missing pixel together with the parts after it.

    `parts` are row numbers in the order of their first missing pixel.
    """
    rest = _Branches.start(source, images[torch.cat(list(parts))])
    for part in parts:
        rest.read_to(int(positions[part[0], 0]))
        first, rest = rest.cut(len(part))
        yield first, part


@dataclass
class _Branches:
    """Sequences that are read together, pixel by pixel, and that double where a pixel is missing."""

    _source: Stepwise
    _pixels: Tensor
    _state: Any
    _total: Tensor
    """Log p of what is read, (rows,), double."""
    _read: int = 0
    """Number of pixels read."""
    _following: Tensor | None = None
    """P(next pixel = 1), (rows,), once a pixel is read."""

    @classmethod
    def start(cls, source: Stepwise, images: Tensor) -> _Branches:
        """Images (N, T) of which nothing is read yet."""
        return cls(source, images, source.start(len(images)), torch.zeros(len(images), dtype=torch.float64))

    def cut(self, n: int) -> tuple[_Branches, _Branches]:
        """The first n rows, and the others."""
        return self._rows(torch.arange(n)), self._rows(torch.arange(n, len(self._pixels)))

    def _rows(self, rows: Tensor) -> _Branches:
        following = None if self._following is None else self._following[rows]
        state = self._source.select(self._state, rows, len(self._pixels))
        return _Branches(self._source, self._pixels[rows], state, self._total[rows], self._read, following)

    def read_to(self, position: int) -> None:
        """Reads the pixels before `position`."""
        if position <= self._read:
            return
        pixels = self._pixels[:, self._read : position]
        found, self._state = self._source.scan(self._state, pixels.contiguous())
        self._count(pixels[:, :1])
        self._total += log_likelihood(found[:, :-1], pixels[:, 1:]).sum(1)
        self._following, self._read = found[:, -1], position

    def branch(self, positions: Tensor) -> None:
        """Replaces each row by two, with 0 and with 1 at `positions` (images,), which no row has read yet."""
        n = len(self._pixels)
        self._pixels = with_both_values(self._pixels, positions)
        rows = torch.arange(n).repeat_interleave(2)
        self._state = self._source.select(self._state, rows, n)
        self._total = self._total[rows]
        if self._following is not None:
            self._following = self._following[rows]

    def to_the_end(self) -> Tensor:
        """Log p of the sequences (rows,), up to a term that all rows of an image have in common."""
        last = self._pixels.shape[1] - 1
        self.read_to(last)
        self._count(self._pixels[:, last:])
        return self._total

    def _count(self, pixel: Tensor) -> None:
        """Adds the term of the pixel (rows, 1) that follows what is read."""
        if self._following is not None:
            self._total += log_likelihood(self._following[:, None], pixel)[:, 0]
