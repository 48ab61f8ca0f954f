"""Compares the entries of a board two by two, by their scores for the same questions.

Scores that are all 0 or 1 are compared by McNemar's exact test (Q. McNemar 1947, Psychometrika 12(2)): of the questions
that one entry answers rightly and the other wrongly, either has half, if they are equal. All others are compared by the
paired t test, and by Hall's transformation of its statistic, which takes out what the skewness of the differences does
to it (P. Hall 1992, "On the removal of skewness by transformation", JRSS B 54(1)); the larger p-value counts, since
either test alone is wrong too often for 100 skewed differences. All pairs come from a few products of matrices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.ranking import holm

Row = NDArray[np.float32] | NDArray[np.float64]
Scores = Sequence[Row]
"""Scores (q,) of each of n entries for the same q questions."""
_QUESTIONS = 2048
"""Questions whose centred scores are held in memory at a time."""
_ENTRIES = 256
"""Entries whose differences from all others are held in memory at a time."""
_NEARLY_EQUAL = 1e-8
"""Variance of a difference, relative to those of the two scores, below which products of matrices lose its digits."""


def better(scores: Scores, higher: bool, level: float = holm.LEVEL) -> NDArray[np.bool_]:
    """Tell which entries are better than which others: (n, n), True where the row's entry is better than the column's.

    By Holm's procedure over all pairs: the chance that any two are told apart that are equal is at most `level`.
    A difference that is the same for all questions, as of equal answers or of a single question, is none.

    Parameters
    ----------
    scores : of each entry, in the order of the same questions; finite
    higher : True where higher scores are better
    """
    n = len(scores)
    result = np.zeros((n, n), dtype=np.bool_)
    if n < 2 or len(scores[0]) < 2:
        return result
    binary = all(((row == 0) | (row == 1)).all() for row in scores)
    lead, chance = _mcnemar(scores) if binary else _student(scores)
    first, second = np.triu_indices(n, 1)
    told = holm.rejected(chance[first, second], level)
    first, second = first[told], second[told]
    ahead = (lead[first, second] > 0) == higher
    result[np.where(ahead, first, second), np.where(ahead, second, first)] = True
    return result


def _mcnemar(scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Calculate by how many right answers each entry leads each other (n, n), and the two-sided p-values (n, n)."""
    from scipy.special import bdtr

    both = np.zeros((len(scores), len(scores)))
    for start in range(0, len(scores[0]), _QUESTIONS):
        right = np.stack([row[start : start + _QUESTIONS] for row in scores]).astype(np.float32)  # (n, questions)
        both += right @ right.T
    alone = both.diagonal()[:, None] - both  # right where the column's entry is wrong
    fewer, differ = np.minimum(alone, alone.T), alone + alone.T
    return alone - alone.T, np.minimum(1.0, 2 * bdtr(fewer, differ.astype(np.int64), 0.5))


def _student(scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Calculate by how much each entry's mean leads each other's (n, n), and the two-sided p-values (n, n)."""
    n, questions = len(scores), len(scores[0])
    means = np.zeros(n)
    for block in _centred(scores):
        means += block.sum(axis=1)
    means /= questions
    squares, cubes = np.zeros((n, n)), np.zeros((n, n))  # Σ yᵢ yⱼ and Σ yᵢ² yⱼ
    for block in _centred(scores):
        block -= means[:, None]
        squares += block @ block.T
        cubes += block**2 @ block.T
    lead = means[:, None] - means
    chance = np.ones((n, n))
    own, own_cubes = squares.diagonal(), cubes.diagonal()
    rounding = np.array([_rounding(row) for row in scores])
    same = np.unique([hashlib.sha256(row.tobytes()).hexdigest() for row in scores], return_inverse=True)[1]
    for start in range(0, n, _ENTRIES):
        rows = slice(start, start + _ENTRIES)
        scale = own[rows, None] + own
        second = scale - 2 * squares[rows]  # Σ (yᵢ − yⱼ)²
        third = own_cubes[rows, None] - 3 * cubes[rows] + 3 * cubes.T[rows] - own_cubes  # Σ (yᵢ − yⱼ)³
        known = second > _NEARLY_EQUAL * scale
        differ = known & (second > np.maximum(rounding[rows, None], rounding))
        chance[rows][differ] = _chances(lead[rows][differ], second[differ], third[differ], questions)
        unknown = np.triu(~known & (same[rows, None] != same), start + 1)
        for entry in np.flatnonzero(unknown.any(axis=1)):
            others = np.flatnonzero(unknown[entry])
            found = _directly(scores, start + int(entry), others)
            chance[start + entry, others] = chance[others, start + entry] = found
    return lead, chance


def _centred(scores: Scores) -> Iterator[NDArray[np.float64]]:
    """Yield the scores of all entries less their mean, in blocks (n, questions): what questions have in common goes."""
    for start in range(0, len(scores[0]), _QUESTIONS):
        block = np.stack([row[start : start + _QUESTIONS] for row in scores]).astype(np.float64)
        yield block - block.mean(axis=0)


def _rounding(row: Row) -> float:
    """Return the sum of squares that differences of scores (q,) may have from rounding to single precision."""
    return float(np.finfo(np.float32).eps ** 2 * np.square(row, dtype=np.float64).sum())


def _directly(scores: Scores, entry: int, others: NDArray[np.intp]) -> NDArray[np.float64]:
    """Calculate the p-values (m,) of an entry's differences from `others` (m,), whose scores are nearly its own."""
    own = scores[entry].astype(np.float64)
    chance = np.ones(len(others))
    for place, other in enumerate(others):
        difference = own - scores[other]
        mean = difference.mean()
        difference -= mean
        second = float(difference @ difference)
        if second > max(_rounding(own), _rounding(scores[other])):
            third = float(difference**2 @ difference)
            chance[place] = _chances(mean, np.array(second), np.array(third), len(own))
    return chance


def _chances(
    lead: NDArray[np.float64], second: NDArray[np.float64], third: NDArray[np.float64], questions: int
) -> NDArray[np.float64]:
    """Calculate two-sided p-values of mean differences, from the sums of the squares and cubes of their deviations."""
    from scipy.special import stdtr

    statistic = lead * np.sqrt(questions * (questions - 1) / second)
    skewness = third / questions / (second / questions) ** 1.5
    a = skewness / np.sqrt(questions)
    straight = statistic + a * (statistic**2 / 3 + 1 / 6) + a**2 * statistic**3 / 27
    least = np.minimum(np.abs(statistic), np.abs(straight))
    agreed = np.where(np.sign(statistic) == np.sign(straight), least, 0.0)
    chances: NDArray[np.float64] = 2 * stdtr(questions - 1, -agreed)
    return chances
