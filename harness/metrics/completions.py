"""Cross-entropy, entropy and marginals of a posterior over the values of missing pixels.

k binary pixels have 2ᵏ completions, numbered with the first missing pixel as the most significant bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def number_of(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The completion's number (N,) of values (N, k) of the missing pixels, 0 or 1."""
    weights = 1 << np.arange(values.shape[1] - 1, -1, -1)
    numbers: NDArray[np.int64] = values @ weights
    return numbers


def values_of(numbers: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The values (N, k) of the missing pixels in the completions (N,); inverse of `number_of`."""
    values: NDArray[np.int64] = (numbers[:, None] >> np.arange(k - 1, -1, -1)) & 1
    return values


def normalised(log_posterior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms (N, 2ᵏ) that are known up to a constant for each row, brought to a sum of 1."""
    from scipy.special import logsumexp

    rows: NDArray[np.float64] = log_posterior - logsumexp(log_posterior, axis=1, keepdims=True)
    return rows


def cross_entropy(log_posterior: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """−log p(truth | known pixels), nats a case, (N,)."""
    nats: NDArray[np.float64] = -np.take_along_axis(log_posterior, truth[:, None], axis=1)[:, 0]
    return nats


def entropy(log_posterior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of a posterior, nats a case, (N,)."""
    nats: NDArray[np.float64] = -(np.exp(log_posterior) * log_posterior).sum(axis=1)
    return nats


def marginals(log_posterior: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(lit) of each missing pixel, (N, k)."""
    count = log_posterior.shape[1]
    lit = values_of(np.arange(count), count.bit_length() - 1)  # (2ᵏ, k)
    found: NDArray[np.float64] = (np.exp(log_posterior)[:, :, None] * lit).sum(axis=1)
    return found
