"""Bounds on the log-likelihood of a latent-variable model, of what its two networks return and the harness's own noise.

Kingma and Welling 2014, arXiv:1312.6114, for the evidence lower bound (ELBO); Burda, Grosse and Salakhutdinov 2016,
arXiv:1509.00519, for the importance-weighted bound. Whatever an encoder returns, these are bounds, since p(z) and
q(z | x) are computed here; a code that says more than k numbers should is paid for by the divergence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, xlog1py, xlogy

LEAST = 1e-7
"""Probabilities closer to 0 or 1 are taken as this far away: about the last bit of a float32 below 1."""
_ROWS = 500
"""Images that are held in double precision at a time."""


def divergence(mean: NDArray[np.floating], log_variance: NDArray[np.floating]) -> NDArray[np.float64]:
    """KL(q ‖ N(0, 1)) of each coordinate, (N, k) in nats, for q = N(mean, exp(log_variance)), (N, k)."""
    mean, log_variance = mean.astype(np.float64), log_variance.astype(np.float64)
    found: NDArray[np.float64] = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)
    return found


def drawn_codes(
    mean: NDArray[np.floating], log_variance: NDArray[np.floating], noise: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Codes mean + exp(log_variance / 2) · noise, (…, N, k), for noise (…, N, k) ~ N(0, I)."""
    deviation = np.exp(log_variance.astype(np.float64) / 2)
    codes: NDArray[np.float32] = (mean + deviation * noise).astype(np.float32)
    return codes


def log_bernoulli(probabilities: NDArray[np.float32], images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Σ x log p + (1 − x) log(1 − p) over the pixels of each image, (N,) in nats.

    Parameters
    ----------
    probabilities : (N, …) in [0, 1]
    images : (N, …); gray values in [0, 1] are the targets' expectations
    """
    found = np.empty(len(images))
    for start in range(0, len(images), _ROWS):
        part = slice(start, start + _ROWS)
        x = images[part].astype(np.float64).reshape(len(images[part]), -1)
        p = probabilities[part].astype(np.float64).reshape(x.shape).clip(LEAST, 1 - LEAST)
        found[part] = (xlogy(x, p) + xlog1py(1 - x, -p)).sum(axis=1)
    return found


def gray_entropy(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """The least cross-entropy that gray targets allow, that of an image with itself, (N,) in nats.

    A negative ELBO never lies below it: what is above comes from the model.
    """
    return -log_bernoulli(images, images)


def importance_bound(
    log_likelihoods: NDArray[np.float64],
    mean: NDArray[np.floating],
    log_variance: NDArray[np.floating],
    codes: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Log 1/S Σ p(x | z) p(z) / q(z | x) over S codes z ~ q of each image, (N,) in nats.

    Parameters
    ----------
    log_likelihoods : (S, N), log p(x | z)
    mean, log_variance : (N, k), of q
    codes : (S, N, k)
    """
    z = codes.astype(np.float64)
    log_variance = log_variance.astype(np.float64)
    standard = (z - mean) ** 2 / np.exp(log_variance) + log_variance  # (S, N, k)
    # The constants of both normal densities are equal.
    weights = log_likelihoods - 0.5 * (z**2).sum(axis=2) + 0.5 * standard.sum(axis=2)  # (S, N)
    bound: NDArray[np.float64] = logsumexp(weights, axis=0) - np.log(len(weights))
    return bound
