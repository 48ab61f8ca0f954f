"""Classifier-score test: the accuracy on real images of a classifier that was trained on generated ones.

S. Ravuri and O. Vinyals 2019, "Classification accuracy score for conditional generative models", arXiv:1905.10887;
C. Esteban et al. 2017, arXiv:1706.02633, "train on synthetic, test on real". The classifier here is a ridge regression
of the labels on the judge's features, in closed form, so that it has neither random state nor learning rate: the
discriminant of A. E. Hoerl and R. W. Kennard 1970, Technometrics 12(1), W = (XᵀX + λ n)⁻¹ XᵀY on centred columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.metrics.one_thread import one_thread

PENALTY = 1e-3
"""λ: penalty of the squared weights, for each sample; a thousandth of the features' largest variance or so."""


def classifier_labels(
    samples: NDArray[np.floating],
    labels: NDArray[np.int64],
    real: NDArray[np.floating],
    classes: int = 10,
    penalty: float = PENALTY,
) -> NDArray[np.int64]:
    """Train on features of samples (N, F) and their labels (N,), and classify features of real images (M, F): (M,).

    A class of which there are no samples is never given.
    """
    # Imported here, as torch is elsewhere, so that what only lists measures stays quick.
    from scipy.linalg import cho_factor, cho_solve

    values = samples.astype(np.float64)
    targets = np.eye(classes)[labels]  # (N, classes)
    mean, share = values.mean(axis=0), targets.mean(axis=0)
    values -= mean
    with one_thread():
        gram = values.T @ values + penalty * len(values) * np.eye(values.shape[1])
        weights = cho_solve(cho_factor(gram), values.T @ (targets - share))  # (F, classes)
    scores = (real.astype(np.float64) - mean) @ weights + share
    scores[:, share == 0] = -np.inf
    given: NDArray[np.int64] = scores.argmax(axis=1)
    return given
