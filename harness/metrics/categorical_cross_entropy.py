"""Cross-entropy of predicted symbols, and divergence from the best predictions, in nats a step.

T. M. Cover and J. A. Thomas 2006, "Elements of Information Theory", 2.3: for predictions q of symbols that truly follow
p, the mean of −log q(x) exceeds that of −log p(x) by Σ p log(p / q) ≥ 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-7
"""Smallest probability that counts: below it single precision can't tell a probability from none, and one symbol that
was called impossible would make the mean infinite."""


def cross_entropy(probabilities: NDArray[np.float64], symbols: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the steps of −log P(symbol that came), (N,), for probabilities (N, T, K) and symbols (N, T)."""
    came: NDArray[np.float64] = np.take_along_axis(probabilities, symbols[:, :, None], axis=2)[:, :, 0]
    nats: NDArray[np.float64] = -np.log(np.maximum(came, FLOOR)).mean(axis=1)
    return nats


def floored(probabilities: NDArray[np.float64], symbols: NDArray[np.int64]) -> int:
    """Number of symbols that came although their probability was below `FLOOR`."""
    return int((np.take_along_axis(probabilities, symbols[:, :, None], axis=2) < FLOOR).sum())


def divergence(best: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the steps of Σ p log(p / q), (N,), of predictions q from the best ones p, both (N, T, K)."""
    ratio = np.log(np.maximum(best, np.finfo(np.float64).tiny)) - np.log(np.maximum(probabilities, FLOOR))
    nats: NDArray[np.float64] = (best * ratio).sum(axis=2).mean(axis=1)
    return nats
