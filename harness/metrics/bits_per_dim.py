"""Bits per dimension of a density of continuous pixels, comparable between models whatever they were trained on.

Uniform noise makes the integers 0 … 255 continuous: the density of u = (255 x + noise) / 256 is on average a lower
bound on the integers' log-probability, less 8 bits a pixel (Theis, van den Oord and Bethge 2016, arXiv:1511.01844).
Flows model the logits of λ + (1 − 2λ) u, with λ = 1e-6 in published figures (Papamakarios et al. 2017,
arXiv:1705.07057).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LEVELS = 256


def logits(
    images: NDArray[np.float32], noise: NDArray[np.floating], squeeze: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits (N, D) of dequantised images, and log |det ∂logits/∂u| (N,) in nats.

    Parameters
    ----------
    images : (N, …) in [0, 1], multiples of 1/255, of D pixels
    noise : (N, D) in [0, 1)
    squeeze : λ, which keeps the logits finite
    """
    pixels = images.reshape(len(images), -1).astype(np.float64)
    unit = squeeze + (1 - 2 * squeeze) * ((LEVELS - 1) * pixels + noise) / LEVELS
    low, high = np.log(unit), np.log1p(-unit)
    return low - high, pixels.shape[1] * math.log1p(-2 * squeeze) - (low + high).sum(axis=1)


def images(values: NDArray[np.floating], squeeze: float) -> NDArray[np.float32]:
    """Gray values in [0, 1] of logits, in the middle of their levels; the shape stays."""
    with np.errstate(over="ignore"):
        share = 1 / (1 + np.exp(-values.astype(np.float64)))
    unit = (share - squeeze) / (1 - 2 * squeeze)
    gray: NDArray[np.float32] = ((LEVELS * unit - 0.5) / (LEVELS - 1)).clip(0, 1).astype(np.float32)
    return gray


def log_normal(z: NDArray[np.floating]) -> NDArray[np.float64]:
    """The standard normal log-density (N,) of z (N, D), in nats."""
    wide = z.astype(np.float64)
    density: NDArray[np.float64] = -0.5 * ((wide**2).sum(axis=1) + wide.shape[1] * math.log(2 * math.pi))
    return density


def bits_per_dim(log_density: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    """8 − log₂ p(u) / D of log-densities of u (N,) in nats."""
    return math.log2(LEVELS) - log_density / (dimensions * math.log(2))
