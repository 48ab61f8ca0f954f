"""Refusals of answers that make no density: divergences beyond all bounds, and probabilities that are none."""

from __future__ import annotations

import numpy as np

from harness.metrics import elbo
from harness.types import Answer, Images, refuse

LARGEST = 1e6
"""Divergence of an image, nats, from which a code is refused: no model of digits needs a thousandth of it."""
OVERSHOOT = 1e-6
"""Largest distance of a probability from [0, 1] that rounding explains."""


def refuse_overflow(answer: Answer, name: str) -> None:
    """Refuse codes whose divergence or draws are beyond what a float32 holds."""
    with np.errstate(over="ignore"):
        rate = elbo.divergence(answer["mean"], answer["log_variance"]).sum(axis=1)
    if not (np.isfinite(rate).all() and float(rate.max(initial=0.0)) < LARGEST):
        low, high = float(answer["log_variance"].min()), float(answer["log_variance"].max())
        raise refuse(
            "answers",
            "log-variance",
            f"encode: the divergence of {name} images is not below {LARGEST:g} nats; the log-variances lie in "
            f"[{low:.4g}, {high:.4g}]. The second value must be the logarithm of the variance.",
        )


def probabilities(images: Images) -> Images:
    """Probabilities of pixels as a model gave them, without what rounding put beyond [0, 1]."""
    low, high = float(images.min()), float(images.max())
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise refuse(
            "answers",
            "out-of-range",
            f"decode: the probabilities lie in [{low:.4g}, {high:.4g}]; allowed is [0, 1]. Logits have to go through a "
            "sigmoid.",
        )
    clipped: Images = images.clip(0, 1)
    return clipped
