"""Preprocessing for flows: gray values to logits, with the log-determinant, and back.

Pixels are integers 0 … 255; uniform noise makes them continuous (Theis, van den Oord and Bethge 2016,
arXiv:1511.01844). `Dequantised` is the preprocessing of published figures: Papamakarios, Pavlakou and Murray 2017,
arXiv:1705.07057, section E.2, with λ = 1e-6 for MNIST. `Rescaled` is the Tsinghua coursework's.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

LEVELS = 256
_MIDDLE = 0.5
"""Middle of the noise."""


class Preprocessing(ABC):
    """Maps gray values (N, D) in [0, 1] to logits (N, D) and back."""

    @abstractmethod
    def logits(self, images: Tensor, noise: Tensor | float = _MIDDLE) -> tuple[Tensor, Tensor]:
        """Compute logits, and log |det ∂logits/∂u| (N,) in nats, u being the continuous values in [0, 1).

        The noise, (N, D) or one number, lies in [0, 1).
        """

    @abstractmethod
    def images(self, logits: Tensor, like: Tensor | None = None) -> Tensor:
        """Convert logits to gray values in [0, 1], with the middle of the noise subtracted.

        `like` (N, D) are the images that the logits came from, for preprocessings that need them.
        """


class Dequantised(Preprocessing):
    """Uniform dequantisation: u = (255 x + noise) / 256, then the logit of λ + (1 − 2λ) u."""

    squeeze = 1e-6

    def logits(self, images: Tensor, noise: Tensor | float = _MIDDLE) -> tuple[Tensor, Tensor]:
        unit = ((LEVELS - 1) * images + noise) / LEVELS
        logits, log_det = _logit(self.squeeze + (1 - 2 * self.squeeze) * unit)
        return logits, log_det + images.shape[1] * math.log1p(-2 * self.squeeze)

    def images(self, logits: Tensor, like: Tensor | None = None) -> Tensor:
        unit = (torch.sigmoid(logits) - self.squeeze) / (1 - 2 * self.squeeze)
        return ((LEVELS * unit - _MIDDLE) / (LEVELS - 1)).clamp(0, 1)


class Rescaled(Preprocessing):
    """The coursework's preprocessing: v = x + noise / 256, each image stretched to [1e-4, .9999], then the logit.

    Its density is not comparable with others: the darkest and brightest pixel of every image become constants, so that
    two of its D dimensions are lost, and the stretch, which depends on the image, counts as if it were fixed.
    """

    low, high = 1e-4, 0.9999

    def logits(self, images: Tensor, noise: Tensor | float = _MIDDLE) -> tuple[Tensor, Tensor]:
        values = images + noise / LEVELS
        darkest, span = _span(values)
        slope = (self.high - self.low) / span
        logits, log_det = _logit(self.low + slope * (values - darkest))
        # u = 256 v / 257 fills the unit interval, so dv/du is 257 / 256.
        stretch = slope.squeeze(1).log() + math.log1p(1 / LEVELS)
        return logits, log_det + images.shape[1] * stretch

    def images(self, logits: Tensor, like: Tensor | None = None) -> Tensor:
        share = (torch.sigmoid(logits) - self.low) / (self.high - self.low)
        if like is None:
            return share.clamp(0, 1)
        darkest, span = _span(like)
        return (darkest + share * span).clamp(0, 1)


PREPROCESSINGS: Mapping[str, Preprocessing] = {"dequantised": Dequantised(), "coursework": Rescaled()}


def _logit(values: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the logit (N, D) of values in (0, 1), and log |det| (N,) of that map."""
    low, high = values.log(), torch.log1p(-values)
    return low - high, -(low + high).sum(1)


def _span(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the darkest value and the range of values, (N, 1) each; the range of a constant image is taken as 1."""
    darkest = values.amin(1, keepdim=True)
    span = values.amax(1, keepdim=True) - darkest
    return darkest, torch.where(span > 0, span, torch.ones_like(span))
