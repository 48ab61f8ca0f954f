"""Ranks as intervals, from which entries of a board are better than which others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rank = tuple[int, int]
"""Best and worst rank that the data support, from 1."""


def intervals(better: NDArray[np.bool_]) -> list[Rank]:
    """Give each entry's rank: from 1 + the number that are better to n − the number that are worse.

    Where `better` (n, n), True where the row's entry is better than the column's, is right in all places at once with
    some confidence, so are all intervals (M. Mogstad, J. P. Romano, A. M. Shaikh and D. Wilhelm 2023, "Inference for
    ranks with applications to mobility across neighbourhoods and academic achievement across countries", Review of
    Economic Studies, section 3).

    >>> intervals(np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0]], dtype=bool))  # the first is better than the last
    [(1, 2), (1, 3), (2, 3)]
    """
    n = len(better)
    above, below = better.sum(axis=0), better.sum(axis=1)
    return [(1 + int(a), n - int(b)) for a, b in zip(above, below, strict=True)]


def rank_text(rank: Sequence[int] | None) -> str:
    """Write a rank as people read it; empty for none.

    >>> rank_text((2, 5)), rank_text((3, 3)), rank_text(None)
    ('2–5', '3', '')
    """
    if rank is None:
        return ""
    low, high = rank
    return f"{low}" if low == high else f"{low}–{high}"
