"""Squared distances between all pairs of rows, by one matrix product."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.types import Array


def squared_distances(rows: Array) -> NDArray[np.float64]:
    """Calculate ‖a − b‖² of all pairs of rows (n, d): (n, n), symmetric, with a diagonal of 0.

    In double precision, where rounding is 1e-15 of ‖a‖² + ‖b‖². Rows are not centred: one row with huge values would
    then cost all others their precision.
    """
    values = rows.astype(np.float64)
    products = values @ values.T
    lengths = products.diagonal()
    squares: NDArray[np.float64] = np.maximum(lengths[:, None] + lengths[None, :] - 2 * products, 0)
    np.fill_diagonal(squares, 0)
    return squares
