"""Digits by what they show: of each sample the nearest, by shape, of those that show what the sample is read as.

A digit that was copied shows what its copy shows, and a drawing that is read as a 3 but has the shape of an 8 is no
digit. Among the digits of one class a search takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.metrics.neighbours import Points
from harness.metrics.shapes import centred, shapes

if TYPE_CHECKING:
    from harness.mnist import Split

_ROWS = 2000
"""Digits whose images are moved at a time, so that no second copy of all is made."""


class Nearest(NamedTuple):
    """The nearest digit of each sample."""

    rows: NDArray[np.int64]
    """(N,) its row among the digits; 0 where no digit shows what the sample is read as."""
    distances: NDArray[np.float64]
    """(N,) from its shape, in gray values; infinite where there is none."""


class ByDigit:
    """The digits of a split, prepared once for many questions."""

    def __init__(self, split: Split) -> None:
        blocks = range(0, max(len(split), 1), _ROWS)
        of_all = np.concatenate([shapes(centred(split.images[start : start + _ROWS])) for start in blocks])
        self._rows = [np.flatnonzero(split.labels == digit) for digit in range(10)]
        self._points = [Points(of_all[rows]) if len(rows) else None for rows in self._rows]

    def nearest(self, parts: Sequence[NDArray[np.float32]]) -> Nearest:
        """Find the nearest digit of each shape (n, 196), of which `parts` hold those of what is read as 0, 1, ….

        The result is in the order of the parts, one after the other.
        """
        rows, distances = [], []
        for part, own, points in zip(parts, self._rows, self._points, strict=True):
            if points is None or not len(part):
                rows.append(np.zeros(len(part), np.int64))
                distances.append(np.full(len(part), np.inf))
                continue
            found = points.nearest(part)
            rows.append(own[found.indices[:, 0]])
            distances.append(found.distances[:, 0])
        return Nearest(np.concatenate(rows), np.concatenate(distances))
