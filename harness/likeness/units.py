"""Likeness of the hidden units before the picture, where weights are handed in.

Each unit adds a picture of its own, its column in the last layer. Up to their lengths these pictures survive what
changes every answer: a rotated or moved latent space, hidden units permuted or scaled, a gain of the last layer. So for
each of the units of one entry that do most, the nearest of another's is found.

Two trainings from the same first weights share them where training has changed little. That lies in the fine detail of
the columns, which is noise, and in the units that moved least; so only the lowest frequencies of the columns are kept,
units are ranked by how much of that they have, and the distance is an upper quantile. It is one of several, so that
some units can be replaced in a copy: the more of them, the nearer the rest has to be.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.types import Array, ArraySpec, Question

NAME = "likeness.units"
TITLE = "hidden units before the picture"
THRESHOLD = 0.01
"""Distance up to which weights are called copies. See docs/evidence.md."""
FAR = 0.015
"""Distance beyond which two entries are told apart by their first few units, and their distance is infinite."""
METHOD = "hidden_units"
UNITS = 1024
"""Units of a model that are kept; the conditional GAN of the coursework has so many."""
FREQUENCIES = 8
SIDE = 28
WIDTH = FREQUENCIES**2
"""Numbers of a unit."""
COMPARED = 32
"""Units, those that do most, for each of which the nearest is looked for."""
_EXCEPT = ((32, 1), (8, 10), (4, 30))
"""One in so many of these may be like none, where so many times the distance of the rest is small enough: of 32 the
second largest, 10 times the fifth or 30 times the ninth."""
_LEAST = 16
"""Units below which a model has too few to be told from others."""


def question() -> Question:
    """The optional question for the hidden units of a model that is known by its weights, in a second sitting."""
    inputs: dict[str, Array] = {"directions": directions(), "count": np.array([UNITS])}
    return Question(METHOD, inputs, {"units": ArraySpec((UNITS, WIDTH))}, optional=True, sitting=1)


def directions() -> NDArray[np.float32]:
    """The 8 × 8 lowest frequencies of pictures of 28 × 28 pixels, (784, 64): waves of a discrete cosine transform."""
    places, frequencies = np.arange(SIDE)[:, None], np.arange(FREQUENCIES)
    waves = np.cos(np.pi * (places + 0.5) * frequencies / SIDE)
    waves /= np.linalg.norm(waves, axis=0)
    found: NDArray[np.float32] = np.einsum("ai,bj->abij", waves, waves).reshape(SIDE**2, WIDTH).astype(np.float32)
    return found


def sketch(units: Array) -> dict[str, Array]:
    """Sketch units (n, 64), those that do most first: the direction of each in bytes, (n · 64,); nothing of none."""
    rows = np.asarray(units, np.float64)
    largest = np.abs(rows).max(axis=1)
    live = np.isfinite(largest) & (largest > 0)
    if live.sum() < _LEAST:
        return {}
    kept = np.zeros(rows.shape, np.int8)
    kept[: live.sum()] = np.rint(rows[live] / largest[live, None] * np.iinfo(np.int8).max)
    return {NAME: kept.reshape(-1)}


def distances(sketches: Array) -> NDArray[np.float64]:
    """Calculate the distances of all pairs of sketches (n, d): (n, n); infinite beyond `FAR`.

    One less the cosine of a unit and the nearest of the other's, of either sign; of the units that do most one of the
    largest, or a multiple of a lesser one (`_EXCEPT`), whichever is least. That of either entry's units among the
    other's, whichever is less, so that units which were added to a copy don't hide it.
    """
    if sketches.shape[1] % WIDTH:
        return np.full((len(sketches), len(sketches)), np.inf)
    # Equal sketches, such as those of a file that a whole class handed in, are compared once.
    numbers: dict[bytes, int] = {}
    inverse = np.array([numbers.setdefault(sha256(row.data).digest(), len(numbers)) for row in sketches])
    first = np.unique(inverse, return_index=True)[1]
    found = _distances(sketches[first].reshape(len(first), -1, WIDTH))
    whole: NDArray[np.float64] = found[inverse[:, None], inverse[None, :]]
    return whole


def _distances(units: NDArray[np.int8]) -> NDArray[np.float64]:
    """The same for entries (n, units, 64) that all differ.

    Of a class, only bytes are held at a time; as floats they are whole numbers, so that their products are exact.
    """
    lengths = np.stack([np.linalg.norm(_floats(one), axis=1) for one in units])
    used = max(int((lengths > 0).sum(axis=1).max(initial=0)), 1)
    units, lengths = units[:, :used], lengths[:, :used]
    scales = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    counts = np.minimum((lengths[:, :COMPARED] > 0).sum(axis=1), COMPARED)
    one_way = np.full((len(units), len(units)), np.inf)
    for other in range(len(units)):
        for own in _candidates(units, scales, counts, other):
            some = _floats(units[own, : counts[own]])
            nearest = _nearest(some, scales[own, : counts[own]], _floats(units[other]), scales[other])
            nearest.sort()
            one_way[own, other] = min(
                times * nearest[counts[own] - 1 - counts[own] // one_in] for one_in, times in _EXCEPT
            )
    both: NDArray[np.float64] = np.minimum(one_way, one_way.T)
    both[both > FAR - _ROUNDING] = np.inf
    np.fill_diagonal(both, 0)
    return both


_ROUNDING = 3e-4
"""Largest error of a multiple of a distance in single precision, by far."""
_STEPS = (9, 16, COMPARED)
"""Units that have been looked for after each step; most entries are told apart by the first nine."""
_AT_ONCE = 128
"""Entries whose units are looked for by one matrix product, so that it stays in the processor's cache."""


def _floats(units: NDArray[np.int8]) -> NDArray[np.float32]:
    return units.astype(np.float32)


def _candidates(
    units: NDArray[np.int8], scales: NDArray[np.float32], counts: NDArray[np.int64], other: int
) -> list[int]:
    """The entries, without `other` itself, of whose units no more than a copy's have none near in `other`'s."""
    across = (_floats(units[other]) * scales[other][:, None]).T
    found: list[int] = []
    for start in range(0, len(units), _AT_ONCE):
        left = np.arange(start, min(start + _AT_ONCE, len(units)))
        left = left[left != other]
        missing = np.zeros((len(_EXCEPT), len(units)), np.int64)
        for first, last in pairwise((0, *_STEPS)):
            if not len(left):
                break
            own = _floats(units[left, first:last])
            products = own.reshape(-1, WIDTH) @ across
            highest = np.maximum(products.max(axis=1), -products.min(axis=1)).reshape(own.shape[:2])
            apart = 1 - highest * scales[left, first:last]
            asked = np.arange(apart.shape[1]) + first < counts[left, None]
            may_be_copy = np.zeros(len(left), np.bool_)
            for level, (one_in, times) in enumerate(_EXCEPT):
                missing[level, left] += (asked & (times * apart > FAR)).sum(axis=1)
                may_be_copy |= missing[level, left] <= counts[left] // one_in
            left = left[may_be_copy]
        found += left.tolist()
    return found


def _nearest(
    own: NDArray[np.float32], own_scales: NDArray[np.float32], others: NDArray[np.float32], scales: NDArray[np.float32]
) -> NDArray[np.float64]:
    """One less the cosine of each unit (k, 64) and the nearest of others (m, 64), of either sign: (k,)."""
    cosines = np.abs(own @ others.T) * scales
    nearest = 1 - cosines.max(axis=1).astype(np.float64) * own_scales
    found: NDArray[np.float64] = np.maximum(nearest, 0)
    return found
