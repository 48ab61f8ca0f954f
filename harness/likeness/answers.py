"""Likeness of answers to the same questions.

All good answers resemble the truth, so what is compared are residuals: the answer less the truth, less the best answer
that is known to be the only one (a Bayes predictor's), or, of samples, less the mean sample of their class. The
distance of two entries is the mean square of the difference of their residuals, over the freedom of either: the mean
square of its residual, or the variance of its answers from question to question, where that is less. It is 0 for a
copy, and 2 for residuals that have nothing in common.

Answers that hardly change with the question are much alike, whoever gives them, and so are those of networks that
training has hardly moved from the first weights of a common seed. Hence the variance, and hence nothing is compared of
answers that are hardly nearer to the truth than its mean is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.likeness.distances import squared_distances
from harness.likeness.projection import NUMBERS, count_sketch
from harness.types import Array

NAME = "likeness.answers"
TITLE = "answers to the same questions"
THRESHOLD = 0.0005
"""Distance up to which predictions are called copies. Independent trainings have .0047 and more, with equal seed and
recipe, too. What was measured, and what is missed, is in docs/evidence.md."""
DRAWS, DRAWS_TITLE = "likeness.draws", "samples for the same noise"
DRAWS_THRESHOLD = 0.002
"""The same for samples. Independent trainings of conditional VAEs have .09 and more, with equal seed and recipe, too;
small VAEs after one epoch, which are mostly their first weights, .004."""
DRAWS_TAKEN = 500
"""Samples that are sketched, the first: the error of a sketch of 256 numbers is that of these numbers already."""
LEARNED = 0.2
"""Share of the squared error of the mean truth, or of the question handed back, by which answers have to be better.
Those of hardly trained networks, which may still be mostly the first weights of a common seed, are not compared."""
_NO_RESIDUAL = 1e-10
"""Mean square of a residual below which an answer is exact, and the task left it no freedom."""


def predictions(
    answers: Array,
    truth: Array,
    best: Array | None = None,
    asked: NDArray[np.bool_] | None = None,
    shown: Array | None = None,
) -> dict[str, Array]:
    """Sketch answers to questions (n, …), whose order is the same for all entries: (258,), the share of the residual
    that is the entry's freedom last. Nothing where answers are hardly better than the mean truth (`LEARNED`).

    Parameters
    ----------
    truth : the right answers
    best : answers to which all good ones come near, from which residuals are then taken in place of the truth
    asked : True where a value was asked for; all if None
    shown : the questions, where handing them back is an answer, which the answers have to be better than as well
    """
    given, true = _asked(answers, asked), _asked(truth, asked)
    with np.errstate(over="ignore", invalid="ignore"):  # huge answers are infinitely far from the truth
        residuals = given - true
        squares = _sum_of_squares(residuals)
        trivial = _variation(true, asked)
        if shown is not None:
            trivial = min(trivial, _sum_of_squares(_asked(shown, asked) - true))
        if not squares <= (1 - LEARNED) * trivial:
            return {}
    if best is not None:
        residuals = given - _asked(best, asked)
        squares = _sum_of_squares(residuals)
    share = min(1.0, _variation(given, asked) / max(squares, 1e-300))
    if asked is not None:
        whole = np.zeros(asked.shape)
        whole[asked] = residuals
        residuals = whole
    return {NAME: np.append(_sketched(residuals, squares), np.float32(share))}


def sketch(residuals: Array) -> dict[str, Array]:
    """Sketch residuals of any shape, whose order is the same for all entries: (257,), their mean square last."""
    values = np.asarray(residuals, np.float64)
    with np.errstate(over="ignore"):
        return {NAME: _sketched(values, _sum_of_squares(values))}


def _sketched(residuals: NDArray[np.float64], squares: float) -> NDArray[np.float32]:
    """The sketch of residuals, the sum of whose squares is known."""
    with np.errstate(over="ignore"):
        mean = np.float32(squares / max(residuals.size, 1))
    return np.append(count_sketch(residuals), mean)


def distances(sketches: Array) -> NDArray[np.float64]:
    """Calculate the distances of all pairs of sketches (n, 257), or (n, 258) with shares: (n, n); infinite beside an
    answer that is exact.
    """
    rows, means = sketches[:, :NUMBERS].astype(np.float64), sketches[:, NUMBERS]
    squares = squared_distances(rows)
    freedom = np.square(rows).sum(axis=1)
    if sketches.shape[1] > NUMBERS + 1:
        freedom *= sketches[:, NUMBERS + 1]
    least = np.minimum(freedom[:, None], freedom[None, :])
    exact = means < _NO_RESIDUAL
    unknown = exact[:, None] | exact[None, :] | (least <= 0)
    found: NDArray[np.float64] = np.where(unknown, np.inf, squares / np.where(least > 0, least, 1))
    return found


def samples(images: Array, labels: NDArray[np.int64] | None = None) -> dict[str, Array]:
    """Sketch samples (n, …) drawn from the same noise: less their mean, or less that of their class."""
    values = np.asarray(images[:DRAWS_TAKEN], np.float32)
    values = values.reshape(len(values), -1)
    groups = np.zeros(len(values), np.int64) if labels is None else labels[:DRAWS_TAKEN]
    residuals = values.copy()
    for group in np.unique(groups):
        own = groups == group
        residuals[own] -= values[own].mean(axis=0)
    return {DRAWS: sketch(residuals)[NAME]}


def _asked(values: Array, asked: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """The values (n, …) that were asked for: all, in their shape, or some, one after the other."""
    return (values if asked is None else values[asked]).astype(np.float64)


def _variation(found: NDArray[np.float64], asked: NDArray[np.bool_] | None) -> float:
    """The sum of squares of values as `_asked` gives them, less their mean over the questions that asked for them."""
    if asked is None:
        return _sum_of_squares(found - found.mean(axis=0))
    places = np.nonzero(asked.reshape(len(asked), -1))[1]
    means = np.bincount(places, found) / np.maximum(np.bincount(places), 1)
    return _sum_of_squares(found - means[places])


def _sum_of_squares(values: NDArray[np.float64]) -> float:
    flat = values.reshape(-1)
    return float(flat @ flat)
