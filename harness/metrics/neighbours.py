"""Exact nearest neighbours by Euclidean distance, in the time of a matrix product and in little memory.

Candidates come from lower bounds of the distances, by a product in single precision; whatever rounding could have
hidden is a candidate, too. Distances of candidates are computed anew in double precision, so that results are exact,
and the same bits for any size of the blocks, number of threads and order of the queries.

For vectors of many dimensions the bound is the distance after an orthogonal projection on r principal directions, with
the length of the rest as one more coordinate: for x = (p, q), |x − x'|² ≥ |p − p'|² + (|q| − |q'|)², by the reverse
triangle inequality. Images of digits have about 20 candidates among MNIST's 60,000 for r = 96, and the product is an
eighth of the full one. Queries about which the bound says little, noise for example, are asked with all coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.metrics.one_thread import one_thread

Values = NDArray[np.float32]
"""Vectors (N, D)."""
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows and columns (P,) of pairs of query and point, in order of the rows."""

_CELLS = 1 << 22
"""Distances that are held in memory at a time, 4 bytes each: few enough for a processor's cache."""
_GROUPS = 64
"""Least number of groups of points whose minima bound the k-th smallest distance."""
_DIRECTIONS = 96
"""Principal directions of the lower bound, for vectors of more than twice as many dimensions."""
_SAMPLE = 4_000
"""Points from which the principal directions are computed."""
_MANY = 1_000
"""Mean number of candidates of a query from which all coordinates are used."""
_ROWS = 2_000
"""Vectors that are held in double precision at a time."""


class Neighbours(NamedTuple):
    """The k nearest points of each query, nearest first; of equally near ones, the first."""

    indices: NDArray[np.int64]
    """(N, k)"""
    distances: NDArray[np.float64]
    """(N, k)"""


class Points:
    """Points (M, D) among which neighbours are looked for, prepared once for many questions.

    Parameters
    ----------
    values : finite; kept, not copied
    """

    def __init__(self, values: Values) -> None:
        self.values = np.ascontiguousarray(values, np.float32)
        count, width = self.values.shape
        self._centre: NDArray[np.float64] = self.values.mean(axis=0, dtype=np.float64)
        self._directions: NDArray[np.float64] | None = None
        if width > 2 * _DIRECTIONS and count > width:
            some = self.values[:: max(1, count // _SAMPLE)].astype(np.float64) - self._centre
            with one_thread():
                self._directions = np.linalg.eigh(some.T @ some)[1][:, -_DIRECTIONS:]  # (D, r), orthonormal
        self._bounding = _Factor(self._reduced(self.values))
        self._whole: _Factor | None = None

    def nearest(self, queries: Values, k: int = 1, *, themselves: bool = False) -> Neighbours:
        """Find the k nearest points of each query (N, D).

        Parameters
        ----------
        themselves : the queries are the points, in the same order; none is its own neighbour

        Raises
        ------
        ValueError
            if there are fewer than k points to choose from
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if not 0 < k <= len(self.values) - themselves:
            raise ValueError(f"{k} neighbours among {len(self.values) - themselves} points")
        indices, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
        for part, bounds, slack in self._bounding.squares(self._reduced(queries)):
            asked = queries[part]
            if themselves:
                bounds[np.arange(len(asked)), np.arange(len(asked)) + part.start] = np.inf
            if k == 1:
                rows = np.arange(len(asked))
                closest = bounds.argmin(axis=1)
                first, pairs = bounds[rows, closest], (rows, closest)
            else:
                first = _kth(bounds, k)
                pairs = _pairs(bounds <= first[:, None])
            limit = first + np.float32(2 * slack)
            if self._directions is not None:
                # Points that the bound puts first are near: their distances bound those of the k nearest from above.
                near = _ranked(asked, self.values, pairs, k)[1][:, -1]
                limit = _up(near + slack)
            likely = bounds <= limit[:, None]
            if np.count_nonzero(likely) > max(_MANY, 2 * k) * len(asked) and self._directions is not None:
                likely = self._by_all_coordinates(asked, k, part.start if themselves else None)
            indices[part], squares = _ranked(asked, self.values, _pairs(likely), k)
            distances[part] = np.sqrt(squares)
        return Neighbours(indices, distances)

    def weight_within(self, queries: Values, radius: float, weights: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sum the weights (M,) of the points at most a radius away from each query (N, D): (N,)."""
        queries = np.ascontiguousarray(queries, np.float32)
        found = np.zeros(len(queries), np.int64)
        for part, bounds, slack in self._bounding.squares(self._reduced(queries)):
            asked = queries[part]
            likely = bounds <= _up(np.array(radius**2 + slack))
            if np.count_nonzero(likely) > _MANY * len(asked):
                likely = self._within_by_all_coordinates(asked, radius)
                found[part] = likely @ weights
                continue
            rows, columns = _pairs(likely)
            near = _exact(asked, self.values, rows, columns) <= radius**2
            found[part] = np.bincount(rows[near], weights[columns[near]], minlength=len(asked)).astype(np.int64)
        return found

    def _within_by_all_coordinates(self, queries: Values, radius: float) -> NDArray[np.bool_]:
        """The pairs (n, M) that are at most a radius apart."""
        centre = self._centre.astype(np.float32)
        if self._whole is None:
            self._whole = _Factor(self.values, centre)
        within = np.empty((len(queries), len(self.values)), bool)
        for part, squares, slack in self._whole.squares(queries - centre):
            within[part] = _within(squares, queries[part], self.values, np.array([[radius]]), slack)
        return within

    def _by_all_coordinates(self, queries: Values, k: int, own: int | None) -> NDArray[np.bool_]:
        """The pairs (n, M) that may be among the k nearest; `own` is the place of the queries among the points."""
        centre = self._centre.astype(np.float32)
        if self._whole is None:
            self._whole = _Factor(self.values, centre)
        likely = np.empty((len(queries), len(self.values)), bool)
        for part, squares, slack in self._whole.squares(queries - centre):
            if own is not None:
                rows = np.arange(part.start, part.stop)
                squares[rows - part.start, rows + own] = np.inf
            likely[part] = squares <= (_kth(squares, k) + np.float32(2 * slack))[:, None]
        return likely

    def _reduced(self, values: Values) -> Values:
        """Coordinates (N, r + 1) whose distances are no larger than those of the vectors; else all of theirs."""
        if self._directions is None:
            return values - self._centre.astype(np.float32)
        reduced = np.empty((len(values), _DIRECTIONS + 1), np.float32)
        for start in range(0, len(values), _ROWS):
            centred = values[start : start + _ROWS].astype(np.float64)
            centred -= self._centre
            along = centred @ self._directions  # (n, r)
            rest = np.einsum("nd,nd->n", centred, centred) - np.einsum("nr,nr->n", along, along)
            reduced[start : start + _ROWS, :-1] = along
            reduced[start : start + _ROWS, -1] = np.sqrt(np.maximum(rest, 0))
        return reduced


class _Factor:
    """Vectors y (M, r), less a centre (r,), as one factor of squared distances |x|² − 2 x·y + |y|² from others x."""

    def __init__(self, values: Values, centre: Values | None = None) -> None:
        import torch

        # (M, r + 2); the other factor's rows are (−2 x, 1, |x|²).
        rows = np.ones((len(values), values.shape[1] + 2), np.float32)
        for start in range(0, len(values), _ROWS):
            part = values[start : start + _ROWS]
            centred = part if centre is None else part - centre  # in blocks, so that vectors are not held twice
            rows[start : start + _ROWS, :-2] = centred
            rows[start : start + _ROWS, -2] = _squared_lengths(centred)
        self._longest = float(rows[:, -2].max(initial=0)) ** 0.5
        self._factor = torch.from_numpy(rows)

    def squares(self, queries: Values) -> Iterator[tuple[slice, Values, float]]:
        """Yield the squared distances of each block of queries (N, r), in single precision.

        Returns
        -------
        the block's rows; squares (n, M), which may be changed; and a bound of their rounding error.
        N. J. Higham 2002, "Accuracy and stability of numerical algorithms", eq. 3.5: in any order of summation a sum of
        K products errs by at most K u / (1 − K u) times the sum of their sizes, here (|x| + |y|)² at most. Eight more
        units are for the rounding of the coordinates and of their lengths.
        """
        import torch

        from reference.products import linear

        lengths = _squared_lengths(queries)
        rows = np.hstack([-2 * queries, np.ones_like(lengths[:, None]), lengths[:, None]])
        count, terms = self._factor.shape
        slack = (terms + 8) * 2.0**-24 * 1.01 * (self._longest + float(lengths.max(initial=0)) ** 0.5) ** 2
        step = max(1, _CELLS // max(count, 1))
        for start in range(0, len(rows), step):
            part = slice(start, min(start + step, len(rows)))
            with torch.no_grad():
                block = linear(torch.from_numpy(rows[part]), self._factor)
            yield part, block.numpy(), slack


def pairs_within(
    queries: Values, points: Values, radii: Sequence[NDArray[np.float64]]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Count the pairs of query and point whose distance is at most a radius, for several sets of radii.

    Parameters
    ----------
    queries, points : (N, D), (M, D)
    radii : each (N, 1), a radius for each query, or (1, M), one for each point

    Returns
    -------
    for each set of radii the counts by query (N,) and by point (M,); exact, and the same for any size of the blocks
    """
    queries, points = (np.ascontiguousarray(values, np.float32) for values in (queries, points))
    centre = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    found = [(np.zeros(len(queries), np.int64), np.zeros(len(points), np.int64)) for _ in radii]
    for part, squares, slack in _Factor(points, centre).squares(queries - centre):
        for radius, (by_query, by_point) in zip(radii, found, strict=True):
            own = radius[part] if radius.shape[1] == 1 else radius
            near = _within(squares, queries[part], points, own, slack)
            by_query[part] = np.count_nonzero(near, axis=1)
            by_point += np.count_nonzero(near, axis=0)
    return found


def _within(
    squares: Values, queries: Values, points: Values, radius: NDArray[np.float64], slack: float
) -> NDArray[np.bool_]:
    """The pairs (n, M) at most a radius apart, (n, 1) or (1, M), of which squared distances are known but for a slack.

    Only pairs about which the slack leaves a doubt are measured anew.
    """
    near: NDArray[np.bool_] = squares <= _up(radius**2 + slack)
    doubtful = near & (squares > -_up(slack - radius**2))
    near &= ~doubtful
    rows, columns = _pairs(doubtful)
    # Roots, not squares: a radius that is the distance of a pair reaches as far as that.
    within = np.sqrt(_exact(queries, points, rows, columns)) <= np.broadcast_to(radius, near.shape)[rows, columns]
    near[rows[within], columns[within]] = True
    return near


def _up(values: NDArray[np.float64]) -> Values:
    """The next larger number of single precision."""
    rounded: Values = np.nextafter(values.astype(np.float32), np.float32(np.inf))
    return rounded


def _squared_lengths(values: Values) -> Values:
    """|x|² (N,) of vectors (N, D), summed in double precision."""
    lengths = np.empty(len(values), np.float32)
    for start in range(0, len(values), _ROWS):
        part = values[start : start + _ROWS].astype(np.float64)
        lengths[start : start + _ROWS] = np.einsum("nd,nd->n", part, part)
    return lengths


def _kth(squares: Values, k: int) -> Values:
    """An upper bound (n,) of the k-th smallest of each row (n, M).

    Each of k groups of points holds one no farther than the k-th smallest of the groups' minima.
    """
    if k == 1:
        smallest: Values = squares.min(axis=1)
        return smallest
    count, groups = squares.shape[1], max(_GROUPS, 4 * k)
    if count >= 2 * groups:
        whole = count // groups * groups
        minima = squares[:, :whole].reshape(len(squares), -1, groups).min(axis=1)  # (n, groups)
        squares = np.hstack([minima, squares[:, whole:]])
    kth: Values = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return kth


def _pairs(chosen: NDArray[np.bool_]) -> Pairs:
    # Several times faster than `nonzero` of a matrix where few are chosen.
    rows, columns = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
    return rows, columns


def _exact(queries: Values, points: Values, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Squared distances (P,) of pairs, in double precision; a pair's bits depend on nothing else."""
    squares = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        difference = queries[rows[part]].astype(np.float64)
        difference -= points[columns[part]]
        difference *= difference
        squares[part] = difference.sum(axis=1)
    return squares


def _ranked(queries: Values, points: Values, pairs: Pairs, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Columns and squared distances (n, k) of the k nearest among the pairs; each row has at least k of them."""
    rows, columns = pairs
    squares = _exact(queries, points, rows, columns)
    order = np.lexsort((columns, squares, rows))
    starts = np.searchsorted(rows[order], np.arange(len(queries)))
    chosen = order[starts[:, None] + np.arange(k)]  # (n, k)
    return columns[chosen], squares[chosen]
