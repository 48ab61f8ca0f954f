"""The density of a flow in bits per dimension, and a check of its log-determinant against autograd.

log2 of the density of dequantised pixels on the unit interval, less 8 bits a pixel, is on average a lower bound
on the log-probability of the integers 0 … 255 (Theis, van den Oord and Bethge 2016, arXiv:1511.01844).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from reference.preprocessing import LEVELS, Dequantised, Preprocessing

Flow = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Logits (N, D) → (z (N, D), log |det ∂z/∂logits| (N,))."""

_DEQUANTISED = Dequantised()


def log_normal(z: Tensor) -> Tensor:
    """Compute the standard normal log-density (N,) of z (N, D), in nats."""
    return -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))


def log_density(flow: Flow, logits: Tensor) -> Tensor:
    """Compute log p (N,), in nats, at logits (N, D), of a flow with standard normal z."""
    z, log_det = flow(logits)
    return log_normal(z) + log_det


def bits(flow: Flow, images: Tensor, noise: Tensor, preprocessing: Preprocessing = _DEQUANTISED) -> Tensor:
    """Compute −log2 p / D + 8 (N,) of images (N, D) in [0, 1] with noise (N, D) in [0, 1), including all Jacobians."""
    logits, log_det = preprocessing.logits(images, noise)
    nats = log_density(flow, logits) + log_det
    return math.log2(LEVELS) - nats / (images.shape[1] * math.log(2))


def bits_per_dim(
    flow: Flow,
    images: Tensor,
    generator: torch.Generator,
    draws: int = 1,
    preprocessing: Preprocessing = _DEQUANTISED,
    chunk: int = 1000,
) -> Tensor:
    """Compute the bound on −log2 P(image) / D, (N,) float64, as the mean of `bits` over draws of the noise.

    Parameters
    ----------
    images : (N, D) in [0, 1], multiples of 1/255
    generator : CPU generator of the noise
    draws : number of noise draws for each image
    chunk : number of images in a batch
    """
    total = torch.zeros(len(images), dtype=torch.float64)
    with torch.no_grad():
        for _ in range(draws):
            noise = torch.rand(images.shape, generator=generator)
            for start in range(0, len(images), chunk):
                rows = slice(start, start + chunk)
                total[rows] += bits(flow, images[rows], noise[rows], preprocessing)
    return total / draws


def jacobian_log_det(flow: Flow, value: Tensor) -> tuple[float, float]:
    """Return log |det ∂z/∂value| at one value (D,) twice: as the flow computes it, and from autograd's Jacobian.

    The Jacobian takes D backward passes; its determinant is computed in float64.
    """

    def z_of(v: Tensor) -> Tensor:
        return flow(v[None])[0][0]

    jacobian: Tensor = torch.autograd.functional.jacobian(z_of, value)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        said = flow(value[None])[1][0].item()
    return said, float(torch.linalg.slogdet(jacobian.double()).logabsdet)
